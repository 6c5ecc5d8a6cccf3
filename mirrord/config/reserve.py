"""The part of a filesystem that is kept free: a share of it, or a number of bytes."""

from msgspec import Struct

from mirrord.config.scalars import Scalar, format_percent, format_size, parse_percent, parse_size

SHARE_CAP = 5 << 30
"""Bytes that a share never exceeds: 5 % of a large disk would keep much free for nothing."""


class Reserve(Struct, frozen=True):
    """``5%`` or ``20GiB``: exactly one of the two is set."""

    share: float | None = None
    size: int | None = None

    @classmethod
    def parse(cls, text: str) -> "Reserve":
        """Read a percentage or a size. Raises ValueError for anything else."""
        if text.endswith("%"):
            return cls(share=parse_percent(text))
        return cls(size=parse_size(text))

    def bytes_of(self, total: int) -> int:
        """How many bytes of a filesystem of ``total`` bytes are kept free; a share is capped at 5 GiB."""
        if self.size is not None:
            return self.size
        return min(int(total * (self.share or 0.0)), SHARE_CAP)

    def __str__(self) -> str:
        return format_size(self.size) if self.size is not None else format_percent(self.share or 0.0)


RESERVE: Scalar[Reserve] = Scalar(
    "a share or a size",
    "a percentage of the filesystem or a size, e.g. 5% or 20GiB",
    Reserve.parse,
    str,
    (Reserve,),
    {"type": "string", "examples": ["5%", "20GiB"]},
)
