# ruff: noqa: INP001 - a folder of pages is no package
"""Writes the pages and schemas of docs/reference that say what the code says; --check says whether they still do.

Names, levels and fields are read out of the calls; what an event means and asks of people is in events.txt.
"""

import ast
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LEVELS = {"debug": "debug", "info": "info", "warning": "warning", "error": "error", "exception": "error"}
DYNAMIC = {
    "f'image.{name}'": ("image.updated", "image.removed"),
    "f'image.{outcome.status}'": ("image.kept", "image.blocked"),
}
HANDED_ON = dict.fromkeys(("upstream.throttled", "upstream.unreachable"), ("host", "seconds", "reason"))
"""Events whose name is handed on."""
IMAGE = ("image", "digest")

WORDS = dict(line.split(": ", 1) for line in Path(__file__).with_name("events.txt").read_text().splitlines())
"""What each event means, and asks of people."""


@dataclass
class Event:
    """One event as the calls have it."""

    levels: set[str] = field(default_factory=set)
    fields: dict[str, None] = field(default_factory=dict)


def events() -> dict[str, Event]:
    """Every event of the code, by name."""
    found: dict[str, Event] = {}
    for path in sorted((ROOT / "mirrord").rglob("*.py")):
        for call in calls(ast.parse(path.read_text())):
            level = getattr(call.func, "attr", "info")
            for name, extra in names(call):
                event = found.setdefault(name, Event())
                event.levels.add(LEVELS.get(level, "info"))
                event.fields |= dict.fromkeys([*extra, *(each.arg for each in call.keywords if each.arg)])
    for name, fields in HANDED_ON.items():
        found[name] = Event({"warning"}, dict.fromkeys(fields))
    return found


def calls(tree: ast.AST) -> Iterator[ast.Call]:
    """The calls that log."""
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Call)
            and node.args
            and isinstance(node.args[0], ast.Constant | ast.JoinedStr | ast.IfExp)
        ):
            function = node.func
            of_log = isinstance(function, ast.Attribute) and "_log" in {
                getattr(function.value, name, "") for name in ("id", "attr")
            }
            if of_log or (isinstance(function, ast.Name) and function.id == "told"):
                yield node


def names(call: ast.Call) -> Iterator[tuple[str, tuple[str, ...]]]:
    """The events that a call may send, and the fields that it is handed."""
    first = call.args[0]
    extra = IMAGE if any(each.arg is None and ast.unparse(each.value) == "fields" for each in call.keywords) else ()
    constants = [first.body, first.orelse] if isinstance(first, ast.IfExp) else [first]
    if all(isinstance(each, ast.Constant) for each in constants):
        for each in constants:
            yield ast.literal_eval(each), extra
    else:
        for name in DYNAMIC[ast.unparse(first)]:
            yield name, extra


def events_page() -> str:
    """docs/reference/events.md."""
    found = events()
    if found.keys() != WORDS.keys():
        missing, gone = found.keys() - WORDS.keys(), WORDS.keys() - found.keys()
        sys.exit(f"scripts/reference: events without words: {sorted(missing)}; words without an event: {sorted(gone)}")
    lines = [
        "# Events",
        "",
        "<!-- Written by scripts/reference from the code. -->",
        "",
        "What mirrord logs, on standard error: JSON lines, or lines for people on a terminal (`log.format`). Each line",
        "has `event`, `level` and `timestamp`; everything in a run has its `run_id`, and its `group` where the daemon",
        "made it. `owner` is whose move an error is: `upstream`, `network`, `config` or `host`. More fields may come.",
        "",
        "| event | level | fields | what it says, and asks of you |",
        "|---|---|---|---|",
    ]
    for name, event in sorted(found.items()):
        levels = ", ".join(sorted(event.levels))
        fields = ", ".join(f"`{each}`" for each in event.fields) or "none"
        lines.append(f"| `{name}` | {levels} | {fields} | {WORDS[name]} |")
    return "\n".join(lines) + "\n"


def metrics_page() -> str:
    """docs/reference/metrics.md."""
    from datetime import UTC, datetime

    from mirrord.errors import UpstreamError
    from mirrord.service.board import Board, Standing
    from mirrord.service.metrics import Metrics
    from mirrord.store.layout import Layout
    from mirrord.sync.outcome import Outcome, Progress, Report, Status
    from mirrord.sync.outcomes import Outcomes
    from mirrord.sync.status import UpstreamStatus

    metrics = Metrics(Layout(ROOT), lambda: datetime.now(UTC), lambda: {"g": (0.0, 0.0, 0.0)})
    bad = Outcome("r:1", Status.FAILED, error=UpstreamError(""))
    metrics.heard("g", Report("", Outcomes.of((bad,)), (), 1.0, 0, Progress()))
    metrics.board = Board({"g": Standing(1, 0, 0.0, [0.0])}, {"r": Standing(1, 0, 0.0, [0.0])})
    metrics.upstreams = {"r": UpstreamStatus(1, 1, 1 << 30, datetime.now(UTC).isoformat(), None)}
    lines = [
        "# Metrics",
        "",
        "<!-- Written by scripts/reference from the code. -->",
        "",
        "What the daemon's `/metrics` has, at the address of `listen`, for Prometheus. Labels are groups, outcomes,",
        "owners and (unless `metrics.per_repository` is false) repositories: never a tag. Counters begin at 0 when the",
        "daemon starts.",
        "Rules for alerts to begin with: [prometheus-rules.yaml](prometheus-rules.yaml).",
        "",
        "| metric | type | labels | what it is |",
        "|---|---|---|---|",
    ]
    for family in sorted(metrics.families(), key=lambda each: each.name):
        suffix = "_total" if family.type == "counter" else ""
        own = {label for sample in family.samples for label in sample.labels} - {"le"}
        labels = ", ".join(f"`{each}`" for each in sorted(own)) or "none"
        lines.append(f"| `{family.name}{suffix}` | {family.type} | {labels} | {family.documentation} |")
    return "\n".join(lines) + "\n"


def schema(document: str, title: str) -> str:
    """docs/reference/*.schema.json."""
    import json

    from shapes import schema_of

    from mirrord.sync.documents import RunDocument, StatusDocument

    shape = {"status": StatusDocument, "runs": RunDocument}[document]
    return json.dumps(schema_of(shape, f"{document}.schema.json", title), indent=2) + "\n"


def main() -> None:
    """Write the pages, or compare them."""
    sys.path.insert(0, str(ROOT))
    from commands import commands_page

    is_check = sys.argv[1:] == ["--check"]
    wrong = []
    for name, content in (
        ("commands.md", commands_page()),
        ("events.md", events_page()),
        ("metrics.md", metrics_page()),
        ("status.schema.json", schema("status", "status.json of a mirror")),
        ("runs.schema.json", schema("runs", "A line of runs.jsonl of a mirror")),
    ):
        page = ROOT / "docs" / "reference" / name
        if is_check:
            wrong += [] if page.exists() and page.read_text() == content else [str(page.relative_to(ROOT))]
        else:
            page.write_text(content)
    if wrong:
        sys.exit(f"scripts/reference: {', '.join(wrong)} is not as the code has it; run scripts/reference")


main()
