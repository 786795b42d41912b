"""Whether a release would find everything that it needs: each thing is a look, and its answer a row."""
