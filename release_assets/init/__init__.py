"""Look at a repository and write its defs.yaml: what is seen, what that means, and how it is written."""
