"""Measures what mirrord costs, beside skopeo and beside the limit of the machine; see docs/performance.md."""
