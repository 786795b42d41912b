__version__ = "5.6"
