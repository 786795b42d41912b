"""The text of a release: what changed since the release before, where that is from, and the page around it."""
