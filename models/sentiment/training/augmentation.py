"""Data augmentation: adds the irregularities of real posts to well-spelled training texts.

Case and diacritics need none of this: both models see folded text.
"""

import random
import re
from typing import Final

SHARE: Final = 0.4
"""The share of examples that is changed, chosen again in each epoch."""

_ACCENTED = re.compile(r"([àèéìòù])\b")
_APOSTROPHE: Final = {"à": "a'", "è": "e'", "é": "e'", "ì": "i'", "ò": "o'", "ù": "u'"}
_PUNCTUATION = re.compile(r"[.,;:!?]+")
_EMOJI = re.compile("[\U0001f000-\U0001faff\u2600-\u27bf]+")
_SHORTHAND: Final = {
    "it": {"che": "ke", "non": "nn", "perché": "xke", "per": "x", "comunque": "cmq", "sono": "sn"},
    "ro": {"că": "k", "pentru": "pt", "nu": "n", "sunt": "sunt", "și": "si", "foarte": "f"},
    "en": {"you": "u", "are": "r", "your": "ur", "to": "2", "please": "pls", "because": "cuz"},
}


def augment(text: str, language: str, rng: random.Random) -> str:
    """The text unchanged, or with one or two kinds of irregularities."""
    if rng.random() > SHARE:
        return text
    changes = [_typo, _no_punctuation, _no_emoji, _no_hash, _shorthand, _long_vowel]
    if language == "it":
        changes += [_apostrophes] * 2
    for change in rng.sample(changes, rng.choice((1, 1, 2))):
        text = change(text, language, rng) or text
    return text


def _typo(text: str, _language: str, rng: random.Random) -> str:
    letters = [n for n, c in enumerate(text) if c.isalpha()]
    for _ in range(max(1, len(letters) // 60)):
        if len(letters) > 3:
            at = rng.choice(letters[1:-1])
            text = rng.choice((text[:at] + text[at + 1 :], text[:at] + text[at : at + 2][::-1] + text[at + 2 :]))
    return text


def _apostrophes(text: str, _language: str, _rng: random.Random) -> str:
    return _ACCENTED.sub(lambda match: _APOSTROPHE[match[1]], text)


def _no_punctuation(text: str, _language: str, _rng: random.Random) -> str:
    return _PUNCTUATION.sub(" ", text)


def _no_emoji(text: str, _language: str, _rng: random.Random) -> str:
    return _EMOJI.sub("", text).strip()


def _no_hash(text: str, _language: str, _rng: random.Random) -> str:
    return text.replace("#", "")


def _shorthand(text: str, language: str, _rng: random.Random) -> str:
    return " ".join(_SHORTHAND.get(language, {}).get(word.lower(), word) for word in text.split())


def _long_vowel(text: str, _language: str, rng: random.Random) -> str:
    vowels = [n for n, c in enumerate(text) if c in "aeiou"]
    if not vowels:
        return text
    at = rng.choice(vowels)
    return text[:at] + text[at] * 3 + text[at:]
