"""What changes a root on somebody's word: each writing command, carried out here or by the daemon."""
