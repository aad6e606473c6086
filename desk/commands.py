"""What a member types after `/ascolto`, or as a command of its own, in any of our languages."""

from collections.abc import Mapping
from typing import Final

from models.text import fold

WORDS: Final[Mapping[str, Mapping[str, str]]] = {
    "en": {"mine": "mine", "next": "next", "quiet": "quiet_hours", "away": "absence", "help": "help"},
    "it": {"miei": "mine", "prossimo": "next", "silenzio": "quiet_hours", "assente": "absence", "aiuto": "help"},
    "ro": {"mele": "mine", "urmatorul": "next", "liniste": "quiet_hours", "absent": "absence", "ajutor": "help"},
}
"""Language → command → verb of actions/table.py, as a chat offers them."""
_VERBS: Final[Mapping[str, str]] = {
    **{word: verb for words in WORDS.values() for word, verb in words.items()},
    "start": "help",
}


def is_ours(text: str) -> bool:
    """Whether a message starts with one of our commands: other bots in the same group have theirs."""
    word = text.strip().partition(" ")[0]
    return word.startswith("/") and _normalized(word[1:]) in _VERBS


def parse_command(text: str) -> tuple[str, str]:
    """The verb and what follows it; `help` for an unknown command."""
    word, _space, rest = text.strip().lstrip("/").partition(" ")
    return _VERBS.get(_normalized(word), "help"), rest.strip()


def _normalized(word: str) -> str:
    return fold(word.partition("@")[0]).strip()
