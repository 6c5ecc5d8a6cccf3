"""Names and documents of the OCI world as values; nothing here reads a disk or a socket."""
