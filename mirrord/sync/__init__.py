"""One run, from config to snapshot: plan, decide, walk, transfer, publish, report."""
