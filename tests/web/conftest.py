"""The fixtures of the web desk's tests."""

from web_desk import desk

__all__ = ["desk"]
