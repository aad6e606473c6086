"""Intent rules: spam and sales leads by keywords, and what decides when the classifier's intent contradicts the sentiment."""

from functools import cache
from typing import Final, cast

from models.query import Matcher, Subject, parse
from models.tables.mention import Intent

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

COMPATIBLE: Final[dict[str, frozenset[str]]] = {
    "negative": frozenset({"complaint", "crisis", "question", "news"}),
    "neutral": frozenset({"complaint", "crisis", "question", "news", "lead", "chatter", "spam"}),
    "positive": frozenset({"praise", "question", "news", "lead", "chatter", "spam"}),
}
"""Sentiment → the intents that go with it."""


@cache
def _matcher() -> Matcher[str]:
    return Matcher([(name, parse(text)) for name, text in (("spam", SPAM), ("lead", LEAD), ("asking", ASKING))])


def is_spam(text: str) -> bool:
    return "spam" in _matcher().match(Subject(text))


def intent(text: str, sentiment: str, classified: str = "") -> Intent:
    """By the rules, else as `classified` where that goes with the sentiment, else by guess.

    A negative post is never praise, and never spam on the classifier's word alone: that would hide it.
    """
    matched = _matcher().match(Subject(text))
    if "spam" in matched:
        return "spam"
    if "lead" in matched and sentiment != "negative":
        return "lead"
    if classified in COMPATIBLE[sentiment]:
        return cast("Intent", classified)
    if sentiment == "negative":
        return "complaint"
    if "?" in text or "asking" in matched:
        return "question"
    return "praise" if sentiment == "positive" else "chatter"
