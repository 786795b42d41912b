"""The projects of this code location, a folder with a defs.yaml each. It ships empty."""
