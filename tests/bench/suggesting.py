"""How often one of three suggestions is the reply that a member sends, word for word or lightly edited, by language.

The cases were written for this (suggestions.json): eight situations, each in three different wordings. Suggestions are made for
each case while the other twenty-three have been answered. The yardstick is the reply of some other case, as a saved reply that
fits everything would be.
"""

import asyncio
import json
import tempfile
from datetime import UTC, datetime
from difflib import SequenceMatcher
from pathlib import Path

from bench.figures import Figure
from sqlalchemy import select, update

from ascolto.application import Application
from models.configuration import Brand, BrandQuery, ConfigurationFile, Member, Queue, Topic
from models.incoming import IncomingAuthor, IncomingPost
from models.sentiment import load as load_reader
from models.tables.case import Case
from models.tables.mention import Author
from models.tables.reply import Reply
from publishing import replies
from publishing.suggestions import suggest
from store import mentions, schema
from store.configuration import apply_changes
from triage import case_actions

CASES = Path(__file__).with_name("suggestions.json")
NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
LIGHTLY_EDITED = 0.2
"""Normalised edit distance up to which a text counts as lightly edited."""


def measure() -> list[Figure]:
    situations = json.loads(CASES.read_text())
    return [asyncio.run(_measure(language, situations[language])) for language in ("it", "ro", "en")]


async def _measure(language: str, situations: dict) -> Figure:
    rows = [(post, situation["reply"]) for situation in situations.values() for post in situation["posts"]]
    first = any_of_three = other = 0
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "cases.db"
        schema.prepare(path)
        application = Application(path, load_reader(), now=lambda: NOW)
        topics = {name: situation["topic"] for name, situation in situations.items()}
        await _answer_all(application, language, rows, topics)
        configuration = await application.configuration()
        for number, (_, reply) in enumerate(rows, 1):
            expected = reply.format(author=f"a{number}")
            async with application.store.writing() as session:
                await session.execute(update(Reply).where(Reply.mention_id == number).values(state="draft"))
            async with application.store.reading() as session:
                of_mention = select(Case).join(Reply, Reply.case_id == Case.id).where(Reply.mention_id == number)
                case = (await session.scalars(of_mention)).one()
                author = await session.get_one(Author, case.author_id)
                suggestions = await suggest(application.context(session, configuration), case, author)
            right = [_distance(suggestion.text, expected) <= LIGHTLY_EDITED for suggestion in suggestions]
            first, any_of_three = first + bool(right[:1] and right[0]), any_of_three + any(right)
            other_reply = rows[(number + 3) % len(rows)][1].format(author=f"a{number}")
            other += _distance(other_reply, expected) <= LIGHTLY_EDITED
            async with application.store.writing() as session:
                await session.execute(update(Reply).where(Reply.mention_id == number).values(state="published"))
        await application.close()
    count = len(rows)
    return Figure(
        f"suggestions, {language}: the first, any of those shown is the reply ({count} cases)",
        f"{first / count:.0%}, {any_of_three / count:.0%}", f"the reply of another case: {other / count:.0%}", "",
    )  # fmt: skip


async def _answer_all(
    application: Application, language: str, rows: list[tuple[str, str]], topics: dict[str, str]
) -> None:
    """Cases with published replies for all posts, opened by hand: how they are classified does not matter here."""
    brand = Brand(
        slug="ferroviola",
        name="Ferroviola",
        queries=(BrandQuery(slug="n", text="ferroviola"),),
        topics=tuple(Topic(slug=name, text=text) for name, text in topics.items()),
    )
    file = ConfigurationFile(
        brands=(brand,),
        queues=(Queue(slug="q", name="Q", brands=("ferroviola",)),),
        members=(Member(slug="ana", name="Ana"),),
    )
    async with application.store.writing() as session:
        await apply_changes(session, file, NOW)
    posts = [
        IncomingPost(
            platform="p",
            native_id=f"n{n}",
            author=IncomingAuthor(handle=f"a{n}"),
            text=text,
            created_at=NOW,
            language=language,
        )
        for n, (text, _) in enumerate(rows, 1)
    ]
    matched = (await application.matcher()).matching(posts, "p", None)
    configuration = await application.configuration()
    async with application.store.writing() as session:
        await mentions.write_posts(session, "p", matched, NOW)
    while await application.classification.analyze_batch(configuration, NOW):
        pass
    async with application.store.writing() as session:
        context = application.context(session, configuration)
        for n, (_, reply) in enumerate(rows, 1):
            case = await case_actions.open_by_hand(context, 1, n, 1)
            draft = await replies.save_draft(context, case.id, 1, reply.format(author=f"a{n}"))
            await session.execute(update(Reply).where(Reply.id == draft.id).values(state="published"))


def _distance(one: str, other: str) -> float:
    return 1 - SequenceMatcher(None, one, other, autojunk=False).ratio()
