"""Signatures of webhooks, always over the raw bytes and compared in constant time."""

import hashlib
import hmac
from typing import Final

WINDOW: Final = 300
"""Seconds by which a signed time may differ from ours."""


def sign(secret: str, timestamp: int, body: bytes) -> str:
    """`v1=` and the HMAC-SHA256, in hex, of the decimal time, a dot, and the body."""
    return "v1=" + hmac.new(secret.encode(), b"%d.%b" % (timestamp, body), hashlib.sha256).hexdigest()


def genuine(secret: str, timestamp: str, signature: str, body: bytes, now: float) -> str | None:
    """What is wrong with a signed body, or None when it is genuine and of now."""
    if not (timestamp.isascii() and timestamp.isdigit() and len(timestamp) <= 12):
        return "the time is missing or is not a number of seconds"
    if abs(now - int(timestamp)) > WINDOW:
        return f"the time is more than {WINDOW} s away from ours"
    if not hmac.compare_digest(sign(secret, int(timestamp), body).encode(), signature.encode(errors="replace")):
        return "the signature does not match"
    return None


def signs_body(secret: str, signature: str, body: bytes) -> str | None:
    """What is wrong with a body signed as GitHub and Meta do, `sha256=` and the HMAC in hex; it bears no time."""
    expected = "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    return (
        None
        if hmac.compare_digest(expected.encode(), signature.encode(errors="replace"))
        else "the signature does not match"
    )
