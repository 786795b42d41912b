"""The UI in a browser, as a maintainer uses it."""
