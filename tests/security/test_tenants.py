"""What one brand's source brings is never shown to another, nor changed by it."""

from datetime import UTC, datetime

import msgspec
import pytest
from conftest import Harness
from sqlalchemy import select

from listener.webhook import to_batch
from models.configuration import ConfigurationFile
from models.tables.mention import Author, Mention, MentionBrand
from store.connection_status import Report, save_reports
from store.mentions import BrandMatch, MatchedPost, write_posts

NOW = datetime(2026, 11, 23, 9, tzinfo=UTC)


def body(text: str, **fields: object) -> bytes:
    row = {"id": "1", "author": {"handle": "rita"}, "text": text, "created_at": "2026-11-23T08:00:00Z", **fields}
    return msgspec.json.encode(row)


async def deliver(harness: Harness, connection: str, brand: str, content: bytes) -> None:
    batch, invalid = to_batch(content, NOW, connection)
    assert invalid == []
    match = BrandMatch(brand_id=harness.brand(brand), matched_by="own channel", query="", words="")
    async with harness.store.writing() as session:
        posts = [MatchedPost(post, (match,)) for post in batch.posts]
        await write_posts(session, connection, posts, harness.now, shares=False)


async def brands_of_mentions(harness: Harness) -> list[int]:
    async with harness.store.reading() as session:
        return list(await session.scalars(select(MentionBrand.brand_id)))


async def test_two_senders_have_ids_of_their_own(harness: Harness):
    await deliver(harness, "beta", "panegrano", body("Panegrano: il mio IBAN segreto"))
    await deliver(harness, "site", "ferroviola", body("Ferroviola: treno sporco"))
    texts = {(m.connection, m.text) for m in await harness.all(Mention)}
    assert texts == {("beta", "Panegrano: il mio IBAN segreto"), ("site", "Ferroviola: treno sporco")}
    assert sorted(await brands_of_mentions(harness)) == sorted([harness.brand(), harness.brand("panegrano")])


async def test_a_sender_that_names_another_platform_gains_nothing_that_another_brought(harness: Harness):
    await deliver(harness, "beta", "panegrano", body("Panegrano: segreto", platform="x"))
    await deliver(harness, "site", "ferroviola", body("Ferroviola: x", platform="x"))
    assert await brands_of_mentions(harness) == [harness.brand("panegrano")]


async def test_a_sender_renames_nobody_elses_author(harness: Harness):
    await deliver(harness, "beta", "panegrano", body("Panegrano", author={"handle": "rita", "id": "r", "name": "Rita"}))
    await deliver(
        harness, "site", "ferroviola", body("Ferroviola", author={"handle": "RITA", "id": "r", "name": "Ladra"})
    )
    assert sorted(author.name for author in await harness.all(Author)) == ["Ladra", "Rita"]


async def test_what_a_member_typed_is_their_brands_alone(desk):
    url = "https://forum.example/t/77"
    number, other = desk.harness.brand("panegrano"), desk.harness.brand()
    piero, ana = await desk.sign_in("piero"), await desk.sign_in("ana")
    typed = {"url": url, "brand": str(number), "text": "Panegrano SEGRETO", "author": "x"}
    async with piero.post("/open", data=typed, allow_redirects=False) as response:
        assert response.status == 303
    _, member = desk.harness.configuration.members.by_slug("ana")
    await desk.harness.apply(ConfigurationFile(members=(msgspec.structs.replace(member, brands=("ferroviola",)),)))
    async with ana.post("/open", data={**typed, "brand": str(other), "text": "mio"}, allow_redirects=False) as response:
        assert response.status == 303
        address = response.headers["Location"]
    async with ana.get(address) as response:
        text = await response.text()
    assert "mio" in text
    assert "SEGRETO" not in text


async def test_the_status_page_shows_the_connections_of_ones_brands(desk):
    desk.application.owners["beta"] = "panegrano"
    async with desk.harness.store.writing() as session:
        reports = [
            Report(role="listener", name=name, platform="feed", health="needs you", since=NOW, reason="SECRET", fix="F")
            for name in ("beta", "shared")
        ]
        await save_reports(session, reports, NOW)
    _, member = desk.harness.configuration.members.by_slug("ana")
    await desk.harness.apply(ConfigurationFile(members=(msgspec.structs.replace(member, brands=("ferroviola",)),)))
    async with (await desk.sign_in("ana")).get("/status") as response:
        text = await response.text()
    assert "shared" in text
    assert "<b>beta</b>" not in text
    assert "SECRET" not in text


@pytest.mark.parametrize(
    "kind", ["comment.deleted", "message_deleted", "post_destroyed", "entry.delete", "unpublished"]
)
def test_deletions_by_other_names_are_understood(kind: str):
    batch, invalid = to_batch(body("0341 555 123", kind=kind), NOW, "site")
    assert ([d.native_id for d in batch.deletions], batch.posts, invalid) == (["site:1"], (), [])


@pytest.mark.parametrize(
    ("kind", "expected"), [("comment_edited", "edits"), ("MessageUpdated", "edits"), ("created", "posts")]
)
def test_edits_and_posts_by_other_names_are_understood(kind: str, expected: str):
    batch, invalid = to_batch(body("testo", kind=kind), NOW, "site")
    assert (len(getattr(batch, expected)), invalid) == (1, [])


def test_an_unknown_kind_is_refused_by_its_name():
    batch, invalid = to_batch(body("testo", kind="frobnicated"), NOW, "site")
    assert batch.posts == ()
    assert "frobnicated" in str(invalid[0]["reason"])
