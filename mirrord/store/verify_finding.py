"""What verify finds, as values: one damage of one path, what was expected there, and what names it."""

from collections.abc import Iterator, Mapping
from enum import StrEnum

from msgspec import Struct, field
from msgspec.structs import replace

from mirrord.errors import Owner
from mirrord.oci.digest import Digest
from mirrord.oci.manifest import Kind

MAX_FINDINGS = 20_000
"""Findings that are kept; further ones are counted. Where a whole disk is gone, a list of it helps nobody."""
_NAMES = 20
"""Names that are kept of what names one damaged file."""


class Damage(StrEnum):
    """What is wrong with a path; a different word for each thing a person would do about it."""

    BYTES = "wrong bytes"
    """A file named by a digest that does not hash to it."""
    MISSING = "missing"
    KIND = "wrong kind"
    """A link, FIFO or directory where a file should be, and so on. Never followed, never opened."""
    MODE = "wrong mode"
    OWNER = "wrong owner"
    LINK = "wrong link"
    """A symlink that says something else than it should, or a manifest under another kind's name."""
    DOCUMENT = "wrong document"
    """A record, list or note that says something else than it should."""
    APART = "kept apart"
    """Right bytes of which the pool has a copy of its own: they take their place twice."""
    FOREIGN = "foreign"
    """None of mirrord's."""
    UNREADABLE = "unreadable"
    """The host would not let it be read: its mode, or its disk."""

    @property
    def advice(self) -> str:
        """What a person has to do where a repair can't; empty where one can."""
        return _ADVICE.get(self, "")


_ADVICE: Mapping[Damage, str] = {
    Damage.FOREIGN: "none of mirrord's: look at it, then move it out of the root",
    Damage.OWNER: "chown it to the owner of root.json",
    Damage.UNREADABLE: "look at the host's log: its disk may be failing",
}


class Finding(Struct, frozen=True):
    """One damage."""

    damage: Damage
    path: str
    """Below the root."""
    expected: str
    found: str = ""
    digest: Digest | None = None
    """Of a file of the pool or of a repository's content: what it should hash to."""
    repository: str = ""
    part: str = ""
    """The generation's id or the snapshot's name that it is part of."""
    mode: int | None = None
    """What a wrong mode should be."""
    named_by: tuple[str, ...] = ()
    """Images (``quay.io/x/y:1``) that need it, some of them where there are many; else the repository or snapshot."""

    @property
    def owner(self) -> Owner:
        """Whose fault it is: bytes at rest are the host's."""
        return Owner.HOST

    @property
    def advice(self) -> str:
        """What a person has to do where a repair can't; empty where one can."""
        return self.damage.advice

    def document(self) -> dict[str, object]:
        """As `--json` prints it."""
        return {
            "kind": str(self.damage),
            "path": self.path,
            "expected": self.expected,
            "found": self.found,
            "named_by": list(self.named_by),
            "owner": str(self.owner),
        }


class Lost(Struct, frozen=True):
    """A manifest that a repository should have and has not, or not whole."""

    repository: str
    digest: Digest
    kind: Kind | None
    """None where nothing is left that says it."""


class Image(Struct, frozen=True):
    """An image that needs something, for people."""

    name: str
    """``quay.io/x/y:1``."""
    mark: str = ""
    """What is to be said of how it does: that it did so before, or only refers to it."""


class Found(Struct):
    """What one look found; a second look at the same tells damage from a run at work."""

    findings: dict[tuple[Damage, str], Finding] = field(default_factory=dict)
    lost: set[Lost] = field(default_factory=set)
    """Manifests that are absent or wrong."""
    incomplete: set[Lost] = field(default_factory=set)
    """Image manifests that are present and right, and of which a blob is absent or wrong."""
    names: dict[tuple[str, Digest], dict[str, str]] = field(default_factory=dict)
    """By repository and digest of what is damaged: the images that need it, each with its mark."""
    more: int = 0
    """Findings beyond those that are kept."""

    def __bool__(self) -> bool:
        return bool(self.findings or self.lost or self.incomplete)

    def add(self, finding: Finding) -> None:
        """Take one finding."""
        self.findings[finding.damage, finding.path] = finding

    def name(self, repository: str, digest: Digest, image: Image) -> None:
        """Take note that ``image`` needs a damaged file: as it is served or, where that does not need it, as it was."""
        names = self.names.setdefault((repository, digest), {})
        if len(names) < _NAMES:
            names.setdefault(image.name, image.mark)

    def seen_again(self, again: "Found") -> "Found":
        """What both this look and a later one found, in the later one's words."""
        return Found(
            {key: finding for key, finding in again.findings.items() if key in self.findings},
            again.lost & self.lost,
            again.incomplete & self.incomplete,
            again.names,
        )

    def take(self, other: "Found") -> None:
        """Take all that another look found; only count it where there are too many already."""
        if len(self.findings) >= MAX_FINDINGS:
            self.more += len(other.findings)
            return
        self.findings |= other.findings
        self.lost |= other.lost
        self.incomplete |= other.incomplete
        for (repository, digest), images in other.names.items():
            for image, mark in images.items():
                self.name(repository, digest, Image(image, mark))

    def named(self) -> Iterator[Finding]:
        """The findings in the order of their paths, each with the images that need it."""
        of_digest: dict[Digest, dict[str, str]] = {}
        for (_, digest), images in self.names.items():
            of_digest.setdefault(digest, {}).update(images)
        for _, finding in sorted(self.findings.items(), key=lambda item: (item[1].path, item[0][0])):
            names: Mapping[str, str] = {}
            if finding.digest is not None and finding.repository:
                names = self.names.get((finding.repository, finding.digest), {})
            elif finding.digest is not None:
                names = of_digest.get(finding.digest, {})
            needing = tuple(f"{name}{mark}" for name, mark in names.items())
            yield replace(finding, named_by=needing[:_NAMES]) if needing else finding


class Verification(Struct, frozen=True):
    """What a verification found."""

    findings: tuple[Finding, ...] = ()
    """In the order of their paths."""
    more: int = 0
    """Findings beyond those: there are too many to be kept."""
    lost: frozenset[Lost] = frozenset()
    """Manifests that a generation names and that are absent or wrong."""
    incomplete: frozenset[Lost] = frozenset()
    """Image manifests that are right, and of which a blob is absent or wrong."""
    files: int = 0
    """Of the pool."""
    bytes: int = 0
    unlinked: int = 0
    """Files of the pool that no repository has: garbage that waits for its grace to end, or a run at work."""
    unlinked_bytes: int = 0
    seconds: float = 0.0

    @property
    def damaged(self) -> frozenset[Digest]:
        """The digests of which some file is absent, wrong, or can't be read."""
        untrue = {Damage.BYTES, Damage.KIND, Damage.MISSING, Damage.UNREADABLE, Damage.DOCUMENT, Damage.LINK}
        return frozenset(each.digest for each in self.findings if each.digest is not None and each.damage in untrue)
