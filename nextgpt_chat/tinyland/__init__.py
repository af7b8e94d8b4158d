"""The procedural world of the embedded checkpoint."""
