"""What was approved is what is read: links end where people end them, and a platform's Markdown formats nothing."""

import re
from collections.abc import AsyncIterator
from html.parser import HTMLParser
from typing import NamedTuple

import pytest
from markdown_it import MarkdownIt
from platforms.discord import GENERAL, DiscordServer
from platforms.discord import TOKEN as DISCORD_TOKEN
from platforms.pds import DID, HANDLE, PASSWORD, Pds
from platforms.reddit import CLIENT, REFRESH, SECRET, RedditServer

from connections.bluesky import Bluesky
from connections.discord import Discord
from connections.feeds import FeedReader
from connections.http import session as http_session
from connections.reddit import Keys, Reddit
from models.errors import Uncertain
from models.outgoing import Address, Outgoing
from responders.bluesky import BlueskyResponder, record_key
from responders.discord import DiscordResponder
from responders.reddit import RedditResponder

KEY = "c42-1-19ab3c4d5e6"
LINK = "https://ferroviola.example/rimborsi"
FILM = "https://it.wikipedia.org/wiki/Treno_(film)"


def reply(platform: str, to: str, text: str, key: str = KEY) -> Outgoing:
    return Outgoing(
        id=1, key=key, text=text, language="it", platform=platform, in_reply_to=to, thread=to, author="rita.example"
    )


# Bluesky: https://docs.bsky.app/docs/advanced-guides/post-richtext


@pytest.fixture
async def pds() -> AsyncIterator[Pds]:
    async with Pds() as pds:
        yield pds


async def links(pds: Pds, text: str) -> list[str]:
    """The addresses of a published reply's links, each checked to be what its bytes in the text say."""
    post = pds.add_post("did:plc:rita", "p1", "male")
    async with http_session() as http:
        bluesky = Bluesky("bluesky", http, service=pds.url, appview=pds.url, handle=HANDLE, password=PASSWORD)
        await BlueskyResponder(bluesky).publish(reply("bluesky", post, text))
    record = pds.records[DID, record_key(KEY)]
    addresses = []
    for facet in record["facets"]:
        [feature], index = facet["features"], facet["index"]
        assert record["text"].encode()[index["byteStart"] : index["byteEnd"]].decode() == feature["uri"]
        addresses.append(feature["uri"])
    return addresses


@pytest.mark.parametrize(
    "text",
    [
        "Ci scusi: «{}» grazie",
        "Ci scusi: “{}”, grazie",
        "Ne cerem scuze: „{}”.",
        "Ci scusi: ‘{}’",
        "Ci scusi: ‹{}›",
        "Ci scusi ({}), a presto",
        "Ci scusi ({}).",
        "Ci scusi [{}]",
        'Ci scusi "{}"!',
        "Ci scusi '{}'",
        "Tutto qui: {}.",
        "Tutto qui: {}, grazie",
        "Ha visto {}?",
        "Ecco {}; grazie",
        "Ecco {}: grazie",
        "Ecco {}…",
        "Ecco {}!»",
        "Ecco *{}*",
    ],
)
async def test_a_link_ends_before_the_punctuation_that_follows_it(pds: Pds, text: str):
    assert await links(pds, text.format(LINK)) == [LINK]


@pytest.mark.parametrize("text", ["{}", "({})", "Il film: {}.", "«{}»", "({}), a presto"])
async def test_balanced_parentheses_belong_to_the_link(pds: Pds, text: str):
    assert await links(pds, text.format(FILM)) == [FILM]


@pytest.mark.parametrize(
    "ending", ["/", "?treno=2841&lingua=it", "#orari", "/a,b", "/stato_treni", "/~rita", "/100%25"]
)
async def test_a_link_keeps_what_belongs_to_it(pds: Pds, ending: str):
    assert await links(pds, f"Ecco: {LINK}{ending}, grazie") == [LINK + ending]


async def test_each_of_two_links_ends_where_it_ends(pds: Pds):
    assert await links(pds, f"«{LINK}», “{FILM}”.") == [LINK, FILM]


# Reddit: https://www.reddit.com/wiki/markdown; Discord: https://support.discord.com/hc/articles/210298617


class Reader(HTMLParser):
    """What a person reads of rendered Markdown, and the marks that only formatting makes."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.text = ""
        self.formats: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        href = dict(attrs).get("href")
        if tag == "br":
            self.text += "\n"
        elif tag not in ("p", "a") or not (href or "http").startswith("http"):
            self.formats.append(tag)

    def handle_endtag(self, tag: str) -> None:
        self.text += "\n" if tag == "p" else ""

    def handle_data(self, data: str) -> None:
        self.text += data


class Read(NamedTuple):
    lines: list[str]
    formats: list[str]


def read(markdown: str, *, breaks: bool) -> Read:
    """The lines that are read, and what is formatted; with `breaks` the end of a line is seen."""
    rules = MarkdownIt("commonmark", {"html": False, "breaks": breaks}).enable(["strikethrough", "table"])
    reader = Reader()
    # In a paragraph the end of a line is a space, unless it is a break.
    reader.feed(rules.render(markdown).replace("<br />\n", "<br />").replace("</p>\n", "</p>").replace("\n", " "))
    reader.close()
    return Read(visible(reader.text), reader.formats)


def visible(text: str) -> list[str]:
    lines = (re.sub("[\u200b\u2060]", "", line).strip() for line in text.split("\n"))
    return [line for line in lines if line]


APPROVED = [
    "Buongiorno,\nci dispiace molto.\n1. Numero del treno\n2. Data\n#ferroviola_assistenza\nIl team",
    "Gentile Rita,\nci scusiamo.\n\nA presto",
    "# Rimborsi",
    "Rimborsi\n---\nEcco i moduli",
    "Rimborsi\n===",
    "- primo\n- secondo",
    "* primo\n* secondo",
    "+ primo",
    "1) primo\n2) secondo",
    "> lo ha scritto lei",
    "*davvero* molto **spiacenti**",
    "_davvero_ molto __spiacenti__",
    "ferroviola_assistenza_clienti e *ferroviola*",
    "2 * 3 * 4 = 24",
    "~~gratis~~",
    "il comando `rm`",
    "```\ncodice\n```",
    "    rientrato",
    "[banca](https://ferroviola.example/banca)",
    "![foto](https://ferroviola.example/foto)",
    "C:\\treni\\*.csv e \\_",
    "S&P, &amp; e &copy; restano",
    "Premere <Invio> o <b>",
    "| a | b |\n|---|---|\n| 1 | 2 |",
    "Tra 5 < 6 e 7 > 3",
    "🚆 già, così! (davvero?) 100 % – 18:05",
]
LINKS = {
    "Ecco: {}, e grazie": "https://ferroviola.example/stato_treni_oggi",
    "Ecco: {}": "https://ferroviola.example/a_b?x=1&y_z=2#orari_oggi",
    "Tutto qui ({}).": FILM,
    "Buongiorno,\n{}\nIl team": "https://ferroviola.example/~ferro_viola/treni*notte",
}


class RedditAccount(NamedTuple):
    server: RedditServer
    responder: RedditResponder

    async def publish(self, text: str) -> str:
        """Returns the comment's Markdown."""
        post = self.server.post("in ritardo")
        address = await self.responder.publish(reply("reddit", post["name"], text))
        body = self.server.things[address.native_id]["body"]
        assert isinstance(body, str)
        return body.replace("\r\n", "\n")


@pytest.fixture
async def reddit() -> AsyncIterator[RedditAccount]:
    async with RedditServer() as server, http_session() as http:
        keys = Keys(CLIENT, SECRET, REFRESH)
        connection = Reddit("reddit", http, site=server.url, api=server.url, keys=keys, feeds=FeedReader())
        yield RedditAccount(server, RedditResponder(connection, server.url))


@pytest.mark.parametrize("text", APPROVED)
async def test_on_reddit_what_was_approved_is_what_is_read(reddit: RedditAccount, text: str):
    body = await reddit.publish(text)
    assert read(body, breaks=False) == Read(visible(text), [])
    assert "\\\n" not in body, "old Reddit shows a backslash at the end of a line"


@pytest.mark.parametrize("text", ["2^10", ">!finale!<", "a^(b)"])
async def test_reddits_own_marks_are_escaped(reddit: RedditAccount, text: str):
    body = await reddit.publish(text)
    assert not re.search(r"(?<!\\)\^|^>!", body)


@pytest.mark.parametrize(("text", "link"), LINKS.items())
async def test_links_on_reddit_stay_as_they_are(reddit: RedditAccount, text: str, link: str):
    body = await reddit.publish(text.format(link))
    assert link in body
    assert read(body, breaks=False) == Read(visible(text.format(link)), [])


async def test_a_formatted_reply_on_reddit_whose_response_was_lost_is_found(reddit: RedditAccount):
    post = reddit.server.post("in ritardo")
    await reddit.responder.connect()
    lost = reply("reddit", post["name"], APPROVED[0])
    reddit.server.lose_response = True
    with pytest.raises(Uncertain):
        await reddit.responder.publish(lost)
    assert isinstance(await reddit.responder.find(lost), Address)


async def test_what_the_desk_lets_through_is_not_too_long_for_reddit(reddit: RedditAccount):
    text = "*a* " * 2_499
    capabilities = reddit.responder.capabilities
    assert capabilities.length(text) > capabilities.max_length or len(await reddit.publish(text)) <= 10_000


class DiscordAccount(NamedTuple):
    server: DiscordServer
    responder: DiscordResponder

    def reply(self, text: str) -> Outgoing:
        message = self.server.add_message("in ritardo")
        return reply("discord", f"{GENERAL}:{message['id']}", text)

    async def publish(self, text: str) -> str:
        """Returns the message's content."""
        address = await self.responder.publish(self.reply(text))
        content = self.server.messages[GENERAL, address.native_id.partition(":")[2]]["content"]
        assert isinstance(content, str)
        return content


@pytest.fixture
async def discord() -> AsyncIterator[DiscordAccount]:
    async with DiscordServer() as server:
        responder = DiscordResponder(Discord("discord", DISCORD_TOKEN, api=server.api, gateway=server.gateway))
        yield DiscordAccount(server, responder)
        await responder.close()


NOT_ON_DISCORD = {
    "Rimborsi\n---\nEcco i moduli",
    "Rimborsi\n===",
    "+ primo",
    "1) primo\n2) secondo",
    "    rientrato",
    "S&P, &amp; e &copy; restano",
    "| a | b |\n|---|---|\n| 1 | 2 |",
}
"""Discord has no underlined headings, no code by indentation, no entities and no tables."""
ON_DISCORD = [text for text in APPROVED if text not in NOT_ON_DISCORD]


@pytest.mark.parametrize("text", ON_DISCORD)
async def test_on_discord_what_was_approved_is_what_is_read(discord: DiscordAccount, text: str):
    assert read(await discord.publish(text), breaks=True) == Read(visible(text), [])


@pytest.mark.parametrize(
    "text",
    ["||finale||", "-# piccolo", "<@301> e <@&500>", "<#901>", "<t:1763700000:R>", "<:treno:123>", "<a:treno:123>"],
)
async def test_discords_own_marks_are_escaped(discord: DiscordAccount, text: str):
    content = await discord.publish(text)
    assert not re.search(r"(?<!\\)\|\||^-#|(?<!\\)<(?=[@#:t]|a:)", content)


@pytest.mark.parametrize(("text", "link"), LINKS.items())
async def test_links_on_discord_stay_as_they_are(discord: DiscordAccount, text: str, link: str):
    content = await discord.publish(text.format(link))
    assert link in content
    assert read(content, breaks=True) == Read(visible(text.format(link)), [])


async def test_a_formatted_reply_on_discord_whose_response_was_lost_is_found(discord: DiscordAccount):
    await discord.responder.connect()
    lost = discord.reply("*davvero* molto_spiacenti\n1. Numero del treno")
    discord.server.lose_response = True
    with pytest.raises(Uncertain):
        await discord.responder.publish(lost)
    assert isinstance(await discord.responder.find(lost), Address)


async def test_what_the_desk_lets_through_is_not_too_long_for_discord(discord: DiscordAccount):
    text = "*a* " * 499
    capabilities = discord.responder.capabilities
    assert capabilities.length(text) > capabilities.max_length or len(await discord.publish(text)) <= 2_000
