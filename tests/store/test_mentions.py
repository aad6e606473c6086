from datetime import UTC, datetime, timedelta

import pytest
from conftest import House
from sqlalchemy import select, text

from models.case import CaseEvent, Reply
from models.mention import Author, Bookmark, Mention, MentionBrand, MentionVersion
from models.post import Deletion, PostAuthor
from store.mentions import Concern, Kept, empty, save_bookmark, search, write_edit, write_posts
from triage import replying


async def test_the_same_post_heard_twice_is_one_mention(house: House):
    post = house.post("Ferroviola che disastro (-)")
    await house.hear(post, post)
    await house.hear(post)
    assert len(await house.all(Mention)) == 1


async def test_a_post_heard_for_a_second_brand_concerns_both(house: House):
    post = house.post("panegrano e ferroviola")
    await house.hear(post)
    await house.hear(post, brand="panegrano")
    async with house.store.reading() as session:
        assert len((await session.scalars(select(MentionBrand))).all()) == 2


@pytest.mark.parametrize("year", [1, 9999])
async def test_a_date_that_no_page_can_show_is_not_kept(house: House, year: int):
    await house.hear(house.post("ferroviola", created_at=datetime(year, 1, 1, tzinfo=UTC)))
    [mention] = await house.all(Mention)
    assert mention.created_at in (datetime(1990, 1, 1, tzinfo=UTC), house.now + timedelta(days=1))


async def test_a_batch_of_two_thousand_is_all_there(house: House):
    await house.hear(*(house.post(f"ferroviola {n}", author=f"a{n % 700}") for n in range(2_000)))
    assert len(await house.all(Mention)) == 2_000
    assert len(await house.all(Author)) == 700


async def test_an_author_who_changes_name_is_the_same_author(house: House):
    known = PostAuthor(handle="rita", native_id="did:1", name="Rita", followers=10)
    renamed = PostAuthor(handle="rita-rossi", native_id="did:1", name="Rita R.", followers=None)
    await house.hear(house.post("ferroviola", author="x") and _by(house, known))
    await house.hear(_by(house, renamed))
    authors = await house.all(Author)
    assert [(a.handle, a.name, a.followers) for a in authors] == [("rita-rossi", "Rita R.", 10)]


def _by(house: House, author: PostAuthor):
    post = house.post("ferroviola")
    return type(post)(
        platform="square", native_id=post.native_id, author=author, text="ferroviola", created_at=house.now
    )


async def test_search_folds_as_the_matcher_does(house: House):
    await house.hear(house.post("Stația e închisă, ferroviola!"), house.post("La STAŢIA din Cluj, ferroviola"))
    async with house.store.reading() as session:
        found = await search(session, "statia", [house.brand()])
        assert len(found) == 2
        assert len(await search(session, "ferroviola stat", [house.brand()])) == 2
        assert len(await search(session, "inchisa", [house.brand()])) == 1
        assert await search(session, "statia", [house.brand("panegrano")]) == []


async def test_search_is_given_words_and_never_syntax(house: House):
    await house.hear(house.post('ferroviola "OR" ci-ao'))
    async with house.store.reading() as session:
        for words in ('"', "OR", "a OR", "NEAR(a b)", "ci-ao*", "folded:x", "' --", "", "   ", "👍", 'x" OR "y'):
            await search(session, words, [house.brand()])


async def test_an_edited_mention_keeps_what_it_said_and_is_read_again(house: House):
    case = await house.case("Ferroviola tutto bene? @ferroviola")
    post = house.post("x")
    mention = (await house.all(Mention))[0]
    edited = type(post)(**{**_fields(mention, house), "text": "Ferroviola che schifo (-)"})
    async with house.store.writing() as session:
        written = await write_edit(session, "square", Kept(edited, ()), house.later(minutes=1))
    assert written.edited == 1
    assert [v.text for v in await house.all(MentionVersion)] == ["Ferroviola tutto bene? @ferroviola"]
    await house.read()
    again = await house.get(type(case), case.id)
    assert again.sentiment == "negative"
    assert again.mentions == 1
    assert "edited" in [e.kind for e in await house.all(CaseEvent)]


def _fields(mention: Mention, house: House) -> dict:
    return {
        "platform": mention.platform,
        "native_id": mention.native_id,
        "author": PostAuthor(handle="rita"),
        "created_at": house.now,
    }


async def test_an_edit_that_begins_to_speak_of_a_brand_is_a_new_mention(house: House):
    concern = Concern(house.brand(), "name", "ferroviola")
    async with house.store.writing() as session:
        assert (await write_edit(session, "square", Kept(house.post("niente"), ()), house.now)).new == 0
        written = await write_edit(session, "square", Kept(house.post("ora ferroviola"), (concern,)), house.now)
    assert written.new == 1


async def test_a_deletion_empties_the_text_everywhere(house: House):
    case = await house.case("Ferroviola mi ha rubato la borsa (-)")
    await house.do(replying.draft, case.id, house.member("ana"), "Ci dispiace per la borsa")
    mention = (await house.all(Mention))[0]
    async with house.store.writing() as session:
        await write_edit(
            session,
            "square",
            Kept(type(house.post("x"))(**{**_fields(mention, house), "text": "borsa due"}), ()),
            house.now,
        )
        written = await empty(session, Deletion(platform="square", native_id=mention.native_id), house.now)
        assert written.deleted == 1
    assert house.store.path.exists()
    assert [m.text for m in await house.all(Mention)] == [""]
    assert await house.all(MentionVersion) == []
    assert [r.text for r in await house.all(Reply)] == [""]
    async with house.store.reading() as session:
        assert await search(session, "borsa", [house.brand()]) == []
        dump = (await session.execute(text("SELECT group_concat(why) FROM mention_brand"))).scalar()
        assert not dump
    assert (await house.get(type(case), case.id)).revision > case.revision


async def test_a_post_heard_again_after_its_deletion_stays_empty(house: House):
    post = house.post("Ferroviola (-)")
    await house.hear(post)
    async with house.store.writing() as session:
        await empty(session, Deletion(platform="square", native_id=post.native_id), house.now)
        await write_posts(session, "square", [Kept(post, ())], house.now)
        await write_edit(session, "square", Kept(post, ()), house.now)
    assert [m.text for m in await house.all(Mention)] == [""]


async def test_the_bookmark_and_the_mentions_are_written_together_or_not_at_all(house: House):
    post = house.post("ferroviola")

    async def write_and_die() -> None:
        async with house.store.writing() as session:
            await write_posts(session, "square", [Kept(post, ())], house.now)
            await save_bookmark(session, "square", "1", house.now)
            raise KeyError

    with pytest.raises(KeyError):
        await write_and_die()
    assert await house.all(Mention) == []
    async with house.store.reading() as session:
        assert await session.scalar(select(Bookmark.value)) is None


async def test_a_post_heard_twice_in_one_breath_concerns_all_that_it_concerned(house: House):
    post = house.post("Ferroviola e Panegrano")
    first = Kept(post, (Concern(house.brand(), "to us", ""),))
    second = Kept(post, (Concern(house.brand(), "name", ""), Concern(house.brand("panegrano"), "name", "")))
    async with house.store.writing() as session:
        await write_posts(session, "square", [first, second], house.now)
    async with house.store.reading() as session:
        rows = (await session.execute(select(MentionBrand.brand_id, MentionBrand.query))).all()
    assert sorted(map(tuple, rows)) == [(house.brand(), "to us"), (house.brand("panegrano"), "name")]


async def test_a_search_finds_who_wrote_it_too(house: House):
    await house.hear(
        house.post("ferroviola ok", author="Sara_Lin"), house.post("ferroviola, diceva sara_lin", author="ugo")
    )
    brands = [house.brand()]
    async with house.store.reading() as session:
        for words, authors in (
            ("sara_lin", {"Sara_Lin", "ugo"}),
            ("@sara_lin", {"Sara_Lin", "ugo"}),
            ("author:sara_lin", {"Sara_Lin"}),
            ("author:@sara_lin ok", {"Sara_Lin"}),
            ("author:ugo ok", set()),
            ("author:", set()),
        ):
            assert {author.handle for _, author, _ in await search(session, words, brands)} == authors, words
