"""Other tools' configs, as text, become ours: what can't be carried over is told with its line. Touches no disk."""
