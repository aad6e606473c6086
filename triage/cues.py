"""Words that decide before any model does: what is grave, and what somebody wants of us, in Italian, Romanian and English.

Every cue is a query of our own query language, so that it folds diacritics and can say in which words it was found.
"""

import re
from functools import cache
from typing import Final, cast

from models.mention import Intent
from models.query import Matcher, Query, Subject, parse

GRAVE: Final[dict[str, str]] = {
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

SPAM: Final = (
    '"guadagna da casa" OR "guadagni facili" OR "soldi facili" OR "followers gratis" OR "link in bio" OR "scrivimi in dm"'
    ' OR "clicca qui" OR "bani usor*" OR "castiga bani" OR "castigi bani" OR "bani de acasa" OR "urmaritori gratis"'
    ' OR "click aici" OR "easy money" OR "make money" OR "free followers" OR "click here" OR "dm me" OR airdrop'
    ' OR "crypto signals" OR "whatsapp +"'
)

LEAD: Final = (
    '"vorrei attivare" OR "vorrei abbonarmi" OR "vorrei passare a" OR "vorrei comprare" OR "vorrei un preventivo"'
    ' OR "sto pensando di passare" OR "come mi abbono" OR "fate convenzion*"'
    ' OR "as vrea sa trec" OR "as vrea sa ma abonez" OR "vreau sa ma abonez" OR "vreau sa cumpar" OR "as vrea sa cumpar"'
    ' OR "as vrea o oferta" OR "ma gandesc sa trec" OR "cum ma abonez" OR "faceti abonament*"'
    ' OR "thinking of switching" OR "want to sign up" OR "like to sign up" OR "like to buy" OR "interested in a"'
    ' OR "get a quote" OR "like a quote" OR "how do i join" OR "corporate rate*"'
)

ASKING: Final = (
    '"qualcuno sa" OR "come si fa" OR "come faccio" OR "si puo sapere" OR "quando arriva" OR "mi dite" OR "mi sapete dire"'
    ' OR "potete dirmi" OR "cum fac" OR "cum pot" OR "stie cineva" OR "puteti sa-mi" OR "imi spuneti" OR "imi puteti spune"'
    ' OR "cand ajunge" OR "how do i" OR "how can i" OR "can you tell" OR "could you tell" OR "does anyone know"'
)


_GOES_WITH: Final[dict[str, frozenset[str]]] = {
    "negative": frozenset({"complaint", "crisis", "question", "news"}),
    "neutral": frozenset({"complaint", "crisis", "question", "news", "lead", "chatter", "spam"}),
    "positive": frozenset({"praise", "question", "news", "lead", "chatter", "spam"}),
}


@cache
def _matcher() -> tuple[Matcher[str], dict[str, Query]]:
    cues = {**GRAVE, "spam": SPAM, "lead": LEAD, "asking": ASKING}
    queries = {name: parse(text) for name, text in cues.items()}
    return Matcher(queries.items()), queries


def found(text: str) -> list[str]:
    """The names of the cues in a text: those of GRAVE in its order, and `spam`, `lead`, `asking`."""
    return _matcher()[0].match(Subject(text))


def words(cue: str, text: str) -> list[str]:
    """The words of the text in which a cue was found; none for what is never repeated."""
    return [] if cue not in _matcher()[1] else _matcher()[1][cue].why(text, Subject(text))


def grave(text: str, cues: list[str], sentiment: str) -> str | None:
    """The gravest thing a post speaks of, or that it exposes; praise is never grave, whatever words it uses."""
    if sentiment == "positive" or "spam" in cues:
        return None
    return next((cue for cue in GRAVE if cue in cues), None) or (EXPOSED if exposes(text) else None)


EXPOSED: Final = "exposed"
_CARD = re.compile(r"(?<!\d)\d(?:[ -]?\d){14,15}(?!\d)")
_IBAN = re.compile(r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){3,7}(?: ?[A-Z0-9]{1,3})?\b")
_TAX_CODE = re.compile(r"\b[A-Z]{6}\d{2}[A-EHLMPRST]\d{2}[A-Z]\d{3}[A-Z]\b")
_CNP = re.compile(r"(?<!\d)[1-8]\d{12}(?!\d)")


def exposes(text: str) -> bool:
    """Whether a post shows a payment card, a bank account, or a personal number (Italian, Romanian), check digits right."""
    upper = text.upper()
    return (
        any(_luhn(found) for found in map(_digits, _CARD.findall(text)))
        or any(_mod97(found.replace(" ", "")) for found in _IBAN.findall(upper))
        or _TAX_CODE.search(upper) is not None
        or any(_cnp(found) for found in _CNP.findall(text))
    )


def _digits(text: str) -> str:
    return re.sub(r"\D", "", text)


def _luhn(digits: str) -> bool:
    """ISO/IEC 7812-1, annex B; a row of one digit is no card."""
    doubled = (sum(divmod(int(d) * 2, 10)) if n % 2 else int(d) for n, d in enumerate(reversed(digits)))
    return len(set(digits)) > 1 and sum(doubled) % 10 == 0


def _mod97(iban: str) -> bool:
    """ISO 13616: moved, letters to numbers, the rest by 97 is one."""
    moved = iban[4:] + iban[:4]
    return int("".join(str(int(c, 36)) for c in moved)) % 97 == 1


def _cnp(digits: str) -> bool:
    """Romania's personal number: twelve digits weighed, by eleven, and ten counts as one."""
    weighed = sum(int(d) * w for d, w in zip(digits, (2, 7, 9, 1, 4, 6, 3, 5, 8, 2, 7, 9), strict=False)) % 11
    return int(digits[12]) == (1 if weighed == 10 else weighed)


def intent(text: str, cues: list[str], sentiment: str, read: str = "") -> Intent:
    """What somebody wants of us: as cues say, else as it was `read` where that goes with the sentiment, else by guess.

    A negative post is never taken for praise or spam on the reader's word alone: that would hide it.
    """
    if "spam" in cues:
        return "spam"
    if "lead" in cues and sentiment != "negative":
        return "lead"
    if read in _GOES_WITH[sentiment]:
        return cast("Intent", read)
    if sentiment == "negative":
        return "complaint"
    if "?" in text or "asking" in cues:
        return "question"
    return "praise" if sentiment == "positive" else "chatter"
