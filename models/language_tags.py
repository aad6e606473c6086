"""Language tags as platforms, feeds and exports write them, brought to one notion: a code like `it`, or nothing."""

import re
from functools import cache
from typing import Final

from babel import Locale, UnknownLocaleError

# ISO 639-2 codes (also the bibliographic ones) of the languages that have one of two letters as well.
_THREE_LETTERS: Final = {
    "ita": "it", "ron": "ro", "rum": "ro", "eng": "en", "fra": "fr", "fre": "fr", "deu": "de", "ger": "de",
    "spa": "es", "por": "pt", "nld": "nl", "dut": "nl", "ell": "el", "gre": "el", "pol": "pl", "ces": "cs",
    "cze": "cs", "slk": "sk", "slo": "sk", "slv": "sl", "hrv": "hr", "srp": "sr", "hun": "hu", "bul": "bg",
    "rus": "ru", "ukr": "uk", "tur": "tr", "swe": "sv", "dan": "da", "nor": "no", "fin": "fi", "cat": "ca",
    "sqi": "sq", "alb": "sq", "mlt": "mt", "gle": "ga", "est": "et", "lav": "lv", "lit": "lt", "ara": "ar",
    "heb": "he", "jpn": "ja", "zho": "zh", "chi": "zh", "kor": "ko", "hin": "hi",
}  # fmt: skip
_NO_LANGUAGE: Final = frozenset({"und", "zxx", "mul", "mis"})
_TAG: Final = re.compile(r"([a-z]{2,3})(?:[-_][a-z0-9]+)*")
_MAX_TAG: Final = 40


def language_code(tag: str | None) -> str | None:
    """The language of a tag: `it_IT`, `it-IT`, ` it`, `ita` and `Italian` are `it`; None for `und` and what is no language."""
    tag = (tag or "").strip()[:_MAX_TAG].casefold()
    match = _TAG.fullmatch(tag)
    if match is None:
        return _names().get(tag)
    code = match[1]
    if code in _NO_LANGUAGE:
        return None
    if len(code) == 3:
        return _THREE_LETTERS.get(code) or _names().get(tag)
    return code if code in _codes() else None


@cache
def _codes() -> frozenset[str]:
    return frozenset(code for code in map(str, Locale("en").languages) if len(code) == 2)


@cache
def _names() -> dict[str, str]:
    """The English and the own name of each language: `italian` and `italiano`."""
    names = {name.casefold(): code for code, name in Locale("en").languages.items() if len(code) == 2}
    for code in _codes():
        try:
            own = Locale(code).languages.get(code)
        except (UnknownLocaleError, ValueError):
            continue
        if own:
            names.setdefault(str(own).casefold(), code)
    return names
