"""Webhook signatures, always over the raw bytes and compared in constant time."""

import hashlib
import hmac
from typing import Final

WINDOW: Final = 300
"""Seconds by which a signed timestamp may differ from our clock."""


def sign(secret: str, timestamp: int, body: bytes) -> str:
    """`v1=` and the HMAC-SHA256, in hex, of the decimal timestamp, a dot, and the body."""
    return "v1=" + hmac.new(secret.encode(), b"%d.%b" % (timestamp, body), hashlib.sha256).hexdigest()


def signature_error(secret: str, timestamp: str, signature: str, body: bytes, now: float) -> str | None:
    """What is wrong with the signature of a body; None where it is valid and recent."""
    if not (timestamp.isascii() and timestamp.isdigit() and len(timestamp) <= 12):
        return "the timestamp is missing or not a number of seconds"
    if abs(now - int(timestamp)) > WINDOW:
        return f"the timestamp differs from our clock by more than {WINDOW} s"
    if not hmac.compare_digest(sign(secret, int(timestamp), body).encode(), signature.encode(errors="replace")):
        return "the signature does not match"
    return None


def body_signature_error(secret: str, signature: str, body: bytes) -> str | None:
    """The same for a signature as GitHub and Meta make it: `sha256=` and the HMAC of the body alone in hex."""
    expected = "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    return (
        None
        if hmac.compare_digest(expected.encode(), signature.encode(errors="replace"))
        else "the signature does not match"
    )
