"""Ascolto: the front door. Command line, composition, the flow on one page, supervision."""

__version__ = "0.1.0"
