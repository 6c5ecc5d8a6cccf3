"""A config that is being put together from another tool's: its entries, their origin, and what was left over."""

from collections import Counter
from collections.abc import Mapping

from msgspec import Struct, field

from mirrord.config.addresses import parse_host
from mirrord.config.importers.patterns import Rule
from mirrord.config.importers.source import Leftover
from mirrord.config.names import ImageName
from mirrord.config.schedule import parse_schedule
from mirrord.errors import InvalidPlatformError
from mirrord.oci.platform import Platform
from mirrord.oci.reference import Repository


class Entry(Struct):
    """One image of the config to be."""

    line: int
    """Where the other tool's file names it first."""
    name: str
    """A repository, a catalog, or a name with a digest."""
    rules: list[Rule] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    """Where it came from, for people."""
    schedule: str = ""
    options: dict[str, object] = field(default_factory=dict)
    served_as: str = ""

    @property
    def key(self) -> tuple[str, str]:
        """What makes two entries one."""
        return self.name, self.served_as


class Registry(Struct):
    """One registry of the config to be."""

    line: int
    keys: dict[str, object] = field(default_factory=dict)
    said: list[str] = field(default_factory=list)
    """Comments above it."""


class Draft(Struct):
    """The config as it grows."""

    tool: str
    """Whose file it was, for people."""
    file: str
    images: list[Entry] = field(default_factory=list)
    registries: dict[str, Registry] = field(default_factory=dict)
    leftovers: list[Leftover] = field(default_factory=list)
    hints: list[str] = field(default_factory=list)
    """Comments at the head of the config."""

    def leave(self, line: int, what: str, reason: str) -> None:
        """Take note of what is not carried over."""
        self.leftovers.append(Leftover(line, what, reason))

    def add(self, entry: Entry, what: str) -> None:
        """Add an image. An entry of the same repository takes its rules in: one image has one way to be mirrored."""
        try:
            name = ImageName.parse(entry.name)
        except ValueError as error:
            self.leave(entry.line, what, str(error))
            return
        entry.name = _spelled(name)
        other = next((each for each in self.images if each.key == entry.key), None)
        if other is None:
            self.images.append(entry)
            return
        mine, theirs = entry.options.get("platforms"), other.options.get("platforms")
        if mine != theirs:
            words = f"line {other.line} has the same repository with {_platforms(theirs)}, and here it has one choice"
            self.leave(entry.line, what, f"{words}, not also {_platforms(mine)}; to have both, write it with as:")
            return
        for key in ("referrers", "foreign_layers"):
            if entry.options.get(key) != other.options.get(key):
                self.leave(
                    entry.line, what, f"its {key} differ from line {other.line}'s of the same repository: those hold"
                )
        if entry.schedule != other.schedule:
            words = f"line {other.line} has the same repository {_schedule(other.schedule)}: that holds"
            self.leave(entry.line, what, f"{words}, and it is not {_schedule(entry.schedule)}")
        other.rules += [rule for rule in entry.rules if rule not in other.rules]
        other.said += entry.said

    def registry(self, host: str, line: int, what: str) -> Registry | None:
        """The entry of a registry; None, and told, where ``host`` is none."""
        try:
            name = parse_host(host)
        except ValueError as error:
            self.leave(line, what, str(error) or f"{host!r} is no registry's host")
            return None
        return self.registries.setdefault(name, Registry(line))

    def schedule(self, text: str, line: int, what: str) -> str:
        """A schedule in our spelling; empty, and told, where it can't be one."""
        try:
            return parse_schedule(text)
        except ValueError as error:
            self.leave(
                line, what, str(error) or f"{text!r} is no schedule here; five cron fields, @daily, or every 30m"
            )
            return ""

    def platforms(self, texts: list[str], line: int, what: str) -> list[str] | None:
        """Platforms as the config names them; None, and told, where one can't be named."""
        try:
            return [str(Platform.parse(text)) for text in texts]
        except InvalidPlatformError as error:
            self.leave(line, what, str(error))
            return None

    def drop_unused_registries(self) -> None:
        """Leave over registries that no image comes from: they were pushed to, or are of no use."""
        hosts = {ImageName.parse(entry.name).repository.host for entry in self.images}
        for host in self.registries.keys() - hosts:
            self.leave(self.registries[host].line, host, "no image comes from this registry: mirrord pushes to none")
            del self.registries[host]

    def common(self) -> Mapping[str, object]:
        """What all images say alike: it goes into ``defaults``."""
        found: dict[str, object] = {}
        for key in ("platforms", "referrers", "foreign_layers"):
            values = [entry.options.get(key) for entry in self.images]
            if values and values[0] is not None and all(value == values[0] for value in values):
                found[key] = values[0]
        return found

    def usual_schedule(self) -> str:
        """The schedule that most images have."""
        counts = Counter(entry.schedule for entry in self.images if entry.schedule)
        return counts.most_common(1)[0][0] if counts and all(entry.schedule for entry in self.images) else ""


def _spelled(name: ImageName) -> str:
    """One spelling of a name, so that two of one repository are seen to be: ``docker.io/library/nginx`` is nginx."""
    if name.is_catalog or name.digest is not None:
        return name.text
    text = str(name.repository).removeprefix("docker.io/")
    short = text.removeprefix("library/")
    return short if Repository.parse(short) == name.repository else text


def _platforms(chosen: object) -> str:
    return (
        "all platforms"
        if not chosen
        else f"platforms {', '.join(map(str, chosen if isinstance(chosen, list) else []))}"
    )


def _schedule(schedule: str) -> str:
    return f'on the schedule "{schedule}"' if schedule else "on no schedule of its own"
