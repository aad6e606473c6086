"""Drafts that fit a case, best first, each saying where it comes from.

First what managers approved for mentions in like words or about the same, with the new author's name in place of the old one's;
then the saved replies; then what a language model drafted, where one is asked. The reader's own vectors were tried for likeness
and do not help: they know how somebody feels, and not what about.
"""

import math
from collections import Counter
from collections.abc import Set
from difflib import SequenceMatcher
from typing import Final, Literal

import msgspec
from sqlalchemy import select

from models.case import Case
from models.catalogue import Brand, SavedReply
from models.drafted import Drafted
from models.mention import Author, Mention, MentionBrand
from models.saved_reply import fill
from models.text import fold, one_line
from store.precedents import Precedent, answered
from triage.masking import is_private
from triage.storms import words
from triage.together import adapted
from triage.turn import Turn

SHOWN: Final = 3
PRECEDENTS: Final = 2
NEIGHBOURS: Final = 12
COMPARED: Final = 500
"""Newest replies that are looked through: some milliseconds."""
BEGINNING: Final = 5
"""Letters of a word that are compared: what is declined and conjugated stays the same word."""
SHORTEST: Final = 4
IN_COMMON: Final = 2
"""Words that two mentions share at least, so that what was said to one may fit the other; a topic is as good."""
A_TOPIC: Final = 6.0
"""What a shared topic weighs, in rare words of about three."""
SAME: Final = 0.9
"""Texts so alike are one suggestion."""


class Suggestion(msgspec.Struct, frozen=True, kw_only=True):
    """`reasons` name what speaks for it: ("topic", "delivery"), ("intent", "complaint"), ("used", "3"),
    ("tone", "warm"), ("facts", "refunds"), ("language", "it")."""

    code: str
    text: str
    language: str
    reasons: tuple[tuple[str, str], ...]
    source: Literal["approved", "saved", "drafted"] = "saved"


async def suggest(turn: Turn, case: Case, author: Author) -> list[Suggestion]:
    """At most SHOWN in the case's language; where nothing is in it, saved ones in the brand's first language. And drafts."""
    found = await _approved(turn, case, author)
    for saved in _saved(turn, case, author):
        if not any(_alike(saved.text, known.text) for known in found):
            found.append(saved)
    return [*found[:SHOWN], *await _drafted(turn, case, author)]


async def _approved(turn: Turn, case: Case, author: Author) -> list[Suggestion]:
    """What was said to others in like words; of those that nearly repeat each other one, with how often it was said."""
    brand = turn.brand(case)
    asked = beginnings(await _said(turn, case), brand)
    # What fits a late coach does not fit one on fire, whatever the words that they share.
    lately = await answered(turn.session, case.brand_id, case.language, COMPARED)
    known = [one for one in lately if one.grave == case.grave]
    said = [beginnings(one.folded, brand) for one in known]
    held = Counter(word for held_by_one in said for word in held_by_one)
    near: list[tuple[float, Precedent]] = []
    for words_, one in zip(said, known, strict=True):
        near.append((_likeness(asked & words_, held, len(known), {*case.topics} & {*one.about}), one))
    near.sort(key=lambda pair: -pair[0])
    found: list[tuple[str, int, Precedent]] = []
    for likeness, one in near[:NEIGHBOURS]:
        text = adapted(one.text, one.told, author)
        if not likeness or is_private(text):
            continue
        same = next((n for n, (other, _, _) in enumerate(found) if _alike(text, other)), None)
        if same is None:
            found.append((text, 1, one))
        else:
            other, used, first = found[same]
            found[same] = (other, used + 1, first)
    return [
        Suggestion(
            code=f"#{one.case}",
            text=text,
            language=case.language,
            reasons=(("used", str(used)), ("language", case.language)),
            source="approved",
        )
        for text, used, one in found[:PRECEDENTS]
    ]


def _likeness(shared: Set[str], held: Counter[str], count: int, topics: Set[str]) -> float:
    """The rarer the words that two share, the more; nothing where they share too few, and no topic."""
    if not topics and len(shared) < IN_COMMON:
        return 0.0
    return sum(math.log(1 + count / held[word]) for word in shared) + A_TOPIC * len(topics)


async def _drafted(turn: Turn, case: Case, author: Author) -> list[Suggestion]:
    """What a language model wrote for the newest mention, each tone, with the facts that it went by."""
    drafted = await turn.session.scalar(
        select(Drafted).where(Drafted.case_id == case.id).order_by(Drafted.mention_id.desc()).limit(1)
    )
    if drafted is None:
        return []
    return [
        Suggestion(
            code=f"draft:{variant.tone}",
            text=variant.text.replace("{author}", f"@{author.handle.lstrip('@')}"),
            language=case.language,
            reasons=(("tone", variant.tone), ("facts", ", ".join(drafted.facts) or "-"), ("language", case.language)),
            source="drafted",
        )
        for variant in drafted.variants
    ]


async def _said(turn: Turn, case: Case) -> str:
    newest = (
        select(Mention.folded)
        .join(MentionBrand, MentionBrand.mention_id == Mention.id)
        .where(MentionBrand.case_id == case.id, Mention.deleted_at.is_(None))
        .order_by(Mention.id.desc())
        .limit(1)
    )
    return await turn.session.scalar(newest) or ""


def beginnings(folded: str, brand: Brand) -> frozenset[str]:
    """How the words of a mention begin, but for the brand's own name, which stands in all of them."""
    own = words(fold(f"{brand.name} {brand.slug}"))
    return frozenset(word[:BEGINNING] for word in words(folded) - own if len(word) >= SHORTEST)


def _alike(one: str, other: str) -> bool:
    return one == other or SequenceMatcher(None, one, other, autojunk=False).ratio() >= SAME


def _saved(turn: Turn, case: Case, author: Author) -> list[Suggestion]:
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
            reasons=(*reasons, *(("files", topic) for topic in reply.files_under), ("language", language)),
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
