"""What a reply counts is what its platform counts: as twitter-text 3, Mastodon's validator and Bluesky's lexicon do."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import NamedTuple

import aiohttp
import msgspec
import pytest
from aiohttp import web
from conftest import CONFIGURATION, Harness
from platforms.mastodon import TOKEN, MastodonServer

from connections.bluesky import Bluesky
from connections.http import session as http_session
from connections.mastodon import Mastodon
from connections.x import Keys, Ledger, Prices, X
from listener.mastodon import MastodonListener
from models.capabilities import Capabilities
from models.configuration import ConfigurationFile
from models.errors import Refused
from models.incoming import IncomingPost
from models.tables.reply import Reply
from publishing import approvals, replies
from publishing.checks import Checker, Draft
from publishing.sending import ReplyPublisher
from responders.bluesky import BlueskyResponder
from responders.mastodon import MastodonResponder
from responders.x import XResponder
from triage import case_actions

HANDLE = "maria_giovanna@pendolari-della-lombardia.social.example"
WARNING = "Treni in ritardo, soppressioni, e parolacce: siete avvisati"[:57]
FAMILY = "👨‍👩‍👧‍👦"
"""One character to people, 25 bytes."""


async def x_capabilities() -> Capabilities:
    async with http_session() as http:
        ledger = Ledger(10.0, Prices(0.005, 0.01, 0.015, 0.2, 0.005), lambda: datetime(2026, 11, 23, tzinfo=UTC))
        return XResponder(
            X("x", Keys("b", "ck", "cs", "access", "as"), ledger, http, base_url="http://x.example")
        ).capabilities


async def mastodon_capabilities() -> Capabilities:
    async with http_session() as http:
        return MastodonResponder(Mastodon("mastodon", "https://social.example", TOKEN, http)).capabilities


async def bluesky_capabilities() -> Capabilities:
    async with http_session() as http:
        return BlueskyResponder(Bluesky("bluesky", http, service="", appview="")).capabilities


def blocks(capabilities: Capabilities, text: str) -> bool:
    """Whether the checks stop a text because of its length."""
    draft = Draft(
        text=text, language="it", brand=CONFIGURATION.brands[0], connection="c", author="rita", complaint=False
    )
    findings = Checker({"c": capabilities}).check(draft)
    return any(finding.kind == "length" and finding.blocks for finding in findings)


# X: https://docs.x.com/fundamentals/counting-characters; each count was printed by npm's twitter-text 3.1.0.


@pytest.mark.parametrize(
    ("text", "length"),
    [
        ("Ci scusi (https://ferroviola.com/aiuto), a presto", 44),
        ("Ecco i moduli: https://ferroviola.com/rimborsi.", 39),
        ("«https://ferroviola.com/aiuto»", 25),
        ("“https://ferroviola.com/aiuto”", 25),
        ("„https://ferroviola.com/aiuto”", 25),
        ("‘https://ferroviola.com/aiuto’", 25),
        ("https://ferroviola.com/aiuto?", 24),
        ("https://ferroviola.com/aiuto!", 24),
        ("https://ferroviola.com/aiuto;", 24),
        ("https://ferroviola.com/aiuto…", 25),
        ("https://ferroviola.com.", 24),
        ("[https://ferroviola.com/aiuto]", 25),
        ("https://ferroviola.com/aiuto, https://ferroviola.com/orari.", 49),
    ],
)
async def test_a_link_on_x_ends_before_the_punctuation_that_follows_it(text: str, length: int):
    assert (await x_capabilities()).length(text) == length


@pytest.mark.parametrize(
    ("text", "length"),
    [
        ("https://ferroviola.com/", 23),
        ("https://ferroviola.com/a,b", 23),
        ("https://ferroviola.com/città", 23),
        ("https://ferroviola.com/aiuto?lingua=it&x=1!", 24),
        ("HTTPS://FERROVIOLA.COM/aiuto", 23),
        ("https://it.wikipedia.org/wiki/Treno_(film)", 23),
        ("(vedi https://it.wikipedia.org/wiki/Treno_(film))", 30),
    ],
)
async def test_a_link_on_x_keeps_what_belongs_to_it(text: str, length: int):
    assert (await x_capabilities()).length(text) == length


@pytest.mark.parametrize(
    ("text", "length"),
    [("www.ferroviola.com/aiuto", 23), ("Scriva su ferroviola.com oggi", 38), ("info@ferroviola.com", 19)],
)
async def test_x_shortens_a_link_without_a_scheme_too_and_no_e_mail_address(text: str, length: int):
    assert (await x_capabilities()).length(text) == length


@pytest.mark.parametrize(
    ("text", "length"), [("🇮🇹", 2), ("👍🏽", 2), ("1️⃣", 2), ("x̂̂", 3), ("क्षि", 4), ("…", 2), ("“”", 2)]
)
async def test_only_an_emoji_counts_as_one_on_x_however_many_characters_it_has(text: str, length: int):
    assert (await x_capabilities()).length(text) == length


async def test_a_text_that_x_would_refuse_is_stopped():
    text = " «https://ferroviola.com/aiuto»"
    assert not blocks(await x_capabilities(), "a" * (280 - 26) + text)
    assert blocks(await x_capabilities(), "a" * (281 - 26) + text)


# Mastodon: https://github.com/mastodon/mastodon/blob/main/app/validators/status_length_validator.rb


async def test_of_a_remote_handle_mastodon_counts_only_the_name():
    text = f"@{HANDLE} " + "a" * 469
    assert (await mastodon_capabilities()).length(text) == 485
    assert not blocks(await mastodon_capabilities(), text)


@pytest.mark.parametrize(
    ("text", "length"),
    [
        ("@rita@altrove.example ciao", 10),
        ("@rita ciao", 10),
        ("@rita@altrove.example, @ugo@altrove.example!", 12),
        ("(@rita@altrove.example)", 7),
        ("Scriva a aiuto@ferroviola.example", 33),
        ("https://altrove.example/@rita@altro.example", 23),
        ("Ci scusi (https://ferroviola.example/aiuto), a presto", 44),
        ("«https://ferroviola.example/aiuto»", 25),
        (FAMILY, 1),
        ("👍🏽🇮🇹", 2),
    ],
)
async def test_mastodon_counts_names_links_and_what_people_call_characters(text: str, length: int):
    assert (await mastodon_capabilities()).length(text) == length


class StrictServer(MastodonServer):
    """Counts as the real validator does: the warning, and of a handle its name. No text here has a link."""

    async def _create(self, request: web.Request) -> web.Response:
        body = await request.json()
        words = ["@" + word[1:].partition("@")[0] if word[:1] == "@" else word for word in body["status"].split(" ")]
        if len(" ".join(words)) + len(body["spoiler_text"]) > 500:
            return web.json_response({"error": "Validation failed: Text character limit of 500 exceeded"}, status=422)
        return await super()._create(request)


async def received(server: MastodonServer, http: aiohttp.ClientSession, status: dict) -> IncomingPost:
    """A status as the listener brings it."""
    post = await MastodonListener(Mastodon("mastodon", server.url, TOKEN, http)).find(status["url"])
    assert post is not None
    return post


async def drafted(harness: Harness, post: IncomingPost, text: str) -> Reply:
    """Ana's draft in answer to a post on Mastodon."""
    await harness.receive(post)
    await harness.analyze()
    [case] = await harness.cases()
    await harness.do(case_actions.claim, case.id, harness.member("ana"))
    return await harness.do(replies.save_draft, case.id, harness.member("ana"), text)


class Answering(NamedTuple):
    """A post behind a warning of 57 characters, on a server that counts, and who answers there."""

    post: IncomingPost
    responder: MastodonResponder


@pytest.fixture
async def warned(harness: Harness) -> AsyncIterator[Answering]:
    brand = msgspec.structs.replace(CONFIGURATION.brands[0], publish={"mastodon": "mastodon"})
    await harness.apply(ConfigurationFile(brands=(brand,)))
    async with StrictServer() as server, http_session() as http:
        responder = MastodonResponder(Mastodon("mastodon", server.url, TOKEN, http))
        await responder.connect()
        harness.checker = Checker({"mastodon": responder.capabilities})
        status = await server.post("Ferroviola in ritardo (-)", spoiler_text=WARNING)
        yield Answering(await received(server, http, status), responder)


async def test_a_reply_behind_a_warning_is_stopped_where_the_server_would_refuse_it(
    harness: Harness, warned: Answering
):
    assert len(WARNING) == 57
    reply = await drafted(harness, warned.post, "a" * 444)
    with pytest.raises(Refused, match="57"):
        await harness.do(approvals.approve, reply.id, reply.revision, harness.member("ana"))


async def test_a_reply_that_fits_beside_the_warning_is_published(harness: Harness, warned: Answering):
    reply = await drafted(harness, warned.post, "a" * 443)
    await harness.do(approvals.approve, reply.id, reply.revision, harness.member("ana"))
    harness.advance(seconds=10)
    await ReplyPublisher(harness.store, warned.responder).publish_due(harness.configuration, harness.now)
    assert (await harness.get(Reply, reply.id)).state == "published"


async def test_without_a_warning_nothing_is_taken_off(harness: Harness, warned: Answering):
    plain = harness.post("Ferroviola in ritardo (-)", platform="mastodon", native_id="127.0.0.1:1:77")
    reply = await drafted(harness, plain, "a" * 500)
    await harness.do(approvals.approve, reply.id, reply.revision, harness.member("ana"))
    assert (await harness.get(Reply, reply.id)).state == "approved"


# Bluesky: https://github.com/bluesky-social/atproto/blob/main/lexicons/app/bsky/feed/post.json


@pytest.mark.parametrize(
    ("text", "stopped"),
    [
        ("a" * 300, False),
        ("a" * 301, True),
        ("👍🏽" * 300, False),
        (FAMILY * 120, False),
        (FAMILY * 121, True),
        ("🏴󠁧󠁢󠁳󠁣󠁴󠁿" * 110, True),
        ("ț" * 300, False),
    ],
)
async def test_bluesky_takes_300_characters_in_at_most_3000_bytes(text: str, stopped: bool):
    assert blocks(await bluesky_capabilities(), text) is stopped
