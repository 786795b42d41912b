"""The sensors: they start runs."""
