"""What the nodes of the graph share: the release they work on, how they report, and how they fail."""
