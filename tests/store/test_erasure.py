"""A deletion on the platform erases the text everywhere, and every field of a mention declares what happens to it."""

import pytest
from conftest import Harness
from sqlalchemy import select, text

from models.incoming import Deletion, Media
from models.tables.base import Base
from models.tables.mention import EarlierPost, InfluentialWord, Mention, MentionBrand
from publishing import replies
from store.erasure import erase_deleted
from store.mentions import MatchedPost, write_edit
from triage.case_actions import claim

SECRET = "zanzibar"


@pytest.mark.parametrize("table", [Mention, MentionBrand])
def test_every_field_declares_whether_a_deletion_erases_it(table: type[Base]):
    undeclared = [column.key for column in table.__table__.columns if "erased" not in column.info]
    assert undeclared == []


async def places_of(harness: Harness, word: str) -> set[str]:
    """The columns, and the search index, that contain a word."""
    found = set()
    async with harness.store.reading() as session:
        for table in Base.metadata.sorted_tables:
            for row in (await session.execute(select(table))).mappings():
                found |= {f"{table.name}.{key}" for key, value in row.items() if word in str(value)}
        match = text("SELECT rowid FROM mention_search WHERE mention_search MATCH :word")
        if (await session.execute(match, {"word": word})).first():
            found.add("mention_search")
    return found


async def test_a_deletion_erases_the_text_wherever_it_is(harness: Harness):
    post = harness.post(
        f"Ferroviola {SECRET} in ritardo (-)", media=(Media(kind="image", url="http://a/b.png", alt=SECRET),)
    )
    await harness.receive(post)
    await harness.analyze()
    [case] = await harness.cases()
    await harness.do(claim, case.id, harness.member("ana"))
    await harness.do(replies.save_draft, case.id, harness.member("ana"), f"ci scusiamo per {SECRET}")
    edited = harness.post(f"Ferroviola {SECRET} e {SECRET} (-)", native_id=post.native_id)
    async with harness.store.writing() as session:
        await write_edit(session, "square", MatchedPost(edited, ()), harness.now)
        mention = (await session.scalars(select(Mention))).one()
        earlier = EarlierPost(author="a", text=SECRET, at=harness.now)
        mention.earlier_posts = (earlier,)
        match = (await session.scalars(select(MentionBrand))).one()
        match.influential_words, match.matched_words = (InfluentialWord(SECRET, 1.0),), SECRET
    before = await places_of(harness, SECRET)
    assert before >= {
        "mention.text", "mention.folded", "mention.media", "mention.earlier_posts", "mention_version.text",
        "mention_brand.matched_words", "mention_brand.influential_words", "mention_search", "reply.text",
    }  # fmt: skip
    async with harness.store.writing() as session:
        await erase_deleted(session, Deletion(platform="square", native_id=post.native_id), harness.now)
    assert await places_of(harness, SECRET) == set()
