"""All operations there are: what the control socket takes."""

from typing import Final

from mirrord.service.operation import Operation
from mirrord.service.operations.collect import Collect
from mirrord.service.operations.images import Block, ListBlocks, Remove, Unblock
from mirrord.service.operations.move import Adopt, Load
from mirrord.service.operations.snapshots import ListKept, Pin, PlanRollback, Release, RollBack
from mirrord.service.operations.sync import Sync
from mirrord.service.operations.verify import VerifyAndRepair

OPERATIONS: Final[tuple[type[Operation], ...]] = (
    Sync,
    Remove,
    Block,
    ListBlocks,
    Unblock,
    ListKept,
    PlanRollback,
    RollBack,
    Release,
    Pin,
    Collect,
    VerifyAndRepair,
    Adopt,
    Load,
)
