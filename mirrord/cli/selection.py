"""What `mirrord check --online` found, for people: the tags that are selected, and what became of the others."""

from collections.abc import Iterator, Sequence

from mirrord.cli.words import count, plain
from mirrord.config.select import Reach
from mirrord.sync.online import Explained
from mirrord.sync.outcome import Outcome

_SHOWN = 20
"""Selected tags of a repository that are shown; with -v all are."""
_WIDEST = 40
_OTHERS = {
    Reach.NEWEST: "not among the newest",
    Reach.EXCLUDED: "excluded",
    Reach.PRERELEASE: "pre-releases",
    Reach.VARIANT: "variants",
    Reach.RANGE: "not in the range",
    Reach.VERSION: "no versions",
    Reach.PATTERN: "of no pattern",
}


def told(explained: Sequence[Explained], failed: Sequence[Outcome], *, is_whole: bool) -> Iterator[str]:
    """A table a repository; with ``is_whole`` every tag has its line, else only what is selected, folded."""
    for each in explained:
        yield from _repository(each, is_whole=is_whole)
    for outcome in failed:
        yield f"{outcome.name}"
        yield f"  {outcome.error.owner}: {outcome.error}" if outcome.error else ""
    selected = sum(len(each.selected) + len(each.digests) for each in explained)
    problems = len(failed) + sum(len(each.problems) for each in explained)
    repositories = count(len(explained), "repository").replace("repositorys", "repositories")
    yield f"{count(selected, 'image')} of {repositories} selected" + (
        f", {count(problems, 'problem')}" if problems else ""
    )


def _repository(each: Explained, *, is_whole: bool) -> Iterator[str]:
    yield f"{each.name}, from {each.upstream} ({each.where})"
    yield from (f"  {digest}  by digest" for digest in each.digests)
    shown = each.selected if is_whole else each.selected[:_SHOWN]
    rows = [(tag, f"selected: {each.verdicts[tag].reason}") for tag in shown]
    if is_whole:
        rows += [(tag, verdict.reason) for tag, verdict in sorted(each.verdicts.items()) if not verdict.is_selected]
    width = min(_WIDEST, max((len(tag) for tag, _ in rows), default=0))
    yield from (f"  {plain(tag):<{width}}  {reason}" for tag, reason in rows)
    if len(shown) < len(each.selected):
        yield f"  … and {len(each.selected) - len(shown)} more selected (-v shows all)"
    others = [f"{number} {_OTHERS[reach]}" for reach, number in sorted(each.others.items(), reverse=True)]
    others += [f"{each.followers} signatures and the like, which come with their image"] if each.followers else []
    if others:
        yield f"  not selected: {', '.join(others)}"
    yield from (f"  {problem.owner}: {problem}" for problem in each.problems)
    yield ""
