# The release workflow compares this with the tag.
__version__ = "0.7.4"
