"""The adapters on the shapes that the real services send (tests/fixtures): what becomes of each, word for word."""

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
from connections.mastodon import Account
from connections.x import Page
from connections.x import User as XUser
from listener import bluesky, hackernews, mastodon, telegram, x
from listener.discord import DiscordEar
from listener.reddit import compare, to_post
from models.post import Heard, Media, Post

FIXTURES = Path(__file__).parents[1] / "fixtures"


def raw(name: str) -> str:
    return (FIXTURES / name).read_text()


def read(name: str) -> Any:
    return json.loads(raw(name))


def shows(post: Post | None, **wanted: object) -> None:
    assert post is not None
    assert {name: getattr(post, name) for name in wanted} == wanted


# Discord: through the library itself, over a gateway on loopback.


@pytest.fixture
async def discord(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("connections.discord.GATHERED", 0.05)
    async with DiscordServer() as server:
        server.thread = server.open_thread("Rimborsi")
        ear = DiscordEar(Discord("discord", TOKEN, api=server.api, gateway=server.gateway))
        listening = ear.listen(None)
        async with asyncio.timeout(10):
            await anext(listening)
        await server.connected()

        async def told(*events: tuple[str, str]) -> Heard:
            for kind, name in events:
                await server.tell(
                    kind,
                    json.loads(
                        raw(f"discord/{name}.json").replace("@thread", server.thread).replace("@own", OWN["id"])
                    ),
                )
            async with asyncio.timeout(5):
                while True:
                    heard = await anext(listening)
                    if heard.posts or heard.edits or heard.deletions:
                        return heard

        told.thread = server.thread
        yield told
        await listening.aclose()
        await ear.close()


async def test_a_message_on_discord(discord):
    [post] = (await discord(("MESSAGE_CREATE", "message"))).posts
    shows(
        post,
        native_id="600:1574333690123649024",
        text="Il 18:42 da Verona è sparito dal tabellone <:triste:1123456789012345678> e l'app tace. Grazie **Ferroviola**",
        url="https://discord.com/channels/500/600/1574333690123649024",
        thread="",
        parent=None,
        created_at=datetime(2026, 11, 23, 8, 0, 1, 431_000, UTC),
        to_us=False,
    )
    assert (post.author.handle, post.author.name, post.author.native_id) == ("rita.bruni", "Rita", "204255221017214977")


async def test_files_on_discord(discord):
    [post] = (await discord(("MESSAGE_CREATE", "message_with_files"))).posts
    picture, voice = post.media
    assert (post.text, picture.kind, picture.alt, voice.kind, voice.preview) == (
        "", "image", "biglietto.png", "audio", "",
    )  # fmt: skip
    assert picture.preview.startswith("https://media.discordapp.net/")


async def test_answers_on_discord(discord):
    answer, orphan = (await discord(("MESSAGE_CREATE", "reply"), ("MESSAGE_CREATE", "reply_to_deleted"))).posts
    shows(answer, text="@Ascolto e il rimborso?", parent="600:1574333690123649024", to_us=True)
    assert [above.text for above in answer.before] == ["Il 18:42 è sparito dal tabellone"]
    shows(orphan, parent="600:1574333690123648081", before=())


async def test_what_nobody_said_on_discord_is_not_heard(discord):
    ignored = [("MESSAGE_CREATE", name) for name in ("sticker_only", "webhook", "joined", "link_preview")]
    ignored[-1] = ("MESSAGE_UPDATE", "link_preview")
    heard = await discord(*ignored, ("MESSAGE_CREATE", "direct"))
    [post] = heard.posts
    shows(post, native_id="700:1574333690123649032", to_us=True, thread="700")
    assert heard.edits == ()


async def test_the_question_of_a_poll_on_discord_is_what_its_author_says(discord):
    [post] = (await discord(("MESSAGE_CREATE", "poll"))).posts
    assert post.text == "Ferroviola o autobus?\nTreno\nBus"


async def test_a_thread_on_discord(discord):
    [post] = (await discord(("MESSAGE_CREATE", "thread_message"))).posts
    shows(post, native_id=f"{discord.thread}:1574333690123649033", thread=discord.thread)


async def test_edits_and_deletions_on_discord(discord):
    await discord(("MESSAGE_CREATE", "message"))
    [edited] = (await discord(("MESSAGE_UPDATE", "edit"))).edits
    shows(edited, native_id="600:1574333690123649024", text="Il 18:42 da Verona è tornato sul tabellone")
    [gone] = (await discord(("MESSAGE_DELETE", "delete"))).deletions
    assert gone.native_id == "600:1574333690123649024"
    both = (await discord(("MESSAGE_DELETE_BULK", "delete_bulk"))).deletions
    assert {one.native_id for one in both} == {"600:1574333690123649024", "600:1574333690123649025"}


# Telegram

BOT = User(7000000001, "Ferroviola", True, username="ferroviola_bot")


def on_telegram(name: str) -> Post | None:
    update = Update.de_json(read(f"telegram/{name}.json"), None)
    return telegram.to_post(update.message or update.edited_message, BOT)


def test_a_message_on_telegram():
    post = on_telegram("group")
    shows(
        post,
        native_id="-1001700000001:4512",
        url="https://t.me/calatori_ferroviola/4512",
        text="Trenul 1842 anulat fără anunț 😡 @ferroviola_bot răspundeți?",
        created_at=datetime(2026, 11, 23, 9, 1, 1, tzinfo=UTC),
        parent=None,
        thread="",
        place="-1001700000001",
    )
    assert (post.author.handle, post.author.name) == ("ioana_pop", "Ioana Pop")


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("group", {"to_us": True}),
        ("edited", {"native_id": "-1001700000001:4512", "text": "Trenul 1842 anulat fără anunț, acum și 1844"}),
        ("photo", {"text": "Așa arată vagonul", "media": (Media(kind="image"),)}),
        ("private", {"native_id": "5120000001:12", "thread": "5120000001", "to_us": True, "url": ""}),
        ("comment", {"thread": "-1001700000002:801", "parent": "-1001700000002:801", "to_us": False}),
        ("topic", {"thread": "", "parent": None}),
        ("reply_quoting", {"parent": "-1001700000001:4400", "to_us": True}),
        ("anonymous_admin", {"ours": True}),
    ],
)
def test_kinds_of_messages_on_telegram(name: str, wanted: dict):
    shows(on_telegram(name), **wanted)


def test_what_a_comment_on_telegram_is_about_comes_with_it():
    [above] = on_telegram("comment").before
    assert (above.text, above.author.name) == ("Orar nou de luni", "Ferroviola")


@pytest.mark.parametrize("name", ["start", "automatic_forward", "channel_post", "migrated", "sticker"])
def test_what_nobody_said_on_telegram_is_not_heard(name: str):
    assert on_telegram(name) is None


# X

OURS = XUser(id="900", name="Ferroviola", username="Ferroviola")


def test_mentions_on_x():
    page = msgspec.convert(read("x/mentions.json"), Page, strict=False)
    [post], [edit] = x.read(page, OURS)
    shows(
        post,
        native_id="1986123456789012345",
        url="https://x.com/marta_v/status/1986123456789012345",
        text="@Ferroviola due ore ferma a Bologna & nessuno avvisa >:( https://t.co/a1b2c3",
        language="it",
        thread="1986000000000000001",
        parent="1986000000000000001",
        created_at=datetime(2026, 11, 23, 8, 1, 2, tzinfo=UTC),
        metrics={"likes": 12, "shares": 3, "replies": 1},
        to_us=True,
    )
    assert (post.author.name, post.author.followers) == ("Marta 🚆", 1843)
    shows(edit, native_id="1986123456789012340", url="https://x.com/i/status/1986123456789012350", language="ro")
    assert edit.text.endswith("până vineri. Mulțumesc.")
    assert (edit.author.handle, edit.author.url) == ("77", "")


def test_no_mentions_on_x():
    page = msgspec.convert(read("x/mentions_none.json"), Page, strict=False)
    assert (x.read(page, OURS), page.meta.next_token or "") == (([], []), "")


def test_the_stream_of_x():
    told = x.decode(json.dumps(read("x/stream_post.json")).encode())
    [post], _ = x.read(Page(data=[told.data], includes=told.includes), OURS)
    shows(post, text="ferroviola again 😂", language=None, to_us=False)
    assert post.author.followers == 1843
    assert x.decode(b"") is None
    ended = x.decode(json.dumps(read("x/stream_disconnect.json")).encode())
    assert ended.errors[0]["title"] == "operational-disconnect"


# Mastodon

HOME = Account(id="1", acct="ferroviola")


def on_mastodon(name: str) -> Heard:
    event = mastodon.to_event(msgspec.convert(read(f"mastodon/{name}.json"), mastodon.Frame))
    return mastodon.to_heard([event] if event else [], "social.example", HOME)


def test_a_status_on_mastodon():
    [post] = on_mastodon("update").posts
    shows(
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
    picture, other = post.media
    assert (picture.kind, picture.alt, other.kind, other.url) == ("image", "Il tabellone vuoto", "file", "")


def test_what_happens_to_a_status_on_mastodon():
    shows(on_mastodon("edit").edits[0], native_id="social.example:115600000000000101", text="Risolto, grazie")
    assert on_mastodon("delete").deletions[0].native_id == "social.example:115600000000000101"
    shows(on_mastodon("mention").posts[0], to_us=True, parent="social.example:115600000000000050")


@pytest.mark.parametrize("name", ["boost", "favourite", "filters_changed"])
def test_what_nobody_said_on_mastodon_is_not_heard(name: str):
    heard = on_mastodon(name)
    assert (heard.posts, heard.edits, heard.deletions) == ((), (), ())


# Bluesky

MARTA = "did:plc:eygmaihciaxprqvxpfvl6flk"
FERROVIOLA = "did:plc:ferroviolaferroviola0000"
MARTAS = f"at://{MARTA}/app.bsky.feed.post/3m6abcxyz2k2a"


def on_bluesky(name: str) -> Heard:
    event = bluesky.decode(raw(f"bluesky/{name}.json"))
    assert event is not None
    return bluesky.to_heard([event], "", FERROVIOLA)


def test_a_post_on_bluesky():
    [post] = on_bluesky("create").posts
    shows(
        post,
        native_id=MARTAS,
        url=f"https://bsky.app/profile/{MARTA}/post/3m6abcxyz2k2a",
        text="@ferroviola.example due ore a Bologna, guardate ferroviola.example/rimborsi",
        language="it",
        thread=f"at://{FERROVIOLA}/app.bsky.feed.post/3m69999999a2a",
        parent=f"at://{FERROVIOLA}/app.bsky.feed.post/3m6aaaaaaaa2a",
        created_at=datetime(2026, 11, 23, 9, 2, 11, 123_456, UTC),
        to_us=True,
    )
    [picture] = post.media
    assert picture.url.startswith(f"https://cdn.bsky.app/img/feed_fullsize/plain/{MARTA}/bafkreig6")
    assert picture.alt == "Tabellone vuoto"


def test_what_happens_on_bluesky():
    [quote] = on_bluesky("quote_with_picture").posts
    assert (quote.to_us, quote.language, len(quote.media)) == (True, None, 1)
    shows(on_bluesky("update").edits[0], native_id=MARTAS, text="Corretto")
    assert on_bluesky("delete").deletions[0].native_id == MARTAS


@pytest.mark.parametrize("name", ["like", "account", "identity"])
def test_what_nobody_said_on_bluesky_is_not_heard(name: str):
    heard = on_bluesky(name)
    assert (heard.posts, heard.edits, heard.deletions) == ((), (), ())


def test_notifications_of_bluesky():
    found = msgspec.json.decode(raw("bluesky/notifications.json"), type=bluesky._Notifications)
    known = [bluesky._notification(row) for row in found.notifications]
    [notice] = [one for one in known if one is not None and one.reason in bluesky.SPEAKS]
    shows(bluesky._from_view(notice, to_us=True), native_id=MARTAS, to_us=True, language="it")


def test_a_thread_of_bluesky_of_which_a_part_is_gone():
    thread = msgspec.json.decode(raw("bluesky/thread.json"), type=bluesky._Thread).thread
    assert thread.parent is not None
    assert thread.parent.post is not None
    assert bluesky._from_view(thread.parent.post).text == "Lavori a Bologna"
    assert thread.parent.parent is not None
    assert thread.parent.parent.post is None


# Reddit


def test_the_feed_of_a_subreddit():
    words, picture = [to_post(thing, "") for thing in reddit.feed(raw("reddit/new.xml").encode())]
    shows(
        words,
        native_id="t3_1p0abcd",
        text="Ferroviola ferma & muta\nDue ore a Bologna & nessun avviso.\nChi rimborsa?",
        url="https://www.reddit.com/r/treni/comments/1p0abcd/ferroviola_ferma/",
        thread="t3_1p0abcd",
        parent=None,
        created_at=datetime(2026, 11, 23, 8, 5, tzinfo=UTC),
    )
    assert words.author.handle == "pendolare_stanco"
    shows(picture, text="Foto del nuovo Ferroviola")


def test_the_feed_of_comments():
    [comment] = [to_post(thing, "") for thing in reddit.feed(raw("reddit/comments.xml").encode())]
    shows(comment, native_id="t1_nxyz123", text="A me hanno rimborsato in 3 giorni", thread="t3_1p0abcd")
    assert comment.parent == "t3_1p0abcd"


def test_a_listing_of_reddit():
    things = reddit.things(read("reddit/listing.json"), "https://www.reddit.com")
    posts, edits, _ = compare(things, {}, "ferroviola")
    assert edits == []
    by_id = {post.native_id: post for post in posts}
    assert by_id.keys() == {"t3_1p0abcd", "t1_nxyz123", "t4_x9"}
    shows(by_id["t3_1p0abcd"], text="Ferroviola ferma & muta\nChi rimborsa?", thread="t3_1p0abcd")
    shows(by_id["t1_nxyz123"], parent="t1_nxyz100", thread="t3_1p0abcd")
    shows(by_id["t4_x9"], text="Non ho ricevuto nulla", parent="t4_x1", url="", thread="t4_x1")


# Hacker News


def test_the_search_of_hacker_news():
    page = msgspec.json.decode(raw("hackernews/search.json"), type=hackernews._Page)
    posts, _, _ = hackernews.compare(hackernews.read(page.hits), None)
    story, asked, comment = posts
    shows(
        comment,
        native_id="45900077",
        url="https://news.ycombinator.com/item?id=45900077",
        text="I took Ferroviola last week & it was late.\nTheir API is nice though: https://ferroviola.example/api",
        thread="45900001",
        parent="45900070",
        created_at=datetime(2026, 11, 23, 9, 12, tzinfo=UTC),
    )
    shows(story, text="Ferroviola opens its timetable", parent=None, metrics={"likes": 31})
    shows(asked, text="Ask HN: Refunds from railways\nHas anybody got money back from Ferroviola?")


def test_a_deleted_item_of_hacker_news():
    assert (
        hackernews._from_item(msgspec.json.decode(raw("hackernews/deleted_item.json"), type=hackernews._Item)) is None
    )
