"""One run, from config to snapshot: plan, walk, transfer, publish, report."""
