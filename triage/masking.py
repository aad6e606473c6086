"""Personal data taken out of a text before it leaves the house."""

import re
from typing import Final

MASKS: Final = (
    ("email", re.compile(r"(?<![\w.+-])[\w.+-]+@[\w-]+\.[\w.-]+")),
    ("link", re.compile(r"https?://\S+|www\.\S+")),
    ("handle", re.compile(r"(?<!\w)@[\w.]*\w")),
    ("account", re.compile(r"\b[A-Z]{2}\d{2}(?:[ ]?[A-Z0-9]{2,5}){3,8}\b")),
    ("number", re.compile(r"(?<!\w)\+?\d(?:[ ./()-]{0,2}\d){5,}(?!\w)")),
    ("code", re.compile(r"\b(?=[A-Z0-9]{6,}\b)(?=[A-Z]*\d)[A-Z0-9]+\b")),
)


def masked(text: str) -> str:
    """Addresses, links, handles, bank accounts, telephone and other long numbers, tax and order codes → [what it was]."""
    for name, pattern in MASKS:
        text = pattern.sub(f"[{name}]", text)
    return text


def is_private(text: str) -> bool:
    """Whether a text holds what belongs to one person alone; links and handles are public."""
    return any(pattern.search(text) for name, pattern in MASKS if name not in ("link", "handle"))
