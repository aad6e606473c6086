"""The ways in which people do not write as books do, made on purpose from what is spelled well.

Case and diacritics need none of this: both tiers read folded text.
"""

import random
import re
from typing import Final

SHARE: Final = 0.4
"""How many examples are changed at all, anew in each epoch."""

_ACCENTED = re.compile(r"([àèéìòù])\b")
_APOSTROPHE: Final = {"à": "a'", "è": "e'", "é": "e'", "ì": "i'", "ò": "o'", "ù": "u'"}
_PUNCTUATION = re.compile(r"[.,;:!?]+")
_PICTURE = re.compile("[\U0001f000-\U0001faff\u2600-\u27bf]+")
_SHORT: Final = {
    "it": {"che": "ke", "non": "nn", "perché": "xke", "per": "x", "comunque": "cmq", "sono": "sn"},
    "ro": {"că": "k", "pentru": "pt", "nu": "n", "sunt": "sunt", "și": "si", "foarte": "f"},
    "en": {"you": "u", "are": "r", "your": "ur", "to": "2", "please": "pls", "because": "cuz"},
}


def messy(text: str, language: str, chance: random.Random) -> str:
    """The text, or one or two of its careless twins."""
    if chance.random() > SHARE:
        return text
    ways = [_typo, _no_punctuation, _no_pictures, _no_hash, _short, _long]
    if language == "it":
        ways += [_apostrophes] * 2
    for way in chance.sample(ways, chance.choice((1, 1, 2))):
        text = way(text, language, chance) or text
    return text


def _typo(text: str, _language: str, chance: random.Random) -> str:
    letters = [n for n, c in enumerate(text) if c.isalpha()]
    for _ in range(max(1, len(letters) // 60)):
        if len(letters) > 3:
            at = chance.choice(letters[1:-1])
            text = chance.choice((text[:at] + text[at + 1 :], text[:at] + text[at : at + 2][::-1] + text[at + 2 :]))
    return text


def _apostrophes(text: str, _language: str, _chance: random.Random) -> str:
    return _ACCENTED.sub(lambda found: _APOSTROPHE[found[1]], text)


def _no_punctuation(text: str, _language: str, _chance: random.Random) -> str:
    return _PUNCTUATION.sub(" ", text)


def _no_pictures(text: str, _language: str, _chance: random.Random) -> str:
    return _PICTURE.sub("", text).strip()


def _no_hash(text: str, _language: str, _chance: random.Random) -> str:
    return text.replace("#", "")


def _short(text: str, language: str, _chance: random.Random) -> str:
    return " ".join(_SHORT.get(language, {}).get(word.lower(), word) for word in text.split())


def _long(text: str, _language: str, chance: random.Random) -> str:
    vowels = [n for n, c in enumerate(text) if c in "aeiou"]
    if not vowels:
        return text
    at = chance.choice(vowels)
    return text[:at] + text[at] * 3 + text[at:]
