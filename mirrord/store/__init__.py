"""Bytes on disk: the pool, the tree, generations, snapshots. Knows no network."""
