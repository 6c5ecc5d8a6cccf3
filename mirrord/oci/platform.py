"""Platforms of images, and which of an index's platforms a person chose."""

import re
from collections.abc import Sequence
from typing import Self

from msgspec import Struct

from mirrord.errors import InvalidPlatformError

_PART = re.compile(r"[A-Za-z0-9_.-]{1,128}")
_ARCHITECTURES = {
    "x86_64": ("amd64", ""),
    "x86-64": ("amd64", ""),
    "aarch64": ("arm64", ""),
    "armhf": ("arm", "v7"),
    "armel": ("arm", "v6"),
    "i386": ("386", ""),
}
_DEFAULT_VARIANT = {"arm64": "v8", "arm": "v7"}


class Platform(Struct, frozen=True, order=True):
    """An operating system, architecture and variant, e.g. ``linux/arm64/v8`` (image-spec, image-index.md)."""

    os: str
    architecture: str
    variant: str = ""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``os/architecture[/variant]``. Raises InvalidPlatformError."""
        parts = text.split("/")
        if len(parts) not in {2, 3} or not all(_PART.fullmatch(part) for part in parts):
            message = (
                f"{text[:100]!r} is not a platform; "
                "expected os/architecture or os/architecture/variant, e.g. linux/arm64/v8"
            )
            raise InvalidPlatformError(message)
        return cls(*parts)

    def normalised(self) -> "Platform":
        """The same platform in one spelling: arm64 means arm64/v8, arm means arm/v7, x86_64 means amd64."""
        architecture, implied = _ARCHITECTURES.get(self.architecture.lower(), (self.architecture.lower(), ""))
        variant = self.variant.lower() or implied or _DEFAULT_VARIANT.get(architecture, "")
        if variant.isdigit():
            variant = f"v{variant}"
        if architecture == "amd64" and variant == "v1":
            variant = ""
        return Platform(self.os.lower(), architecture, variant)

    @property
    def is_unknown(self) -> bool:
        """Whether it is ``unknown/unknown``, as build attestations are marked."""
        return self.os == "unknown" and self.architecture == "unknown"

    def __str__(self) -> str:
        return "/".join(part for part in (self.os, self.architecture, self.variant) if part)


class PlatformChoice(Struct, frozen=True):
    """The platforms a person wants: some, or (``wanted is None``) all."""

    wanted: tuple[Platform, ...] | None = None

    @classmethod
    def parse(cls, texts: Sequence[str] | None) -> Self:
        """Read a list of platforms; None is all of them."""
        return cls(None if texts is None else tuple(Platform.parse(text) for text in texts))

    def includes(self, platform: Platform) -> bool:
        """Whether ``platform`` is one of the wanted."""
        return self.wanted is None or platform.normalised() in {want.normalised() for want in self.wanted}

    def __str__(self) -> str:
        return "all" if self.wanted is None else ", ".join(map(str, self.wanted))
