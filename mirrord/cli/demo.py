"""`mirrord demo` (being written)."""
