"""The upstream: authentication, transport, and the registry API. Knows no disk."""
