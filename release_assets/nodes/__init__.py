"""The shared parts of the graph's nodes: the release they work on, how they report, and how they fail."""
