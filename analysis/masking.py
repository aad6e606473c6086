"""Personal data masked in a text before it is sent to another service."""

import re
from typing import Final

from models.patterns import EMAIL, HANDLE, LINK

MASKS: Final = (
    ("email", EMAIL),
    ("link", LINK),
    ("handle", HANDLE),
    ("account", re.compile(r"\b[A-Z]{2}\d{2}(?:[ ]?[A-Z0-9]{2,5}){3,8}\b")),
    ("number", re.compile(r"(?<!\w)\+?\d(?:[ ./()-]{0,2}\d){5,}(?!\w)")),
    ("code", re.compile(r"\b(?=[A-Z0-9]{6,}\b)(?=[A-Z]*\d)[A-Z0-9]+\b")),
)


def masked(text: str) -> str:
    """E-mail addresses, links, handles, bank accounts, long numbers, tax and order codes → [kind]."""
    for kind, pattern in MASKS:
        text = pattern.sub(f"[{kind}]", text)
    return text


def contains_personal_data(text: str) -> bool:
    """Whether anything in a text belongs to one person; links and handles are public."""
    return any(pattern.search(text) for kind, pattern in MASKS if kind not in ("link", "handle"))
