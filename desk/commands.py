"""What a member types after `/ascolto`, or as a command of its own, in the words of any of our languages."""

from collections.abc import Mapping
from typing import Final

from models.desk import Verb
from models.text import fold

WORDS: Final[Mapping[str, Verb]] = {
    "mine": "mine", "miei": "mine", "ale": "mine",
    "next": "next", "prossimo": "next", "urmatorul": "next",
    "quiet": "quiet", "silenzio": "quiet", "liniste": "quiet",
    "away": "away", "assente": "away", "plecat": "away",
    "help": "help", "start": "help", "aiuto": "help", "ajutor": "help",
}  # fmt: skip
NAMES: Final[Mapping[str, Mapping[Verb, str]]] = {
    "en": {"mine": "mine", "next": "next", "quiet": "quiet", "away": "away", "help": "help"},
    "it": {"mine": "miei", "next": "prossimo", "quiet": "silenzio", "away": "assente", "help": "aiuto"},
    "ro": {"mine": "ale", "next": "urmatorul", "quiet": "liniste", "away": "plecat", "help": "ajutor"},
}
"""The command's word by language."""


def _(message: str) -> str:
    return message


ABOUT: Final[Mapping[Verb, str]] = {
    "mine": _("What I hold, and what waits"),
    "next": _("The most pressing case that nobody has"),
    "quiet": _("When I am not to be called: 22:00-07:00"),
    "away": _("When I am away, and who stands in: 24.12 6.1 bruno"),
    "help": _("What can be done here"),
}


def is_ours(typed: str) -> bool:
    """Whether a message begins with a command of ours: other bots in the same group have theirs."""
    word = typed.strip().partition(" ")[0]
    return word.startswith("/") and fold(word[1:].partition("@")[0]).strip() in WORDS


def meant(typed: str) -> tuple[Verb, str]:
    """The verb and what stands after it; help for whatever it does not know."""
    word, _space, rest = typed.strip().lstrip("/").partition(" ")
    return WORDS.get(fold(word.partition("@")[0]).strip(), "help"), rest.strip()
