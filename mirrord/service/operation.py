"""One command as values: what is asked, what it works with, what is answered. What each does: `operations`."""

from abc import abstractmethod
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, ClassVar

from msgspec import Struct, field
from msgspec.structs import asdict

from mirrord.config.model import Config
from mirrord.store.layout import Layout
from mirrord.store.store import Store
from mirrord.store.verify_pool import Progress as Verifying
from mirrord.sync.outcome import Progress, Report
from mirrord.sync.run import Upstreams

DONE, FOUND, HOST = 0, 1, 3
"""What a reply's status says, as exit statuses do: done; it met something; this host is at fault."""
_NAMES = 1000
"""Names of images in work that are told."""


class Meters(Struct, frozen=True):
    """How far an operation is: counts that it moves, and that whoever shows progress reads."""

    run: Progress = field(default_factory=Progress)
    verification: Verifying = field(default_factory=Verifying)

    def document(self) -> dict[str, object]:
        """As it travels."""
        return {"run": _counts(self.run), "verification": _counts(self.verification)}

    def take(self, document: Mapping[str, Any]) -> None:
        """Stand as another process's meters do; what only that one knows is left out."""
        for name, meter in (("run", self.run), ("verification", self.verification)):
            counts = document.get(name)
            if isinstance(counts, dict):
                _take(meter, counts)


class Workshop(Struct, frozen=True):
    """What an operation works with."""

    store: Store
    config: Config | None
    """None: nobody named one, and the defaults hold."""
    meters: Meters = field(default_factory=Meters)
    heard: Callable[[Report], Awaitable[None]] | None = None
    """Who is told of a run that has ended, and writes it down; None: nobody keeps running, and the run does it."""
    upstreams: Upstreams | None = None
    """Within whose limits runs stay; None: nobody else asks the upstreams anything."""


class Reply(Struct, frozen=True):
    """What came of an operation."""

    document: Mapping[str, object]
    """What `--json` prints of it, without its schema."""
    status: int = DONE


class Operation(Struct, frozen=True, kw_only=True):
    """One thing that is asked. Its fields are texts, perhaps None, booleans, tuples of texts: it travels as JSON."""

    name: ClassVar[str]
    is_alone: ClassVar[bool] = False
    """Whether nothing else may work on the root meanwhile."""
    ends_with_its_client: ClassVar[bool] = False
    """Whether it is given up when whoever asked goes away; else it is too short for that to matter."""

    words: str
    """The command as it was typed: what it says in reasons, and of who holds the root."""

    @abstractmethod
    async def perform(self, workshop: Workshop) -> Reply:
        """Do it. Raises MirrordError."""


class Look(Operation, frozen=True, kw_only=True):
    """An operation that only reads: who may read the root needs neither its lock nor its daemon."""

    async def perform(self, workshop: Workshop) -> Reply:
        """Look. Raises MirrordError."""
        layout = workshop.store.layout
        return await workshop.store.run(lambda: self.look(layout))

    @abstractmethod
    def look(self, layout: Layout) -> Reply:
        """What there is to see; blocks. Raises MirrordError."""


def _counts(meter: Progress | Verifying) -> dict[str, object]:
    return {name: list(value)[:_NAMES] if isinstance(value, dict) else value for name, value in asdict(meter).items()}


def _take(meter: Progress | Verifying, counts: Mapping[str, object]) -> None:
    for name, now in asdict(meter).items():
        value = counts.get(name)
        if isinstance(now, int) and isinstance(value, int):
            setattr(meter, name, value)
        elif isinstance(now, dict) and isinstance(value, list):
            setattr(meter, name, dict.fromkeys(map(str, value)))
