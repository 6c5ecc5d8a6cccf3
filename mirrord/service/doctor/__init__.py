"""What `mirrord doctor` looks at: facts are gathered in one place, and judged by pure functions in another."""
