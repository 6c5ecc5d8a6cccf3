"""What every repository of a run works with."""

from msgspec import Struct, field

from mirrord.errors import HostError
from mirrord.registry.client import Registries
from mirrord.store.blocks import Blocks
from mirrord.store.store import Store
from mirrord.sync.memory import Memory
from mirrord.sync.notes import Notes
from mirrord.sync.outcome import Progress
from mirrord.sync.tell import Teller
from mirrord.sync.transfer import Transfer


class Tools(Struct):
    """What every repository of a run works with."""

    registries: Registries
    store: Store
    transfer: Transfer
    progress: Progress
    notes: Notes
    memory: Memory
    blocks: Blocks
    teller: Teller = field(default_factory=Teller)
    host_error: HostError | None = None
    """The host's first failure in this run: no further image is begun."""
