"""Feeds as anybody may write them: one bad item keeps nobody from the others, and none takes more than its time."""

import asyncio
import time
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connections.feeds import Feed, FeedReader, date_in_words, parse_feed
from models.errors import EdgeError, Unavailable

PUBLISHED = "<pubDate>Mon, 30 Nov 2026 08:00:00 +0000</pubDate>"


def rss(*items: str, head: str = "<title>Giornale</title><language>it</language>") -> bytes:
    entries = "".join(f"<item>{PUBLISHED}{item}</item>" for item in items)
    return f'<?xml version="1.0" encoding="UTF-8"?><rss version="2.0"><channel>{head}{entries}</channel></rss>'.encode()


def titles(feed: Feed) -> list[str]:
    return [entry.title for entry in feed.entries]


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("&#55357;&#56865;", "\N{POUTING FACE}"),
        ("&#xD83D;&#xDE21;", "\N{POUTING FACE}"),
        ("&#55357;", "\N{REPLACEMENT CHARACTER}"),
        ("&#xDE21;", "\N{REPLACEMENT CHARACTER}"),
    ],
)
def test_an_emoji_as_two_halves_is_whole_and_a_half_spoils_nothing(written: str, read: str):
    body = rss(f"<guid>1</guid><title>In ritardo {written} che vergogna</title>", "<guid>2</guid><title>Altro</title>")
    assert titles(parse_feed(body, "")) == [f"In ritardo {read} che vergogna", "Altro"]


def test_one_bad_byte_is_replaced_alone():
    body = rss("<guid>1</guid><title>L’app è lenta: perché?</title>", "<guid>2</guid><title>Citt@</title>")
    assert titles(parse_feed(body.replace(b"Citt@", b"Citt\xe0"), "")) == ["L’app è lenta: perché?", "Citt\ufffd"]


def test_the_encoding_that_the_server_declares_counts():
    body = rss("<guid>1</guid><title>Già in ritardo</title>").replace(b' encoding="UTF-8"', b"")
    assert titles(parse_feed(body + b"\xe0", "", "utf-8")) == ["Già in ritardo"]


@pytest.mark.parametrize(
    ("title", "read"),
    [
        ("I &lt;3 Ferroviola", "I <3 Ferroviola"),
        ("se a&lt;b &amp; c&gt;d allora", "se a<b & c>d allora"),
        ("(&lt; 2 ore) e &lt;puntuali&gt;", "(< 2 ore) e <puntuali>"),
        ("&lt;b&gt;Grave&lt;/b&gt; ritardo", "Grave ritardo"),
        ("Offerta &lt;![novità]&gt; in edicola", "Offerta <![novità]> in edicola"),
    ],
)
def test_plain_text_is_not_read_as_html_once_more(title: str, read: str):
    assert titles(parse_feed(rss(f"<guid>1</guid><title>{title}</title>"), "")) == [read]


def test_plain_content_keeps_its_signs():
    atom = (
        '<feed xmlns="http://www.w3.org/2005/Atom"><title>T</title><entry><id>1</id><title>Pessima</title>'
        '<content type="text">Io &lt;3 voi ma l\'app &amp; il sito si bloccano</content></entry></feed>'
    )
    [entry] = parse_feed(atom.encode(), "").entries
    assert entry.body == "Io <3 voi ma l'app & il sito si bloccano"


@pytest.mark.parametrize(
    ("written", "moment"),
    [
        ("dom, 02 ott 2022 18:55:00 GMT", datetime(2022, 10, 2, 18, 55, tzinfo=UTC)),
        ("02/10/2022 18:55", datetime(2022, 10, 2, 18, 55, tzinfo=UTC)),
        ("2 octombrie 2022", datetime(2022, 10, 2, tzinfo=UTC)),
        ("3 giugno 2022, ore 9:05", datetime(2022, 6, 3, 9, 5, tzinfo=UTC)),
        ("4 luglio 2022", datetime(2022, 7, 4, tzinfo=UTC)),
        ("5 mai 2022", datetime(2022, 5, 5, tzinfo=UTC)),
        ("31.02.2022", None),
        ("ieri", None),
    ],
)
def test_dates_in_words(written: str, moment: datetime | None):
    assert date_in_words(written) == moment


async def test_an_empty_feed_is_unavailable():
    reader = FeedReader()
    with pytest.raises(Unavailable, match="empty"):
        await reader.read(b"  \n", "https://news.example")
    await reader.close()


@pytest.mark.parametrize(
    "item",
    [
        f"<author>{'a@' + 'a.' * 20_000}!</author>",
        f"<dc:creator xmlns:dc='x'><![CDATA[{'a' * 40_000}@]]></dc:creator>",
        f"<description><![CDATA[{'<!--' * 300_000}]]></description>",
        f"<description><![CDATA[{'<a ' * 300_000}]]></description>",
        f"<description><![CDATA[<p style='{'a:b;' * 100_000}'>x</p>]]></description>",
        f"<comments>{'x' * 400_000}</comments>",
    ],
    ids=["author", "creator", "comments in CDATA", "tags", "style", "comments"],
)
def test_hostile_items_are_read_in_linear_time(item: str):
    body = rss(f"<guid>1</guid><title>Ferroviola</title>{item}")
    started = time.process_time()
    assert titles(parse_feed(body, "")) == ["Ferroviola"]
    assert time.process_time() - started < 2


async def test_a_feed_that_takes_too_long_ends_its_process_and_nobody_waits(monkeypatch: pytest.MonkeyPatch):
    reader = FeedReader(seconds=0.001)
    ticks = 0

    async def tick() -> None:
        nonlocal ticks
        while True:
            await asyncio.sleep(0.01)
            ticks += 1

    ticking = asyncio.create_task(tick())
    with pytest.raises(TimeoutError):
        await reader.read(rss("<title>" + "x" * 1_000_000 + "</title>"), "")
    monkeypatch.setattr(reader, "_seconds", 10.0)
    assert titles(await reader.read(rss("<guid>1</guid><title>Dopo</title>"), "")) == ["Dopo"]
    ticking.cancel()
    await reader.close()
    assert ticks > 3


@given(st.binary(max_size=400))
def test_any_bytes_are_a_feed_or_not_in_time(body: bytes):
    started = time.process_time()
    parse_feed(b'<?xml version="1.0"?><rss><channel><item>' + body, "")
    assert time.process_time() - started < 1


async def test_a_process_that_was_killed_is_started_again():
    reader = FeedReader()
    body = rss("<guid>1</guid><title>Prima</title>")
    assert titles(await reader.read(body, "")) == ["Prima"]
    process = reader._process
    assert process is not None
    process.kill()
    await process.wait()
    for _ in range(2):
        try:
            assert titles(await reader.read(body, "")) == ["Prima"]
            break
        except EdgeError:
            continue
    await reader.close()
