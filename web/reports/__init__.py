"""Digests and their charts."""
