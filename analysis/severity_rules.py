"""Severity rules: why a mention is severe, by keywords in Italian, Romanian and English, and by exposed personal data.

Every rule is a query of our own query language, so that it folds diacritics and can tell the words it matched.
"""

import re
from functools import cache
from typing import Final

from models.patterns import IBAN, ITALIAN_TAX_CODE, ROMANIAN_PERSONAL_NUMBER
from models.query import Matcher, Query, Subject, parse

RULES: Final[dict[str, str]] = {
    "self-harm": (
        '"mi ammazzo" OR suicid* OR "farla finita" OR "togliermi la vita" OR "ma omor" OR sinucid* OR "imi iau viata"'
        ' OR "kill myself" OR "end my life"'
    ),
    "threat": (
        '"vi ammazzo" OR "ti ammazzo" OR "vi brucio" OR "do fuoco" OR "vengo a prendervi" OR "spacco tutto"'
        ' OR "va omor" OR "va dau foc" OR "va sparg" OR "vin peste voi" OR "va gasesc eu"'
        ' OR "kill you" OR "burn your" OR "burn it down" OR "come for you" OR "smash your"'
    ),
    "safety": (
        '"preso fuoco" OR incendi* OR "scossa elettrica" OR ustion* OR intossica* OR "reazione allergica" OR "pronto soccorso"'
        ' OR "fumo dal motore" OR "fumo nero" OR "corsia di emergenza" OR "fum din motor" OR "iese fum" OR "banda de urgenta"'
        ' OR "smoke from" OR "smoke coming" OR "hard shoulder"'
        ' OR "fuga di gas" OR "mi sono ferit*" OR "si e ferit*" OR "puzza di bruciato" OR salmonell*'
        ' OR "luat foc" OR curentat* OR intoxica* OR "reactie alergica" OR urgent* spital OR "scurgere de gaz" OR "miros de ars"'
        ' OR "caught fire" OR "electric shock" OR "food poisoning" OR "allergic reaction" OR "gas leak" OR "got hurt"'
        ' OR "was injured" OR "burning smell"'
    ),
    "legal": (
        'avvocat* OR denunci* OR querel* OR "azione legale" OR "vie legali" OR codacons OR agcom OR antitrust OR "class action"'
        ' OR avocat* OR "in judecata" OR "in instanta" OR anpc OR ancom OR "plangere penala" OR "protectia consumator*"'
        ' OR lawyer* OR lawsuit OR "legal action" OR "small claims" OR "sue you" OR "suing you" OR ombudsman'
    ),
    "privacy": (
        '"dati personali" OR "fuga di dati" OR "garante della privacy" OR "dati di un altro" OR "date personale"'
        ' OR "datele altcuiva" OR "scurgere de date" OR "personal data" OR "data breach" OR "someone else\'s details" OR gdpr'
    ),
    "press": (
        'giornalist* OR "la redazione" OR "striscia la notizia" OR "le iene" OR "per un articolo"'
        ' OR jurnalist* OR redactia OR "pentru un articol" OR "observator antena"'
        ' OR journalist* OR newsroom OR "for an article" OR "for a story"'
    ),
}
"""Reason → query, the most severe first."""

EXPOSED_DATA: Final = "exposed data"
BRAND_WORDS: Final = "brand words"
"""Found by the brand's own `severe_words`."""
HIGH_REACH: Final = "high reach"
"""Not found by words: the author's audience decides (triage/intake.py)."""
_PAYMENT_CARD = re.compile(r"(?<!\d)\d(?:[ -]?\d){14,15}(?!\d)")


@cache
def _queries() -> dict[str, Query]:
    return {reason: parse(text) for reason, text in RULES.items()}


@cache
def _matcher() -> Matcher[str]:
    return Matcher(_queries().items())


def severity(text: str) -> str | None:
    """The most severe reason in a post, None where there is none.

    Whatever the classifier makes of the post, and however much it looks like spam: a video of a fire is announced with "click
    here".
    """
    matched = _matcher().match(Subject(text))
    return next((reason for reason in RULES if reason in matched), None) or (
        EXPOSED_DATA if exposes_personal_data(text) else None
    )


def matched_words(reason: str, text: str) -> list[str]:
    """The words of the text that a rule matched; none for exposed data, which is never repeated."""
    return _queries()[reason].matched_words(text, Subject(text)) if reason in RULES else []


def exposes_personal_data(text: str) -> bool:
    """Whether a post shows a payment card, a bank account or a personal number (Italian, Romanian) with valid check digits."""
    upper = text.upper()
    return (
        any(_luhn(_digits(number)) for number in _PAYMENT_CARD.findall(text))
        or any(_mod97(iban.replace(" ", "")) for iban in IBAN.findall(upper))
        or ITALIAN_TAX_CODE.search(upper) is not None
        or any(_is_personal_number(number) for number in ROMANIAN_PERSONAL_NUMBER.findall(text))
    )


def _digits(text: str) -> str:
    return re.sub(r"\D", "", text)


def _luhn(digits: str) -> bool:
    """ISO/IEC 7812-1, annex B; one digit repeated is no card."""
    doubled = (sum(divmod(int(d) * 2, 10)) if n % 2 else int(d) for n, d in enumerate(reversed(digits)))
    return len(set(digits)) > 1 and sum(doubled) % 10 == 0


def _mod97(iban: str) -> bool:
    """ISO 13616: the first four characters moved to the end, letters as numbers, modulo 97 is 1."""
    moved = iban[4:] + iban[:4]
    return int("".join(str(int(c, 36)) for c in moved)) % 97 == 1


def _is_personal_number(digits: str) -> bool:
    """Romania's CNP: twelve weighted digits modulo 11, where 10 counts as 1."""
    checksum = sum(int(d) * w for d, w in zip(digits, (2, 7, 9, 1, 4, 6, 3, 5, 8, 2, 7, 9), strict=False)) % 11
    return int(digits[12]) == (1 if checksum == 10 else checksum)
