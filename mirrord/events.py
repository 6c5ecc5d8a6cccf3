"""Events: structlog set up once, as lines for people or JSON lines for machines, always on standard error.

Nothing else imports structlog. It would import rich for tracebacks that show the values of variables: they may be
secrets, and it is a tenth of the time in which a command starts. So while it is imported there is no rich.
"""

import contextlib
import logging
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar
from typing import Literal, TextIO

_RICH = "rich"
_is_imported = sys.modules.setdefault(_RICH, None) is not None  # type: ignore[arg-type] # None: can't be imported
try:
    import structlog
finally:
    if not _is_imported:
        del sys.modules[_RICH]

get_logger = structlog.get_logger
with_fields = structlog.contextvars.bound_contextvars
"""Gives its fields to each event that is sent while its block lasts."""

Level = Literal["debug", "info", "warning", "error"]
Format = Literal["auto", "console", "json"]
Listener = Callable[[Mapping[str, object]], None]

_listener: ContextVar[Listener | None] = ContextVar("listener", default=None)
_priority: ContextVar[int] = ContextVar("priority", default=6)
_PRIORITIES = {"debug": 7, "info": 6, "warning": 4, "error": 3, "critical": 2}
"""The journal's, by level."""


def configure(level: Level = "info", form: Format = "auto", stream: TextIO | None = None) -> None:
    """Send events of at least ``level`` to ``stream`` (standard error); ``auto`` is for people only on a terminal."""
    target = stream or sys.stderr
    readable = form == "console" or (form == "auto" and target.isatty())
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _let_hear,
    ]
    last: list[structlog.typing.Processor] = (
        [structlog.dev.ConsoleRenderer(colors=target.isatty(), exception_formatter=structlog.dev.plain_traceback)]
        if readable
        else [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    )
    if _is_journal(target):
        last.insert(0, _take_priority)
        last.append(_put_priority)
    structlog.configure(
        processors=[*shared, *last],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.WriteLoggerFactory(target),
        cache_logger_on_first_use=False,
    )


def _is_journal(target: TextIO) -> bool:
    """Whether what is written there goes to systemd's journal (systemd.exec(5), $JOURNAL_STREAM)."""
    device, _, inode = os.environ.get("JOURNAL_STREAM", "").partition(":")
    try:
        found = os.fstat(target.fileno())
    except (OSError, ValueError):
        return False
    return (device, inode) == (str(found.st_dev), str(found.st_ino))


def _take_priority(
    _logger: structlog.typing.WrappedLogger, _method: str, event: structlog.typing.EventDict
) -> structlog.typing.EventDict:
    """Remember the level until the line is made: rendering leaves a text."""
    _priority.set(_PRIORITIES.get(str(event.get("level")), 6))
    return event


def _put_priority(_logger: structlog.typing.WrappedLogger, _method: str, line: object) -> str:
    """Begin the line with its priority, as journald reads it (sd-daemon(3)): every line of a traceback, too."""
    mark = f"<{_priority.get()}>"
    return "\n".join(f"{mark}{each}" for each in str(line).splitlines())


@contextlib.contextmanager
def overheard(listener: Listener) -> Iterator[None]:
    """Let ``listener`` hear each event that this task, and what it begins, sends while the block lasts."""
    token = _listener.set(listener)
    try:
        yield
    finally:
        _listener.reset(token)


def _let_hear(
    _logger: structlog.typing.WrappedLogger, _method: str, event: structlog.typing.EventDict
) -> structlog.typing.EventDict:
    listener = _listener.get()
    if listener is not None:
        listener(dict(event))
    return event
