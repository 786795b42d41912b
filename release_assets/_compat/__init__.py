"""Parts of newer versions of Python, for those that lack them."""
