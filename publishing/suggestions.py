"""Suggested replies for a case, best first, each with where it comes from.

First what managers approved for mentions with similar words or topics, with the author's name replaced; then saved replies;
then drafts by a language model, where one is configured. The classifier's own vectors were tried for similarity and do not
help: they encode how somebody feels, not what about.
"""

import math
from collections import Counter
from collections.abc import Set
from difflib import SequenceMatcher
from typing import Final, Literal

import msgspec
from sqlalchemy import select

from analysis.masking import contains_personal_data
from models.configuration import Brand, SavedReply
from models.saved_reply_template import fill
from models.tables.ai_draft import AiDraft
from models.tables.case import Case
from models.tables.mention import Author, Mention, MentionBrand
from models.text import fold, one_line
from publishing.bulk_reply import adapted
from store.past_replies import PastReply, published_replies
from triage.context import Context
from triage.duplicates import words

MAX_SUGGESTIONS: Final = 3
MAX_PAST: Final = 2
NEIGHBOURS: Final = 12
COMPARED: Final = 500
"""Newest replies that are compared: a few milliseconds."""
STEM: Final = 5
"""Letters of a word that are compared: inflected forms stay the same word."""
MIN_WORD: Final = 4
MIN_SHARED_WORDS: Final = 2
"""Words that two mentions share at least, so that a reply to one may fit the other; a shared topic is enough too."""
TOPIC_WEIGHT: Final = 6.0
"""A shared topic weighs as much as about three rare words."""
SAME: Final = 0.9
"""Texts this similar are one suggestion."""


class Suggestion(msgspec.Struct, frozen=True, kw_only=True):
    """`reasons` say why it fits: ("topic", "delivery"), ("intent", "complaint"), ("used", "3"),
    ("tone", "warm"), ("facts", "refunds"), ("adds", "refunds"), ("language", "it")."""

    code: str
    text: str
    language: str
    reasons: tuple[tuple[str, str], ...]
    source: Literal["approved", "saved", "ai"] = "saved"


async def suggest(context: Context, case: Case, author: Author) -> list[Suggestion]:
    """At most MAX_SUGGESTIONS, and AI drafts. In the case's language; saved replies else in the brand's first language."""
    suggestions = await _past_replies(context, case, author)
    for saved in _saved_replies(context, case, author):
        if not any(_same(saved.text, other.text) for other in suggestions):
            suggestions.append(saved)
    return [*suggestions[:MAX_SUGGESTIONS], *await _ai_drafts(context, case, author)]


async def _past_replies(context: Context, case: Case, author: Author) -> list[Suggestion]:
    """What was answered to similar mentions; near-identical answers are one suggestion that counts them."""
    brand = context.brand(case)
    post_stems = stems(await _latest_text(context, case), brand)
    recent = await published_replies(context.session, case.brand_id, case.language, COMPARED)
    # What fits a late coach does not fit one on fire, whatever words they share.
    past = [reply for reply in recent if reply.severity == case.severity]
    past_stems = [stems(reply.answered, brand) for reply in past]
    frequency = Counter(stem for reply_stems in past_stems for stem in reply_stems)
    ranked: list[tuple[float, PastReply]] = []
    for reply_stems, reply in zip(past_stems, past, strict=True):
        topics = {*case.topics} & {*reply.topics}
        ranked.append((_similarity(post_stems & reply_stems, frequency, len(past), topics), reply))
    ranked.sort(key=lambda pair: -pair[0])
    texts: list[tuple[str, int, PastReply]] = []
    for similarity, reply in ranked[:NEIGHBOURS]:
        text = adapted(reply.text, reply.author, author)
        if not similarity or contains_personal_data(text):
            continue
        same = next((n for n, (other, _, _) in enumerate(texts) if _same(text, other)), None)
        if same is None:
            texts.append((text, 1, reply))
        else:
            other, used, first = texts[same]
            texts[same] = (other, used + 1, first)
    return [
        Suggestion(
            code=f"#{reply.case}",
            text=text,
            language=case.language,
            reasons=(("used", str(used)), ("language", case.language)),
            source="approved",
        )
        for text, used, reply in texts[:MAX_PAST]
    ]


def _similarity(shared: Set[str], frequency: Counter[str], total: int, topics: Set[str]) -> float:
    """Rarer shared words weigh more; 0 where too few are shared and no topic is."""
    if not topics and len(shared) < MIN_SHARED_WORDS:
        return 0.0
    return sum(math.log(1 + total / frequency[stem]) for stem in shared) + TOPIC_WEIGHT * len(topics)


async def _ai_drafts(context: Context, case: Case, author: Author) -> list[Suggestion]:
    """What a language model drafted for the newest mention, each tone, with the facts it used."""
    draft = await context.session.scalar(
        select(AiDraft).where(AiDraft.case_id == case.id).order_by(AiDraft.mention_id.desc()).limit(1)
    )
    if draft is None:
        return []
    return [
        Suggestion(
            code=f"draft:{variant.tone}",
            text=variant.text.replace("{author}", f"@{author.handle.lstrip('@')}"),
            language=case.language,
            reasons=(("tone", variant.tone), ("facts", ", ".join(draft.facts) or "-"), ("language", case.language)),
            source="ai",
        )
        for variant in draft.variants
    ]


async def _latest_text(context: Context, case: Case) -> str:
    newest = (
        select(Mention.folded)
        .join(MentionBrand, MentionBrand.mention_id == Mention.id)
        .where(MentionBrand.case_id == case.id, Mention.deleted_at.is_(None))
        .order_by(Mention.id.desc())
        .limit(1)
    )
    return await context.session.scalar(newest) or ""


def stems(folded: str, brand: Brand) -> frozenset[str]:
    """The stems of a mention's words, without the brand's own name, which all of them contain."""
    own = words(fold(f"{brand.name} {brand.slug}"))
    return frozenset(word[:STEM] for word in words(folded) - own if len(word) >= MIN_WORD)


def _same(one: str, other: str) -> bool:
    return one == other or SequenceMatcher(None, one, other, autojunk=False).ratio() >= SAME


def _saved_replies(context: Context, case: Case, author: Author) -> list[Suggestion]:
    brand = context.brand(case)
    saved = [reply for _, reply in context.configuration.saved_replies if reply.brand == brand.slug]
    language = case.language if any(r.language == case.language for r in saved) else brand.languages[0]
    fits = [(_fit(reply, case), reply) for reply in saved if reply.language == language]
    fits = [(fit, reply) for fit, reply in fits if fit[0] > 0]
    fits.sort(key=lambda pair: -pair[0][0])
    return [
        Suggestion(
            code=reply.code,
            text=_filled(reply, brand, author),
            language=language,
            reasons=(*reasons, *(("adds", topic) for topic in reply.adds_topics), ("language", language)),
        )
        for (_, reasons), reply in fits[:MAX_SUGGESTIONS]
    ]


def _fit(reply: SavedReply, case: Case) -> tuple[int, tuple[tuple[str, str], ...]]:
    """Points and reasons: the topic weighs most, then the intent; a reply for other topics does not fit."""
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
