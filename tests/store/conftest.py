"""An upstream that can misbehave, and a mirror of it."""

from support.fixtures import mirror, upstream

__all__ = ["mirror", "upstream"]
