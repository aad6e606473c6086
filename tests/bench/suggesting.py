"""How often one of three suggestions is what a manager says in the end, word for word or lightly edited, by language.

The cases are written for this (suggestions.json): eight situations, told three times each in other words. Each is asked about
once while the other twenty-three have been answered. The yardstick is the reply that was given most often, as a saved reply that
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

from ascolto.house import House
from models.case import Case, Reply
from models.catalogue import Brand, BrandQuery, Contents, Member, Queue, Topic
from models.mention import Author
from models.post import Post, PostAuthor
from models.sentiment import load as load_reader
from store import catalogue, mentions, schema
from triage import actions, replying
from triage.suggestions import suggest

CASES = Path(__file__).with_name("suggestions.json")
NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
LIGHTLY = 0.2
"""Normalised edit distance up to which a text counts as lightly edited."""


def measure() -> list[Figure]:
    told = json.loads(CASES.read_text())
    return [asyncio.run(_measure(language, told[language])) for language in ("it", "ro", "en")]


async def _measure(language: str, situations: dict) -> Figure:
    rows = [(post, one["reply"]) for one in situations.values() for post in one["posts"]]
    first = three = usual = 0
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "cases.db"
        schema.prepare(path)
        house = House(path, load_reader(), now=lambda: NOW)
        await _answer_all(house, language, rows, {name: one["topic"] for name, one in situations.items()})
        known = await house.catalogue()
        for number, (_, reply) in enumerate(rows, 1):
            wanted = reply.format(author=f"a{number}")
            async with house.store.writing() as session:
                await session.execute(update(Reply).where(Reply.mention_id == number).values(state="draft"))
            async with house.store.reading() as session:
                of_mention = select(Case).join(Reply, Reply.case_id == Case.id).where(Reply.mention_id == number)
                case = (await session.scalars(of_mention)).one()
                found = await suggest(house.turn(session, known), case, await session.get_one(Author, case.author_id))
            near = [_distance(one.text, wanted) <= LIGHTLY for one in found]
            first, three = first + bool(near[:1] and near[0]), three + any(near)
            usual += _distance(rows[(number + 3) % len(rows)][1].format(author=f"a{number}"), wanted) <= LIGHTLY
            async with house.store.writing() as session:
                await session.execute(update(Reply).where(Reply.mention_id == number).values(state="published"))
        await house.close()
    count = len(rows)
    return Figure(
        f"suggestions, {language}: the first, one of those shown is what is said ({count} cases)",
        f"{first / count:.0%}, {three / count:.0%}", f"any reply of another case: {usual / count:.0%}", "",
    )  # fmt: skip


async def _answer_all(house: House, language: str, rows: list[tuple[str, str]], topics: dict[str, str]) -> None:
    """All heard and answered, opened by hand: whether they read as complaints is no matter here."""
    brand = Brand(
        slug="ferroviola",
        name="Ferroviola",
        queries=(BrandQuery(slug="n", text="ferroviola"),),
        topics=tuple(Topic(slug=name, text=text) for name, text in topics.items()),
    )
    contents = Contents(
        brands=(brand,),
        queues=(Queue(slug="q", name="Q", brands=("ferroviola",)),),
        members=(Member(slug="ana", name="Ana"),),
    )
    async with house.store.writing() as session:
        await catalogue.apply(session, contents, NOW)
    posts = [
        Post(
            platform="p",
            native_id=f"n{n}",
            author=PostAuthor(handle=f"a{n}"),
            text=text,
            created_at=NOW,
            language=language,
        )
        for n, (text, _) in enumerate(rows, 1)
    ]
    kept = (await house.matching()).kept(posts, "p", None)
    known = await house.catalogue()
    async with house.store.writing() as session:
        await mentions.write_posts(session, "p", kept, NOW)
    while await house.triage.read_batch(known, NOW):
        pass
    async with house.store.writing() as session:
        turn = house.turn(session, known)
        for n, (_, reply) in enumerate(rows, 1):
            case = await actions.open_by_hand(turn, 1, n, 1)
            draft = await replying.draft(turn, case.id, 1, reply.format(author=f"a{n}"))
            await session.execute(update(Reply).where(Reply.id == draft.id).values(state="published"))


def _distance(one: str, other: str) -> float:
    return 1 - SequenceMatcher(None, one, other, autojunk=False).ratio()
