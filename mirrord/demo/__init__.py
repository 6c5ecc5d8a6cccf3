"""The small upstream that `mirrord demo` runs; the tests' scripted registry builds on it."""
