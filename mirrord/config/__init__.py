"""The config file: its model, its loader and what it selects."""
