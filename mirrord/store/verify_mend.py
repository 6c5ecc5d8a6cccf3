"""Mending damaged files with what the disk itself has; what it has not goes into quarantine: nobody is served it.

True wins over Last good: a file of wrong bytes is out of reach before anything is asked of an upstream. It stays in
``staging/quarantine/`` for a week where nothing takes its place, for whoever wants to look at the last copy there was.
"""

import errno
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from msgspec import Struct, field

from mirrord.errors import MirrordError
from mirrord.oci.digest import Digest
from mirrord.oci.manifest import MAX_MANIFEST_SIZE, Kind, Manifest, parse_manifest
from mirrord.store import content, durable
from mirrord.store.garbage import repositories_on_disk
from mirrord.store.layout import Layout, parse_manifest_name
from mirrord.store.pool import link_out, size_in_pool
from mirrord.store.reading import MAX_MARK, read_file, read_json
from mirrord.store.root import mark_of
from mirrord.store.snapshot import served_name
from mirrord.store.suspects import Entry, Suspects
from mirrord.store.verify_finding import Damage, Finding, Found, Verification
from mirrord.store.verify_history import linked, true_record
from mirrord.store.verify_look import Eye, Place
from mirrord.store.verify_pool import Inode


def quarantine(layout: Layout, path: Path, name: str) -> None:
    """Take whatever is at ``path`` out of the tree, under a name that begins with ``name``."""
    durable.make_directory(layout.quarantine, durable.PRIVATE_MODE)
    number = 0
    while os.path.lexists(target := layout.quarantine / f"{name[:200]}.{number}"):
        number += 1
    durable.rename(path, target)
    durable.sync_directory(path.parent)


def discard_quarantine(layout: Layout, healed: Iterable[Digest]) -> None:
    """Remove from quarantine what has been replaced by the right bytes."""
    names = {str(digest) for digest in healed}
    if durable.is_directory(layout.quarantine):
        for entry in os.listdir(layout.quarantine):
            if entry.rpartition(".")[0] in names:
                durable.remove_tree(layout.quarantine / entry)


def mend_modes(layout: Layout, findings: Sequence[Finding]) -> bool:
    """Give every path of a wrong mode its own; whether anything could not be read for that, and may be now."""
    wrong = [finding for finding in findings if finding.mode is not None]
    for finding in wrong:
        durable.mend_mode(layout.root / finding.path, finding.mode or 0)
    return bool(wrong) and any(finding.damage is Damage.UNREADABLE for finding in findings)


def clear_rooms(layout: Layout, findings: Iterable[Finding]) -> None:
    """Take out what stands in the place of a directory of the pool, of content, or of a repository's generations."""
    for finding in findings:
        is_room = finding.path.partition("/")[0] in {"pool", "content", "generations"}
        if finding.damage is Damage.KIND and is_room and finding.digest is None and not finding.part:
            path = layout.root / finding.path
            quarantine(layout, path, path.name)
            durable.make_directories(path, layout.root)


def mend_mark(layout: Layout, findings: Iterable[Finding]) -> None:
    """Write the root's mark anew where it is not as it was made; what it must say, the writer has checked already."""
    if any(each.path == layout.mark.name and each.damage is Damage.DOCUMENT for each in findings):
        mark: dict[str, object] = read_json(layout.root, layout.mark, MAX_MARK)
        try:
            created = datetime.fromisoformat(str(mark.get("created")))
        except ValueError:
            created = datetime.fromtimestamp(os.lstat(layout.mark).st_mtime, UTC)
        durable.replace_file(layout.mark, mark_of(created.isoformat(timespec="seconds")), mode=0o644)


class Settlement(Struct):
    """Puts right what some digests name: after it whatever is there under them is true, and the rest is absent."""

    layout: Layout
    _true: dict[tuple[Inode, Digest], bool] = field(default_factory=dict)

    def pool(self, digests: frozenset[Digest]) -> None:
        """Settle the pool's files, from a true one that a repository has where there is one. Raises HostError."""
        names: dict[Digest, list[Path]] = {}
        for repository in repositories_on_disk(self.layout):
            for digest, path in self._names(repository, digests):
                names.setdefault(digest, []).append(path)
        for digest in sorted(digests):
            pooled = self.layout.pooled(digest)
            if self._is_true(pooled, digest):
                continue
            source = next((path for path in names.get(digest, ()) if self._is_true(path, digest)), None)
            if os.path.lexists(pooled) and (source is None or durable.is_directory(pooled)):
                quarantine(self.layout, pooled, str(digest))
            if source is not None:
                durable.make_directories(pooled.parent, self.layout.root)
                durable.rename(self._staged(source, digest), pooled)
                durable.sync_directory(pooled.parent)

    def content(self, repository: str, digests: frozenset[Digest]) -> None:
        """Settle what one repository has (under its lock), from the pool where that has it. Raises HostError."""
        for digest, path in self._names(repository, digests):
            pooled = self.layout.pooled(digest)
            in_pool, is_true = self._is_true(pooled, digest), self._is_true(path, digest)
            if in_pool and (not is_true or os.lstat(path).st_nlink == 1):
                self._replace(path, digest)
            elif not is_true:
                quarantine(self.layout, path, str(digest))

    def repositories(self, found: Verification) -> Sequence[str]:
        """Those with anything to settle or to complete: where a digest of the pool is damaged, that may be any."""
        missed = {each.repository for each in (*found.lost, *found.incomplete)}
        named = {each.repository for each in found.findings if each.path.startswith("content/") and each.repository}
        if any(each.path.startswith("pool/") for each in found.findings):
            named.update(repositories_on_disk(self.layout))
        return sorted(missed | named)

    def _replace(self, path: Path, digest: Digest) -> None:
        if durable.is_directory(path):
            quarantine(self.layout, path, str(digest))
        size = size_in_pool(self.layout, digest)
        temporary = self.layout.staging / f"{path.name}.link"
        durable.unlink(temporary, missing_ok=True)
        if size is not None and link_out(self.layout, digest, size, temporary):
            durable.rename(temporary, path)
            durable.sync_directory(path.parent)

    def _staged(self, source: Path, digest: Digest) -> Path:
        temporary = self.layout.staging / f"{digest}.link"
        durable.unlink(temporary, missing_ok=True)
        try:
            durable.link(source, temporary)
        except OSError as error:
            if error.errno != errno.EMLINK:
                raise
            durable.copy_file(source, temporary)
        return temporary

    def _names(self, repository: str, digests: frozenset[Digest]) -> Iterator[tuple[Digest, Path]]:
        """Everything in a repository's content that is under one of ``digests``."""
        wanted = {str(digest): digest for digest in digests}
        for room in (self.layout.blobs(repository), self.layout.manifests(repository)):
            for name in os.listdir(room) if durable.is_directory(room) else ():
                parsed = parse_manifest_name(name)
                digest = wanted.get(str(parsed[0]) if parsed else name)
                if digest is not None:
                    yield digest, room / name

    def _is_true(self, path: Path, digest: Digest) -> bool:
        """Whether a regular file with the right bytes is there; each file is hashed once."""
        found = Found()
        eye = Eye(self.layout.root, os.geteuid())
        place = Place(path, "a file", digest=digest)
        status = eye.status(found, place)
        if status is None or not eye.is_regular(found, place, status):
            return False
        key = ((status.st_dev, status.st_ino), digest)
        if key not in self._true:
            for _ in eye.hashes(found, place, digest):
                pass
            self._true[key] = not found
        return self._true[key]


def remove_misnamed(layout: Layout, repository: str, findings: Iterable[Finding]) -> None:
    """Unlink manifests of a repository that are under the name of another kind; their bytes are the pool's."""
    for finding in findings:
        if finding.damage is Damage.LINK and finding.repository == repository and finding.digest is not None:
            path = layout.root / finding.path
            durable.unlink(path, missing_ok=True)
            durable.sync_directory(path.parent)


def pooled_manifest(layout: Layout, digest: Digest, kind: Kind | None) -> Manifest | None:
    """A manifest out of the pool; None where that has it not, or damaged."""
    try:
        raw = read_file(layout.root, layout.pooled(digest), MAX_MANIFEST_SIZE)
        manifest = parse_manifest(raw, kind.media_type if kind else "", digest.algorithm)
    except (FileNotFoundError, MirrordError):
        return None
    return manifest if manifest.digest == digest else None


def settled(layout: Layout, suspects: Suspects) -> Suspects:
    """What is left of ``suspects`` once all that is damaged is settled (with the root's lock). Raises HostError.

    A run that died between writing the list and mending is taken up here: nothing that the list names is trusted
    before it was hashed.
    """
    if suspects.damaged:
        settlement = Settlement(layout)
        settlement.pool(suspects.damaged)
        for repository in repositories_on_disk(layout):
            settlement.content(repository, suspects.damaged)
    return Suspects(frozenset(), frozenset(entry for entry in suspects.incomplete if is_incomplete(layout, entry)))


def is_incomplete(layout: Layout, entry: Entry) -> bool:
    """Whether a suspect manifest is still not whole; one that is absent and that nothing served names is none."""
    repository, digest = entry
    try:
        manifest = content.read_manifest(layout, repository, digest)
    except MirrordError:
        return True
    if manifest is None:
        return digest in _served(layout, repository)
    blobs = [blob for blob in manifest.blobs if not blob.is_foreign]
    return len(content.survey(layout, repository, blobs).held) < len(blobs)


def _served(layout: Layout, repository: str) -> frozenset[Digest]:
    """Every manifest that a repository's served generation names."""
    try:
        identity: Mapping[str, str] = linked(layout, served_name(layout) or "")
    except MirrordError:
        return frozenset()
    record = true_record(layout, repository, identity.get(repository, ""))
    held = [*record.tags.values(), *record.digests.values()] if record else []
    return frozenset(digest for each in held for digest in (each.digest, *each.children))
