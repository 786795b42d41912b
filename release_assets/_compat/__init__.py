"""What newer versions of Python have, for those that lack it."""
