from datetime import UTC, datetime, timedelta

import pytest
from conftest import Harness
from sqlalchemy import select, text

from models.incoming import Deletion, IncomingAuthor, IncomingPost
from models.tables.case import CaseEvent
from models.tables.cursor import Cursor
from models.tables.mention import Author, Mention, MentionBrand, MentionVersion
from models.tables.reply import Reply
from publishing import replies
from store import cursors
from store.erasure import erase_deleted
from store.mentions import BrandMatch, MatchedPost, search, write_edit, write_posts


async def test_the_same_post_received_twice_is_one_mention(harness: Harness):
    post = harness.post("Ferroviola che disastro (-)")
    await harness.receive(post, post)
    await harness.receive(post)
    assert len(await harness.all(Mention)) == 1


async def test_a_post_received_for_a_second_brand_concerns_both(harness: Harness):
    post = harness.post("panegrano e ferroviola")
    await harness.receive(post)
    await harness.receive(post, brand="panegrano")
    async with harness.store.reading() as session:
        assert len((await session.scalars(select(MentionBrand))).all()) == 2


@pytest.mark.parametrize("year", [1, 9999])
async def test_a_date_that_no_page_can_show_is_not_stored(harness: Harness, year: int):
    await harness.receive(harness.post("ferroviola", created_at=datetime(year, 1, 1, tzinfo=UTC)))
    [mention] = await harness.all(Mention)
    assert mention.created_at in (datetime(1990, 1, 1, tzinfo=UTC), harness.now + timedelta(days=1))


async def test_a_batch_of_two_thousand_is_stored_whole(harness: Harness):
    await harness.receive(*(harness.post(f"ferroviola {n}", author=f"a{n % 700}") for n in range(2_000)))
    assert len(await harness.all(Mention)) == 2_000
    assert len(await harness.all(Author)) == 700


async def test_an_author_who_changes_name_is_the_same_author(harness: Harness):
    original = IncomingAuthor(handle="rita", native_id="did:1", name="Rita", followers=10)
    renamed = IncomingAuthor(handle="rita-rossi", native_id="did:1", name="Rita R.", followers=None)
    await harness.receive(_post_by(harness, original))
    await harness.receive(_post_by(harness, renamed))
    authors = await harness.all(Author)
    assert [(a.handle, a.name, a.followers) for a in authors] == [("rita-rossi", "Rita R.", 10)]


def _post_by(harness: Harness, author: IncomingAuthor) -> IncomingPost:
    native_id = harness.post("ferroviola").native_id
    return IncomingPost(
        platform="square", native_id=native_id, author=author, text="ferroviola", created_at=harness.now
    )


async def test_search_folds_as_the_matcher_does(harness: Harness):
    await harness.receive(harness.post("Stația e închisă, ferroviola!"), harness.post("La STAŢIA din Cluj, ferroviola"))
    async with harness.store.reading() as session:
        assert len(await search(session, "statia", [harness.brand()])) == 2
        assert len(await search(session, "ferroviola stat", [harness.brand()])) == 2
        assert len(await search(session, "inchisa", [harness.brand()])) == 1
        assert await search(session, "statia", [harness.brand("panegrano")]) == []


async def test_search_reads_words_and_never_syntax(harness: Harness):
    await harness.receive(harness.post('ferroviola "OR" ci-ao'))
    async with harness.store.reading() as session:
        for words in ('"', "OR", "a OR", "NEAR(a b)", "ci-ao*", "folded:x", "' --", "", "   ", "👍", 'x" OR "y'):
            await search(session, words, [harness.brand()])


async def test_an_edited_mention_keeps_its_earlier_text_and_is_analyzed_again(harness: Harness):
    case = await harness.case("Ferroviola tutto bene? @ferroviola")
    [mention] = await harness.all(Mention)
    edited = _version_of(mention, harness, "Ferroviola che schifo (-)")
    async with harness.store.writing() as session:
        result = await write_edit(session, "square", MatchedPost(edited, ()), harness.advance(minutes=1))
    assert result.edited == 1
    assert [v.text for v in await harness.all(MentionVersion)] == ["Ferroviola tutto bene? @ferroviola"]
    await harness.analyze()
    updated = await harness.get(type(case), case.id)
    assert updated.sentiment == "negative"
    assert updated.mention_count == 1
    assert "edited" in [e.kind for e in await harness.all(CaseEvent)]


def _version_of(mention: Mention, harness: Harness, words: str) -> IncomingPost:
    return IncomingPost(
        platform=mention.platform,
        native_id=mention.native_id,
        author=IncomingAuthor(handle="rita"),
        created_at=harness.now,
        text=words,
    )


def _query_match(harness: Harness, brand: str = "ferroviola") -> BrandMatch:
    return BrandMatch(brand_id=harness.brand(brand), matched_by="query", query="name", words="")


async def test_an_edit_that_makes_a_post_match_a_brand_is_a_new_mention(harness: Harness):
    async with harness.store.writing() as session:
        unmatched = MatchedPost(harness.post("niente"), ())
        assert (await write_edit(session, "square", unmatched, harness.now)).new == 0
        matched = MatchedPost(harness.post("ora ferroviola"), (_query_match(harness),))
        assert (await write_edit(session, "square", matched, harness.now)).new == 1


async def test_a_deletion_erases_the_text_everywhere(harness: Harness):
    case = await harness.case("Ferroviola mi ha rubato la borsa (-)")
    await harness.do(replies.save_draft, case.id, harness.member("ana"), "Ci dispiace per la borsa")
    [mention] = await harness.all(Mention)
    edited = MatchedPost(_version_of(mention, harness, "borsa due"), ())
    async with harness.store.writing() as session:
        await write_edit(session, "square", edited, harness.now)
        result = await erase_deleted(session, Deletion(platform="square", native_id=mention.native_id), harness.now)
        assert result.deleted == 1
    assert harness.store.path.exists()
    assert [m.text for m in await harness.all(Mention)] == [""]
    assert await harness.all(MentionVersion) == []
    assert [r.text for r in await harness.all(Reply)] == [""]
    async with harness.store.reading() as session:
        assert await search(session, "borsa", [harness.brand()]) == []
        words = (await session.execute(text("SELECT group_concat(matched_words) FROM mention_brand"))).scalar()
        assert not words
    assert (await harness.get(type(case), case.id)).revision > case.revision


async def test_a_post_received_again_after_its_deletion_stays_erased(harness: Harness):
    post = harness.post("Ferroviola (-)")
    await harness.receive(post)
    async with harness.store.writing() as session:
        await erase_deleted(session, Deletion(platform="square", native_id=post.native_id), harness.now)
        await write_posts(session, "square", [MatchedPost(post, ())], harness.now)
        await write_edit(session, "square", MatchedPost(post, ()), harness.now)
    assert [m.text for m in await harness.all(Mention)] == [""]


async def test_the_cursor_and_the_mentions_are_stored_together_or_not_at_all(harness: Harness):
    post = harness.post("ferroviola")

    async def write_and_fail() -> None:
        async with harness.store.writing() as session:
            await write_posts(session, "square", [MatchedPost(post, ())], harness.now)
            await cursors.save(session, "listener", "square", "1", harness.now)
            raise KeyError

    with pytest.raises(KeyError):
        await write_and_fail()
    assert await harness.all(Mention) == []
    async with harness.store.reading() as session:
        assert await session.scalar(select(Cursor.value)) is None


async def test_a_post_that_comes_twice_in_a_batch_concerns_the_brands_of_both(harness: Harness):
    post = harness.post("Ferroviola e Panegrano")
    addressed = BrandMatch(brand_id=harness.brand(), matched_by="addressed", query="", words="")
    first = MatchedPost(post, (addressed,))
    second = MatchedPost(post, (_query_match(harness), _query_match(harness, "panegrano")))
    async with harness.store.writing() as session:
        await write_posts(session, "square", [first, second], harness.now)
    async with harness.store.reading() as session:
        columns = (MentionBrand.brand_id, MentionBrand.matched_by, MentionBrand.query)
        rows = (await session.execute(select(*columns))).all()
    assert sorted(map(tuple, rows)) == [
        (harness.brand(), "addressed", ""),
        (harness.brand("panegrano"), "query", "name"),
    ]


async def test_a_search_also_finds_the_author(harness: Harness):
    await harness.receive(
        harness.post("ferroviola ok", author="Sara_Lin"), harness.post("ferroviola, diceva sara_lin", author="ugo")
    )
    brands = [harness.brand()]
    async with harness.store.reading() as session:
        for words, authors in (
            ("sara_lin", {"Sara_Lin", "ugo"}),
            ("@sara_lin", {"Sara_Lin", "ugo"}),
            ("author:sara_lin", {"Sara_Lin"}),
            ("author:@sara_lin ok", {"Sara_Lin"}),
            ("author:ugo ok", set()),
            ("author:", set()),
        ):
            assert {author.handle for _, author, _ in await search(session, words, brands)} == authors, words
