import asyncio

import pytest
from platforms.discord import DIRECT, FORUM, GENERAL, OWN, TOKEN, DiscordServer

from connections.discord import Discord
from listener import discord
from listener.discord import DiscordEar
from models.errors import Unauthorized, Unavailable
from models.post import Heard, Sought


@pytest.fixture(autouse=True)
def quickly(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("connections.discord.GATHERED", 0.05)


@pytest.fixture
async def server():
    async with DiscordServer() as server:
        yield server


def ear_of(server: DiscordServer, token: str = TOKEN, **options) -> DiscordEar:
    return DiscordEar(Discord("discord", token, api=server.api, gateway=server.gateway, **options))


@pytest.fixture
async def ear(server: DiscordServer):
    ear = ear_of(server)
    yield ear
    await ear.close()


async def something(listening) -> Heard:
    async with asyncio.timeout(10):
        while True:
            heard = await anext(listening)
            if heard.posts or heard.edits or heard.deletions:
                return heard


async def begun(ear: DiscordEar, server: DiscordServer, bookmark: str | None = None):
    """Listens, and knows where every channel stands."""
    listening = ear.listen(bookmark)
    async with asyncio.timeout(10):
        first = await anext(listening)
    await server.connected()
    return listening, first


async def test_messages_edits_and_deletions_are_heard(server: DiscordServer, ear: DiscordEar):
    listening, _ = await begun(ear, server)
    message = await server.write("Ferroviola in ritardo")
    [post] = (await something(listening)).posts
    assert (post.native_id, post.text, post.author.handle, post.author.name, post.place) == (
        f"{GENERAL}:{message['id']}", "Ferroviola in ritardo", "rita", "Rita R.", GENERAL,
    )  # fmt: skip
    await server.tell("MESSAGE_UPDATE", message)  # a preview of a link, not an edit
    await server.edit(message, "Ferroviola cancellato")
    assert [p.text for p in (await something(listening)).edits] == ["Ferroviola cancellato"]
    await server.delete(message)
    assert [gone.native_id for gone in (await something(listening)).deletions] == [post.native_id]
    await listening.aclose()


async def test_what_answers_knows_what_it_answers(server: DiscordServer, ear: DiscordEar):
    listening, _ = await begun(ear, server)
    first = await server.write("il treno?")
    await something(listening)
    await server.write("in ritardo", under=first)
    [post] = (await something(listening)).posts
    assert (post.parent, [p.text for p in post.before]) == (f"{GENERAL}:{first['id']}", ["il treno?"])
    await listening.aclose()


async def test_what_speaks_to_the_bot_is_known(server: DiscordServer, ear: DiscordEar):
    listening, _ = await begun(ear, server)
    own = server.make("?", OWN)
    await server.write("<@100> mi senti?", mentions=[OWN])
    await server.write("no", under=own)
    await server.write("in privato", channel=DIRECT)
    await server.write("tra noi")
    await server.write("noi", OWN)
    posts: list = []
    while len(posts) < 5:
        posts += (await something(listening)).posts
    assert [(p.to_us, p.ours) for p in posts] == [(True, False)] * 3 + [(False, False), (False, True)]
    assert posts[2].thread == DIRECT
    await listening.aclose()


async def test_a_forums_post_is_one_thread(server: DiscordServer, ear: DiscordEar):
    thread = server.open_thread("Rimborso")
    listening, _ = await begun(ear, server)
    await server.write("come si fa?", channel=thread)
    [post] = (await something(listening)).posts
    assert (post.thread, post.place) == (thread, FORUM)
    await listening.aclose()


async def test_after_a_new_session_the_history_is_read(server: DiscordServer, ear: DiscordEar, monkeypatch):
    monkeypatch.setattr(discord, "BATCH", 30)
    listening, _ = await begun(ear, server)
    await server.write("prima")
    bookmark = (await something(listening)).bookmark
    await listening.aclose()
    for n in range(120):
        server.make(f"numero {n}")
    listening = ear.listen(bookmark)
    heard: list[str] = []
    while len(heard) < 120:
        heard += [p.text for p in (await something(listening)).posts]
    await server.write("dopo")
    assert [p.text for p in (await something(listening)).posts] == ["dopo"]
    assert heard == [f"numero {n}" for n in range(120)]
    await listening.aclose()


async def test_a_lost_connection_is_resumed_with_edits_and_deletions(server: DiscordServer, ear: DiscordEar):
    listening, _ = await begun(ear, server)
    message = await server.write("prima")
    await something(listening)
    await server.ask_to_reconnect()
    server._sockets.clear()
    await server.edit(message, "cambiato")
    assert [p.text for p in (await something(listening)).edits] == ["cambiato"]
    assert len(server.identified) == 1  # not a new session
    await listening.aclose()


async def test_an_invalid_session_begins_anew_and_reads_the_history(
    server: DiscordServer, ear: DiscordEar, monkeypatch
):
    listening, _ = await begun(ear, server)
    await server.write("prima")
    await something(listening)
    server.forget_session()
    await server.ask_to_reconnect()
    server._sockets.clear()
    server.make("durante")
    assert [(p.text, p.origin) for p in (await something(listening)).posts] == [("durante", "backfill")]
    assert len(server.identified) == 2
    await listening.aclose()


async def test_a_channel_that_we_may_not_read_keeps_nobody_from_the_others(server: DiscordServer, ear: DiscordEar):
    thread = server.open_thread("Riservato")
    server.make("segreto", channel=thread)
    listening, first = await begun(ear, server)
    await listening.aclose()
    server.make("segreto due", channel=thread)
    server.hidden.add(thread)
    server.make("pubblico")
    bookmark = first.bookmark.replace(f'"{GENERAL}":0', f'"{GENERAL}":1')
    listening = ear.listen(bookmark)
    assert [p.text for p in (await something(listening)).posts] == ["pubblico"]
    await listening.aclose()


async def test_send_to_triage_hands_a_message_over_and_says_so_when_it_is_written(server: DiscordServer):
    ear = ear_of(server, message_content=False)
    listening, _ = await begun(ear, server)
    assert [(c["name"], c["type"]) for c in server.commands] == [("Send to triage", 3)]
    await server.hand_over(server.make("non lo dice a noi"))
    [post] = (await something(listening)).posts
    assert (post.text, post.wanted) == ("non lo dice a noi", True)
    await asyncio.sleep(0.1)
    assert [kind for kind, _ in server.said_to] == ["callback"]  # it is not written down yet
    going_on = asyncio.ensure_future(anext(listening))
    async with asyncio.timeout(5):
        while len(server.said_to) < 2:
            await asyncio.sleep(0.01)
    kind, body = server.said_to[1]
    assert (kind, body["content"], body["flags"]) == ("followup", "It is in triage.", 64)
    going_on.cancel()
    await asyncio.gather(going_on, return_exceptions=True)
    await listening.aclose()
    await ear.close()


async def test_without_the_content_intent_only_what_is_needed_is_asked_for(server: DiscordServer):
    server.content_granted = False
    with pytest.raises(Unauthorized, match="message_content"):
        await anext(ear_of(server).listen(None))
    ear = ear_of(server, message_content=False)
    listening, _ = await begun(ear, server)
    await listening.aclose()
    await ear.close()


async def test_a_revoked_token_needs_a_human(server: DiscordServer, ear: DiscordEar):
    with pytest.raises(Unauthorized, match="token_env"):
        await ear_of(server, "revoked").connect()
    with pytest.raises(Unauthorized, match="token_env"):
        await anext(ear_of(server, "revoked").listen(None))


async def test_offline_at_the_start_is_unavailable(server: DiscordServer, ear: DiscordEar):
    await server.stop()
    with pytest.raises(Unavailable):
        await ear.connect()
    with pytest.raises(Unavailable):
        await anext(ear.listen(None))


async def test_a_field_that_cannot_be_read_ends_the_gateway_and_no_more(server: DiscordServer, ear: DiscordEar):
    listening, first = await begun(ear, server)
    await server.frame('{"op": 0, "s": 99, "t": "MESSAGE_CREATE", "d": {"id": "x"}}')
    with pytest.raises(Unavailable):
        await something(listening)
    server.make("intanto")
    again = ear.listen(first.bookmark.replace(f'"{GENERAL}":0', f'"{GENERAL}":1'))
    assert [p.text for p in (await something(again)).posts] == ["intanto"]
    await again.aclose()


async def test_a_gateway_that_is_gone_gives_no_sign_of_life(server: DiscordServer, ear: DiscordEar, monkeypatch):
    monkeypatch.setattr(discord, "PULSE", 0.05)
    listening, _ = await begun(ear, server)
    async with asyncio.timeout(2):
        assert (await anext(listening)).posts == ()
    server.token = "another"  # so that it cannot come back
    await server.stop()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.5):
            while True:
                await anext(listening)


async def test_bots_notices_and_webhooks_are_nobody(server: DiscordServer, ear: DiscordEar):
    listening, _ = await begun(ear, server)
    await server.write("spam", {**OWN, "id": "300"})
    await server.write("è entrata", type=7)
    await server.write("github", webhook_id="9")
    await server.write("")
    image = {"id": "1", "filename": "a.png", "size": 1, "url": "https://cdn.example/a.png", "content_type": "image/png",
             "proxy_url": "https://media.example/a.png"}  # fmt: skip
    await server.write("", attachments=[image])
    [post] = (await something(listening)).posts
    assert [(m.kind, m.url, m.alt) for m in post.media] == [("image", "https://cdn.example/a.png", "a.png")]
    await listening.aclose()


async def test_a_permalink_and_what_stands_around(server: DiscordServer, ear: DiscordEar):
    server.make("prima")
    message = server.make("Ferroviola?")
    found = await ear.find(f"https://discord.com/channels/500/{GENERAL}/{message['id']}")
    assert found is not None
    assert found.text == "Ferroviola?"
    assert await ear.find(f"https://discord.com/channels/500/{GENERAL}/1") is None
    assert await ear.find("https://elsewhere.example/1/2/3") is None
    sought = Sought(native_id=found.native_id, thread="", parent=None, author="200")
    assert [p.text for p in (await ear.around(sought)).before] == ["prima"]


async def test_where_the_bot_is_let_in_is_told(server: DiscordServer, ear: DiscordEar):
    assert await ear.connect() is None
    server.on_a_server = False
    other = ear_of(server)
    assert f"https://discord.com/oauth2/authorize?client_id={OWN['id']}" in (await other.connect() or "")
    await other.close()


async def test_what_comes_while_servers_are_still_told_of_hides_nothing(
    server: DiscordServer, ear: DiscordEar, monkeypatch
):
    server.make("prima")
    listening, first = await begun(ear, server)
    await listening.aclose()
    monkeypatch.setattr("connections.discord.GATHERED", 0.6)
    missed = [server.make(f"durante {n}")["content"] for n in range(3)]
    again = ear.listen(first.bookmark)
    going_on = asyncio.ensure_future(something(again))
    await server.connected()
    await asyncio.sleep(0.2)
    await server.write("dal vivo")
    heard = [p.text for p in (await going_on).posts]
    while not set(missed) <= set(heard):
        heard += [p.text for p in (await something(again)).posts]
    assert set(heard) == {*missed, "dal vivo"}
    await again.aclose()


async def test_threads_and_conversations_of_the_break_are_read_too(server: DiscordServer, ear: DiscordEar):
    listening, _ = await begun(ear, server)
    await server.write("ciao", channel=DIRECT)
    await server.write("in generale")
    bookmark = ""
    heard: list[str] = []
    while len(heard) < 2:
        told = await something(listening)
        heard, bookmark = heard + [p.text for p in told.posts], told.bookmark
    await listening.aclose()
    thread = server.open_thread("Rimborso")
    server.make("come si fa?", channel=thread)
    server.make("ci sei?", channel=DIRECT)
    again = ear.listen(bookmark)
    missed: list[str] = []
    while len(missed) < 2:
        missed += [p.text for p in (await something(again)).posts]
    assert set(missed) == {"come si fa?", "ci sei?"}
    await again.aclose()
