"""Which saved replies fit a case, best first, each with the reason."""

from typing import Final

import msgspec

from models.case import Case
from models.catalogue import Brand, SavedReply
from models.mention import Author
from models.saved_reply import fill
from models.text import one_line
from triage.turn import Turn

SHOWN: Final = 3


class Suggestion(msgspec.Struct, frozen=True, kw_only=True):
    """`reasons` name what speaks for it: ("topic", "delivery"), ("intent", "complaint"), ("language", "it")."""

    code: str
    text: str
    language: str
    reasons: tuple[tuple[str, str], ...]


def suggest(turn: Turn, case: Case, author: Author) -> list[Suggestion]:
    """At most SHOWN drafts in the case's language; where it has none, those in the brand's first language, said so."""
    brand = turn.brand(case)
    mine = [reply for _, reply in turn.catalogue.saved_replies if reply.brand == brand.slug]
    language = case.language if any(r.language == case.language for r in mine) else brand.languages[0]
    fitting = [(_fit(reply, case), reply) for reply in mine if reply.language == language]
    fitting = [(fit, reply) for fit, reply in fitting if fit[0] > 0]
    fitting.sort(key=lambda pair: -pair[0][0])
    return [
        Suggestion(
            code=reply.code,
            text=_filled(reply, brand, author),
            language=language,
            reasons=(*reasons, ("language", language)),
        )
        for (_, reasons), reply in fitting[:SHOWN]
    ]


def _fit(reply: SavedReply, case: Case) -> tuple[int, tuple[tuple[str, str], ...]]:
    """Points and reasons: the topic weighs most, then what somebody wants; one made for other topics does not fit."""
    topics = tuple(("topic", topic) for topic in reply.topics if topic in case.topics)
    if reply.topics and not topics:
        return 0, ()
    intents = (("intent", case.intent),) if case.intent in reply.intents else ()
    if reply.intents and not intents:
        return 0, ()
    return 1 + 4 * len(topics) + 2 * len(intents), (*topics, *intents)


def _filled(reply: SavedReply, brand: Brand, author: Author) -> str:
    values = {
        "author": f"@{author.handle.lstrip('@')}",
        "name": one_line(author.name or author.handle, 40),
        "brand": brand.name,
        "link": brand.help_link,
    }
    text = fill(reply.text, values)
    return f"{text}\n{brand.signature}" if brand.signature else text
