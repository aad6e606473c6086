"""The adapters on payloads as the real services send them (tests/fixtures): what each is converted to."""

import asyncio
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
from platforms.discord import OWN, TOKEN, DiscordServer
from telegram import Update, User

from connections import reddit
from connections.discord import Discord
from connections.feeds import parse_feed
from connections.mastodon import Account
from connections.x import Page
from connections.x import User as XUser
from listener import bluesky, hackernews, mastodon, telegram, x
from listener.discord import DiscordListener
from listener.reddit import compare, to_post
from models.incoming import IncomingPost, ListenerBatch, Media

FIXTURES = Path(__file__).parents[1] / "fixtures"


def fixture_text(name: str) -> str:
    return (FIXTURES / name).read_text()


def fixture(name: str) -> Any:
    return json.loads(fixture_text(name))


def has_fields(post: IncomingPost | None, **expected: object) -> None:
    assert post is not None
    assert {name: getattr(post, name) for name in expected} == expected


# Discord: through its library, over a gateway on loopback.


@pytest.fixture
async def discord(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("connections.discord.BATCH_WINDOW", 0.05)
    async with DiscordServer() as server:
        server.thread = server.open_thread("Rimborsi")
        listener = DiscordListener(Discord("discord", TOKEN, api=server.api, gateway=server.gateway))
        batches = listener.listen(None)
        async with asyncio.timeout(10):
            await anext(batches)
        await server.connected()

        async def receive(*events: tuple[str, str]) -> ListenerBatch:
            """Sends some events, of a kind and with a fixture; returns the next batch that is not empty."""
            for kind, name in events:
                text = fixture_text(f"discord/{name}.json")
                await server.send(kind, json.loads(text.replace("@thread", server.thread).replace("@own", OWN["id"])))
            async with asyncio.timeout(5):
                while True:
                    batch = await anext(batches)
                    if batch.posts or batch.edits or batch.deletions:
                        return batch

        receive.thread = server.thread
        yield receive
        await batches.aclose()
        await listener.close()


async def test_a_message_on_discord(discord):
    [post] = (await discord(("MESSAGE_CREATE", "message"))).posts
    has_fields(
        post,
        native_id="600:1574333690123649024",
        text="Il 18:42 da Verona è sparito dal tabellone <:triste:1123456789012345678> e l'app tace. Grazie **Ferroviola**",
        url="https://discord.com/channels/500/600/1574333690123649024",
        thread="",
        parent=None,
        created_at=datetime(2026, 11, 23, 8, 0, 1, 431_000, UTC),
        addresses_us=False,
    )
    assert (post.author.handle, post.author.name, post.author.native_id) == ("rita.bruni", "Rita", "204255221017214977")


async def test_files_on_discord(discord):
    [post] = (await discord(("MESSAGE_CREATE", "message_with_files"))).posts
    image, audio = post.media
    assert (post.text, image.kind, image.alt, audio.kind, audio.preview) == (
        "", "image", "biglietto.png", "audio", "",
    )  # fmt: skip
    assert image.preview.startswith("https://media.discordapp.net/")


async def test_replies_on_discord(discord):
    reply, orphan = (await discord(("MESSAGE_CREATE", "reply"), ("MESSAGE_CREATE", "reply_to_deleted"))).posts
    has_fields(reply, text="@Ascolto e il rimborso?", parent="600:1574333690123649024", addresses_us=True)
    assert [parent.text for parent in reply.earlier_posts] == ["Il 18:42 è sparito dal tabellone"]
    has_fields(orphan, parent="600:1574333690123648081", earlier_posts=())


async def test_stickers_webhooks_notices_and_link_previews_on_discord_are_ignored(discord):
    ignored = [("MESSAGE_CREATE", name) for name in ("sticker_only", "webhook", "joined", "link_preview")]
    ignored[-1] = ("MESSAGE_UPDATE", "link_preview")
    batch = await discord(*ignored, ("MESSAGE_CREATE", "direct"))
    [post] = batch.posts
    has_fields(post, native_id="700:1574333690123649032", addresses_us=True, thread="700")
    assert batch.edits == ()


async def test_the_text_of_a_poll_on_discord_is_its_question_and_answers(discord):
    [post] = (await discord(("MESSAGE_CREATE", "poll"))).posts
    assert post.text == "Ferroviola o autobus?\nTreno\nBus"


async def test_a_thread_on_discord(discord):
    [post] = (await discord(("MESSAGE_CREATE", "thread_message"))).posts
    has_fields(post, native_id=f"{discord.thread}:1574333690123649033", thread=discord.thread)


async def test_edits_and_deletions_on_discord(discord):
    await discord(("MESSAGE_CREATE", "message"))
    [edited] = (await discord(("MESSAGE_UPDATE", "edit"))).edits
    has_fields(edited, native_id="600:1574333690123649024", text="Il 18:42 da Verona è tornato sul tabellone")
    [deletion] = (await discord(("MESSAGE_DELETE", "delete"))).deletions
    assert deletion.native_id == "600:1574333690123649024"
    deletions = (await discord(("MESSAGE_DELETE_BULK", "delete_bulk"))).deletions
    assert {deletion.native_id for deletion in deletions} == {"600:1574333690123649024", "600:1574333690123649025"}


# Telegram

BOT = User(7000000001, "Ferroviola", True, username="ferroviola_bot")


def on_telegram(name: str) -> IncomingPost | None:
    update = Update.de_json(fixture(f"telegram/{name}.json"), None)
    return telegram.to_post(update.message or update.edited_message, BOT)


def test_a_message_on_telegram():
    post = on_telegram("group")
    has_fields(
        post,
        native_id="-1001700000001:4512",
        url="https://t.me/calatori_ferroviola/4512",
        text="Trenul 1842 anulat fără anunț 😡 @ferroviola_bot răspundeți?",
        created_at=datetime(2026, 11, 23, 9, 1, 1, tzinfo=UTC),
        parent=None,
        thread="",
        channel="-1001700000001",
    )
    assert (post.author.handle, post.author.name) == ("ioana_pop", "Ioana Pop")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("group", {"addresses_us": True}),
        ("edited", {"native_id": "-1001700000001:4512", "text": "Trenul 1842 anulat fără anunț, acum și 1844"}),
        ("photo", {"text": "Așa arată vagonul", "media": (Media(kind="image"),)}),
        ("private", {"native_id": "5120000001:12", "thread": "5120000001", "addresses_us": True, "url": ""}),
        ("comment", {"thread": "-1001700000002:801", "parent": "-1001700000002:801", "addresses_us": False}),
        ("topic", {"thread": "", "parent": None}),
        ("reply_quoting", {"parent": "-1001700000001:4400", "addresses_us": True}),
        ("anonymous_admin", {"ours": True}),
    ],
)
def test_kinds_of_messages_on_telegram(name: str, expected: dict):
    has_fields(on_telegram(name), **expected)


def test_a_comment_on_telegram_comes_with_the_post_above():
    [parent] = on_telegram("comment").earlier_posts
    assert (parent.text, parent.author.name) == ("Orar nou de luni", "Ferroviola")


@pytest.mark.parametrize("name", ["start", "automatic_forward", "channel_post", "migrated", "sticker"])
def test_other_updates_on_telegram_are_ignored(name: str):
    assert on_telegram(name) is None


# X

OURS = XUser(id="900", name="Ferroviola", username="Ferroviola")


def test_mentions_on_x():
    page = msgspec.convert(fixture("x/mentions.json"), Page, strict=False)
    [post], [edit] = x.read(page, OURS)
    has_fields(
        post,
        native_id="1986123456789012345",
        url="https://x.com/marta_v/status/1986123456789012345",
        text="@Ferroviola due ore ferma a Bologna & nessuno avvisa >:( https://t.co/a1b2c3",
        language="it",
        thread="1986000000000000001",
        parent="1986000000000000001",
        created_at=datetime(2026, 11, 23, 8, 1, 2, tzinfo=UTC),
        metrics={"likes": 12, "shares": 3, "replies": 1},
        addresses_us=True,
    )
    assert (post.author.name, post.author.followers) == ("Marta 🚆", 1843)
    has_fields(edit, native_id="1986123456789012340", url="https://x.com/i/status/1986123456789012350", language="ro")
    assert edit.text.endswith("până vineri. Mulțumesc.")
    assert (edit.author.handle, edit.author.url) == ("77", "")


def test_no_mentions_on_x():
    page = msgspec.convert(fixture("x/mentions_none.json"), Page, strict=False)
    assert (x.read(page, OURS), page.meta.next_token or "") == (([], []), "")


def test_the_stream_on_x():
    event = x.decode(json.dumps(fixture("x/stream_post.json")).encode())
    [post], _ = x.read(Page(data=[event.data], includes=event.includes), OURS)
    has_fields(post, text="ferroviola again 😂", language=None, addresses_us=False)
    assert post.author.followers == 1843
    assert x.decode(b"") is None
    event = x.decode(json.dumps(fixture("x/stream_disconnect.json")).encode())
    assert event.errors[0]["title"] == "operational-disconnect"


# Mastodon

MASTODON_ACCOUNT = Account(id="1", acct="ferroviola")


def on_mastodon(name: str) -> ListenerBatch:
    event = mastodon.to_event(msgspec.convert(fixture(f"mastodon/{name}.json"), mastodon.Frame))
    return mastodon.to_batch([event] if event else [], "social.example", MASTODON_ACCOUNT)


def test_a_status_on_mastodon():
    [post] = on_mastodon("update").posts
    has_fields(
        post,
        native_id="social.example:115600000000000101",
        url="https://altrove.example/@rita/115600000000000100",
        text=(
            "treni, rabbia\n@ferroviola due ore a Bologna.\nIl rimborso? https://ferroviola.example/rimborsi/moduli\n"
            "#Ferroviola & co :treno:"
        ),
        language="it",
        parent=None,
        created_at=datetime(2026, 11, 23, 8, 2, 11, tzinfo=UTC),
        metrics={"likes": 9, "shares": 4},
    )
    assert (post.author.handle, post.author.followers, post.author.url) == (
        "rita@altrove.example", 712, "https://altrove.example/@rita",
    )  # fmt: skip
    image, file = post.media
    assert (image.kind, image.alt, file.kind, file.url) == ("image", "Il tabellone vuoto", "file", "")


def test_edits_deletions_and_mentions_on_mastodon():
    has_fields(on_mastodon("edit").edits[0], native_id="social.example:115600000000000101", text="Risolto, grazie")
    assert on_mastodon("delete").deletions[0].native_id == "social.example:115600000000000101"
    has_fields(on_mastodon("mention").posts[0], addresses_us=True, parent="social.example:115600000000000050")


@pytest.mark.parametrize("name", ["boost", "favourite", "filters_changed"])
def test_other_events_on_mastodon_are_ignored(name: str):
    batch = on_mastodon(name)
    assert (batch.posts, batch.edits, batch.deletions) == ((), (), ())


# Bluesky

MARTA = "did:plc:eygmaihciaxprqvxpfvl6flk"
FERROVIOLA = "did:plc:ferroviolaferroviola0000"
MARTAS_POST = f"at://{MARTA}/app.bsky.feed.post/3m6abcxyz2k2a"


def on_bluesky(name: str) -> ListenerBatch:
    event = bluesky.decode_v1(fixture_text(f"bluesky/{name}.json"))
    assert event is not None
    return bluesky.to_batch([event], "", FERROVIOLA)


def test_a_post_on_bluesky():
    [post] = on_bluesky("create").posts
    has_fields(
        post,
        native_id=MARTAS_POST,
        url=f"https://bsky.app/profile/{MARTA}/post/3m6abcxyz2k2a",
        text="@ferroviola.example due ore a Bologna, guardate ferroviola.example/rimborsi",
        language="it",
        thread=f"at://{FERROVIOLA}/app.bsky.feed.post/3m69999999a2a",
        parent=f"at://{FERROVIOLA}/app.bsky.feed.post/3m6aaaaaaaa2a",
        created_at=datetime(2026, 11, 23, 9, 2, 11, 123_456, UTC),
        addresses_us=True,
    )
    [image] = post.media
    assert image.url.startswith(f"https://cdn.bsky.app/img/feed_fullsize/plain/{MARTA}/bafkreig6")
    assert image.alt == "Tabellone vuoto"


def test_quotes_edits_and_deletions_on_bluesky():
    [quote] = on_bluesky("quote_with_picture").posts
    assert (quote.addresses_us, quote.language, len(quote.media)) == (True, None, 1)
    has_fields(on_bluesky("update").edits[0], native_id=MARTAS_POST, text="Corretto")
    assert on_bluesky("delete").deletions[0].native_id == MARTAS_POST


@pytest.mark.parametrize("name", ["like", "account", "identity"])
def test_other_events_on_bluesky_are_ignored(name: str):
    batch = on_bluesky(name)
    assert (batch.posts, batch.edits, batch.deletions) == ((), (), ())


def test_notifications_on_bluesky():
    page = msgspec.json.decode(fixture_text("bluesky/notifications.json"), type=bluesky._Notifications)
    notifications = [bluesky._notification(row) for row in page.notifications]
    [notification] = [n for n in notifications if n is not None and n.reason in bluesky.ADDRESSING_REASONS]
    has_fields(
        bluesky.view_to_post(notification, addresses_us=True), native_id=MARTAS_POST, addresses_us=True, language="it"
    )


def test_a_thread_on_bluesky_with_a_deleted_post():
    thread = msgspec.json.decode(fixture_text("bluesky/thread.json"), type=bluesky._Thread).thread
    assert thread.parent is not None
    assert thread.parent.post is not None
    assert bluesky.view_to_post(thread.parent.post).text == "Lavori a Bologna"
    assert thread.parent.parent is not None
    assert thread.parent.parent.post is None


# Reddit


def test_the_feed_of_a_subreddit():
    text_post, image_post = [
        to_post(thing, "") for thing in reddit.feed_things(parse_feed(fixture_text("reddit/new.xml").encode(), ""))
    ]
    has_fields(
        text_post,
        native_id="t3_1p0abcd",
        text="Ferroviola ferma & muta\nDue ore a Bologna & nessun avviso.\nChi rimborsa?",
        url="https://www.reddit.com/r/treni/comments/1p0abcd/ferroviola_ferma/",
        thread="t3_1p0abcd",
        parent=None,
        created_at=datetime(2026, 11, 23, 8, 5, tzinfo=UTC),
    )
    assert text_post.author.handle == "pendolare_stanco"
    has_fields(image_post, text="Foto del nuovo Ferroviola")


def test_the_feed_of_comments():
    [comment] = [
        to_post(thing, "") for thing in reddit.feed_things(parse_feed(fixture_text("reddit/comments.xml").encode(), ""))
    ]
    has_fields(comment, native_id="t1_nxyz123", text="A me hanno rimborsato in 3 giorni", thread="t3_1p0abcd")
    assert comment.parent == "t3_1p0abcd"


def test_a_listing_of_reddit():
    things = reddit.things(fixture("reddit/listing.json"), "https://www.reddit.com")
    posts, edits, _ = compare(things, {}, "ferroviola")
    assert edits == []
    by_id = {post.native_id: post for post in posts}
    assert by_id.keys() == {"t3_1p0abcd", "t1_nxyz123", "t4_x9"}
    has_fields(by_id["t3_1p0abcd"], text="Ferroviola ferma & muta\nChi rimborsa?", thread="t3_1p0abcd")
    has_fields(by_id["t1_nxyz123"], parent="t1_nxyz100", thread="t3_1p0abcd")
    has_fields(by_id["t4_x9"], text="Non ho ricevuto nulla", parent="t4_x1", url="", thread="t4_x1")


# Hacker News


def test_the_search_of_hacker_news():
    page = msgspec.json.decode(fixture_text("hackernews/search.json"), type=hackernews._Page)
    posts, _, _ = hackernews.compare(hackernews.decode_hits(page.hits), None)
    story, question, comment = posts
    has_fields(
        comment,
        native_id="45900077",
        url="https://news.ycombinator.com/item?id=45900077",
        text="I took Ferroviola last week & it was late.\nTheir API is nice though: https://ferroviola.example/api",
        thread="45900001",
        parent="45900070",
        created_at=datetime(2026, 11, 23, 9, 12, tzinfo=UTC),
    )
    has_fields(story, text="Ferroviola opens its timetable", parent=None, metrics={"likes": 31})
    has_fields(question, text="Ask HN: Refunds from railways\nHas anybody got money back from Ferroviola?")


def test_a_deleted_item_of_hacker_news():
    item = msgspec.json.decode(fixture_text("hackernews/deleted_item.json"), type=hackernews._Item)
    assert hackernews.item_to_post(item) is None
