"""Plan a release from what is observed and recorded."""
