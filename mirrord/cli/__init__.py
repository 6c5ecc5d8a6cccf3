"""What a person types: one file a family of commands, no logic."""
