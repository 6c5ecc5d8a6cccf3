"""/metrics: what a Prometheus asks for. Counters grow with each run; the rest is looked up when it is asked.

Labels are groups, owners, outcomes, upstream hosts and (where the config wants them) repositories: never a tag.
"""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import partial

from prometheus_client import CollectorRegistry, Counter, Histogram, disable_created_metrics
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from mirrord import __version__
from mirrord.service.board import Board
from mirrord.store.layout import Layout
from mirrord.sync.outcome import Report
from mirrord.sync.status import UpstreamStatus

_RUN_SECONDS = (1, 5, 15, 60, 300, 900, 3600, 14_400)


class Metrics:
    """Everything that is exposed; made once for the life of the daemon."""

    def __init__(self, layout: Layout, now: Callable[[], datetime], groups: Callable[[], "GroupTimes"]) -> None:
        self.board = Board()
        self.upstreams: Mapping[str, UpstreamStatus] = {}
        self.with_repositories = True
        self._layout = layout
        self._now = now
        self._groups = groups
        disable_created_metrics()  # type: ignore[no-untyped-call] # prometheus_client has no types there
        self._registry = CollectorRegistry()
        self._registry.register(self)
        counter = partial(Counter, namespace="mirrord", registry=self._registry)
        self._runs = counter("runs", "Runs that ended, by how.", ["group", "outcome"])
        self._images = counter("image_outcomes", "What became of images in runs.", ["group", "outcome"])
        self._failures = counter("image_failures", "Failed images, by whose move it is.", ["owner"])
        self._requests = counter("upstream_requests", "Requests to upstreams.")
        self._fetched = counter("fetched_bytes", "Bytes of blobs fetched.")
        self._linked = counter("deduplicated_bytes", "Bytes of blobs that were here already.")
        self._publications = counter("publications", "Snapshots published.")
        self._publishing = counter("publication_seconds", "Seconds spent publishing.")
        self._seconds = Histogram(
            "run_duration_seconds",
            "How long runs took.",
            ["group"],
            namespace="mirrord",
            registry=self._registry,
            buckets=_RUN_SECONDS,
        )

    def heard(self, group: str, report: Report) -> None:
        """Count a run."""
        self._runs.labels(group, "failed" if report.has_failed else "succeeded").inc()
        self._seconds.labels(group).observe(report.seconds)
        for status, count in report.counts.items():
            self._images.labels(group, str(status)).inc(count)
        for owner, count in report.owners.items():
            self._failures.labels(owner).inc(count)
        self._requests.inc(report.requests)
        self._fetched.inc(report.progress.bytes_fetched)
        self._linked.inc(report.progress.bytes_linked)
        self._publications.inc(len(report.snapshots))
        self._publishing.inc(report.seconds_publishing)

    def exposition(self) -> tuple[bytes, str]:
        """All of it as text, and its media type."""
        return generate_latest(self._registry), CONTENT_TYPE_LATEST

    def families(self) -> Sequence[Metric]:
        """Everything that is exposed, as families: for the reference."""
        return list(self._registry.collect())

    def collect(self) -> Iterator[Metric]:
        """What is looked up when it is asked (prometheus_client's Collector)."""
        now = self._now()
        yield _gauge("build_info", "The version that runs.", ["version"], [((__version__,), 1.0)])
        board, times = self.board.groups.items(), self._groups()
        yield _gauge("images", "Images wanted.", ["group"], [((name,), each.images) for name, each in board])
        yield _gauge("images_stale", "Images stale.", ["group"], [((name,), each.stale(now)) for name, each in board])
        rows = [((name,), each.failing) for name, each in board]
        yield _gauge("images_failing", "Images whose last check went wrong.", ["group"], rows)
        for name, words, index in _GROUP_TIMES:
            moments = [((group,), found[index] or 0.0) for group, found in times.items()]
            yield _gauge(f"group_{name}_timestamp_seconds", words, ["group"], moments)
        if self.with_repositories:
            repositories = self.board.repositories.items()
            oldest = [((name,), each.oldest) for name, each in repositories]
            words = "The longest ago that an image of it was last right; 0: one never was."
            yield _gauge("repository_last_success_timestamp_seconds", words, ["repository"], oldest)
        told = [(host, each) for host, each in self.upstreams.items() if not each.is_over(now)]
        words = "Pulls left at an upstream that counts them, as it said within its window."
        yield _gauge(
            "upstream_pulls_remaining", words, ["registry"], [((host,), each.remaining) for host, each in told]
        )
        limits = [((host,), each.limit) for host, each in told]
        yield _gauge("upstream_pulls_limit", "Pulls that it allows within its window.", ["registry"], limits)
        disk = os.statvfs(self._layout.root)
        yield _gauge("disk_size_bytes", "Of the root's filesystem.", [], [((), disk.f_blocks * disk.f_frsize)])
        yield _gauge("disk_free_bytes", "Of the root's filesystem.", [], [((), disk.f_bavail * disk.f_frsize)])


GroupTimes = dict[str, tuple[float | None, float | None, float | None]]
"""By group, when its last whole run began, when it last succeeded, and when its next run comes."""

_GROUP_TIMES = (
    ("last_run", "When its last whole run began; 0: none did.", 0),
    ("last_success", "When a run last left every image right; 0: none did.", 1),
    ("next_run", "When its next run comes.", 2),
)


def _gauge(
    name: str, words: str, labels: Sequence[str], rows: Iterable[tuple[tuple[str, ...], float]]
) -> GaugeMetricFamily:
    family = GaugeMetricFamily(f"mirrord_{name}", words, labels=labels)
    for values, number in rows:
        family.add_metric(values, number)
    return family
