"""Command line, composition, workers on one page, supervision."""

__version__ = "1.0.0.dev0"
