"""What clients asked the mirror for and it lacks: out of nginx's access log, with the config line that adds it."""
