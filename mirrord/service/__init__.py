"""What keeps running: the daemon with its schedules, its control socket and what it tells."""
