"""The text of a release: what changed since the previous one, and the page around it."""
