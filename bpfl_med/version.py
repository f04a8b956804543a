"""The version of the package, the bundle and every file that it writes."""

__version__ = "0.1.0"
