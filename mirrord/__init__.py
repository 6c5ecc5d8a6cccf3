"""mirrord: a chosen set of container images, fresh and verified, as plain files that nginx serves."""

__version__ = "0.1.0.dev0"
