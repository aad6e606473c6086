"""The fixtures of the tests that attack."""

from web_desk import desk

__all__ = ["desk"]
