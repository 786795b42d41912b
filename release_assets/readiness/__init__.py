"""The needs of a release, tried before it: each thing is a look, and its answer is a row."""
