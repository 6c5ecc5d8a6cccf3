"""What `mirrord import`, `adopt` and `load` say for people."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mirrord.cli.words import count, plain, size


def imported(tool: str, images: int, leftovers: int, write: Path | None) -> str:
    """What came of an import."""
    told = f"; {count(leftovers, 'thing')} left over, above" if leftovers else "; nothing was left over"
    look = f" --config {write}" if write else ""
    return (
        f"mirrord: {count(images, 'image')} from {tool}{told}. To see what that selects: mirrord check{look} --online\n"
    )


def adopted(done: Mapping[str, Any], verbosity: int) -> str:
    """What came of an adoption."""
    lines = [f"left: {left['path']}: {left['reason']}" for left in done["left"]]
    lines += [f"left: … and {done['more']} more"] if done["more"] else []
    shared = f" ({size(done['bytes_shared'])} by sharing blocks)" if done["bytes_shared"] else ""
    here = f"; {count(done['here_already'], 'file')} here already" if done["here_already"] else ""
    words = f"Copied {count(done['files'], 'file')}, {size(done['bytes'])}{shared}{here}. The next sync finds them."
    lines += [words] if verbosity >= 0 else []
    return "".join(f"{plain(line)}\n" for line in lines)


def loaded(done: Mapping[str, Any]) -> str:
    """What came of a bundle."""
    origin = f"snapshot {done['origin']['snapshot']} of {done['origin']['host']}"
    here = f", {size(done['bytes_here_already'])} were here already" if done["bytes_here_already"] else ""
    words = f"Loaded {origin}: {size(done['bytes'])} copied{here}. "
    if done["snapshot"]:
        changed = f"{done['changed']} {'repository' if done['changed'] == 1 else 'repositories'}"
        gone = f", {done['removed']} gone" if done["removed"] else ""
        words += f"Published {done['snapshot']}: {changed} changed{gone}."
    elif not done["held"]:
        words += "Nothing to publish: it is what is served."
    return words + (f"\nheld       {done['held']}" if done["held"] else "") + "\n"
