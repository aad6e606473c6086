import asyncio

import pytest
from platforms.discord import DIRECT, FORUM, GENERAL, OWN, TOKEN, DiscordServer

from connections.discord import Discord
from listener import discord
from listener.discord import DiscordListener
from models.errors import Unauthorized, Unavailable
from models.incoming import ContextRequest, ListenerBatch


@pytest.fixture(autouse=True)
def ready_quickly(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("connections.discord.GUILD_READY_TIMEOUT", 0.05)


@pytest.fixture
async def server():
    async with DiscordServer() as server:
        yield server


def listener_for(server: DiscordServer, token: str = TOKEN, **options) -> DiscordListener:
    return DiscordListener(Discord("discord", token, api=server.api, gateway=server.gateway, **options))


@pytest.fixture
async def listener(server: DiscordServer):
    listener = listener_for(server)
    yield listener
    await listener.close()


async def next_batch(listening) -> ListenerBatch:
    """The next batch that is not empty."""
    async with asyncio.timeout(10):
        while True:
            batch = await anext(listening)
            if batch.posts or batch.edits or batch.deletions:
                return batch


async def start(listener: DiscordListener, server: DiscordServer, cursor: str | None = None):
    """Listens until the first batch, whose cursor has the last message of every channel."""
    listening = listener.listen(cursor)
    async with asyncio.timeout(10):
        first = await anext(listening)
    await server.connected()
    return listening, first


async def test_messages_edits_and_deletions_are_received(server: DiscordServer, listener: DiscordListener):
    listening, _ = await start(listener, server)
    message = await server.write("Ferroviola in ritardo")
    [post] = (await next_batch(listening)).posts
    assert (post.native_id, post.text, post.author.handle, post.author.name, post.channel) == (
        f"{GENERAL}:{message['id']}", "Ferroviola in ritardo", "rita", "Rita R.", GENERAL,
    )  # fmt: skip
    await server.send("MESSAGE_UPDATE", message)  # a link preview, not an edit
    await server.edit(message, "Ferroviola cancellato")
    assert [p.text for p in (await next_batch(listening)).edits] == ["Ferroviola cancellato"]
    await server.delete(message)
    assert [deletion.native_id for deletion in (await next_batch(listening)).deletions] == [post.native_id]
    await listening.aclose()


async def test_a_reply_comes_with_the_message_it_answers(server: DiscordServer, listener: DiscordListener):
    listening, _ = await start(listener, server)
    first = await server.write("il treno?")
    await next_batch(listening)
    await server.write("in ritardo", in_reply_to=first)
    [post] = (await next_batch(listening)).posts
    assert (post.parent, [p.text for p in post.earlier_posts]) == (f"{GENERAL}:{first['id']}", ["il treno?"])
    await listening.aclose()


async def test_messages_that_address_the_bot_are_marked(server: DiscordServer, listener: DiscordListener):
    listening, _ = await start(listener, server)
    own = server.add_message("?", OWN)
    await server.write("<@100> mi senti?", mentions=[OWN])
    await server.write("no", in_reply_to=own)
    await server.write("in privato", channel=DIRECT)
    await server.write("tra noi")
    await server.write("noi", OWN)
    posts: list = []
    while len(posts) < 5:
        posts += (await next_batch(listening)).posts
    assert [(p.addresses_us, p.ours) for p in posts] == [(True, False)] * 3 + [(False, False), (False, True)]
    assert posts[2].thread == DIRECT
    await listening.aclose()


async def test_a_forum_post_is_one_thread(server: DiscordServer, listener: DiscordListener):
    thread = server.open_thread("Rimborso")
    listening, _ = await start(listener, server)
    await server.write("come si fa?", channel=thread)
    [post] = (await next_batch(listening)).posts
    assert (post.thread, post.channel) == (thread, FORUM)
    await listening.aclose()


async def test_a_new_session_reads_the_history(server: DiscordServer, listener: DiscordListener, monkeypatch):
    monkeypatch.setattr(discord, "BATCH", 30)
    listening, _ = await start(listener, server)
    await server.write("prima")
    cursor = (await next_batch(listening)).cursor
    await listening.aclose()
    for n in range(120):
        server.add_message(f"numero {n}")
    listening = listener.listen(cursor)
    texts: list[str] = []
    while len(texts) < 120:
        texts += [p.text for p in (await next_batch(listening)).posts]
    await server.write("dopo")
    assert [p.text for p in (await next_batch(listening)).posts] == ["dopo"]
    assert texts == [f"numero {n}" for n in range(120)]
    await listening.aclose()


async def test_a_lost_connection_is_resumed_with_its_edits(server: DiscordServer, listener: DiscordListener):
    listening, _ = await start(listener, server)
    message = await server.write("prima")
    await next_batch(listening)
    await server.request_reconnect()
    server._sockets.clear()
    await server.edit(message, "cambiato")
    assert [p.text for p in (await next_batch(listening)).edits] == ["cambiato"]
    assert len(server.identifications) == 1  # not a new session
    await listening.aclose()


async def test_an_invalid_session_starts_a_new_one_and_reads_the_history(
    server: DiscordServer, listener: DiscordListener, monkeypatch
):
    listening, _ = await start(listener, server)
    await server.write("prima")
    await next_batch(listening)
    server.invalidate_session()
    await server.request_reconnect()
    server._sockets.clear()
    server.add_message("durante")
    assert [(p.text, p.origin) for p in (await next_batch(listening)).posts] == [("durante", "backfill")]
    assert len(server.identifications) == 2
    await listening.aclose()


async def test_a_channel_that_the_bot_may_not_read_does_not_block_the_others(
    server: DiscordServer, listener: DiscordListener
):
    thread = server.open_thread("Riservato")
    server.add_message("segreto", channel=thread)
    listening, first = await start(listener, server)
    await listening.aclose()
    server.add_message("segreto due", channel=thread)
    server.hidden.add(thread)
    server.add_message("pubblico")
    cursor = first.cursor.replace(f'"{GENERAL}":0', f'"{GENERAL}":1')
    listening = listener.listen(cursor)
    assert [p.text for p in (await next_batch(listening)).posts] == ["pubblico"]
    await listening.aclose()


async def test_send_to_triage_requests_a_case_and_is_confirmed_once_it_is_stored(server: DiscordServer):
    listener = listener_for(server, message_content=False)
    listening, _ = await start(listener, server)
    assert [(c["name"], c["type"]) for c in server.commands] == [("Send to triage", 3)]
    await server.send_to_triage(server.add_message("non lo dice a noi"))
    [post] = (await next_batch(listening)).posts
    assert (post.text, post.case_requested) == ("non lo dice a noi", True)
    await asyncio.sleep(0.1)
    assert [kind for kind, _ in server.responses] == ["callback"]  # it is not stored yet
    resumed = asyncio.ensure_future(anext(listening))
    async with asyncio.timeout(5):
        while len(server.responses) < 2:
            await asyncio.sleep(0.01)
    kind, body = server.responses[1]
    assert (kind, body["content"], body["flags"]) == ("followup", "Sent to triage.", 64)
    resumed.cancel()
    await asyncio.gather(resumed, return_exceptions=True)
    await listening.aclose()
    await listener.close()


async def test_without_message_content_the_intent_is_not_requested(server: DiscordServer):
    server.content_granted = False
    with pytest.raises(Unauthorized, match="message_content"):
        await anext(listener_for(server).listen(None))
    listener = listener_for(server, message_content=False)
    listening, _ = await start(listener, server)
    await listening.aclose()
    await listener.close()


async def test_a_revoked_token_is_unauthorized(server: DiscordServer, listener: DiscordListener):
    with pytest.raises(Unauthorized, match="token_env"):
        await listener_for(server, "revoked").connect()
    with pytest.raises(Unauthorized, match="token_env"):
        await anext(listener_for(server, "revoked").listen(None))


async def test_a_server_that_is_down_at_the_start_is_unavailable(server: DiscordServer, listener: DiscordListener):
    await server.stop()
    with pytest.raises(Unavailable):
        await listener.connect()
    with pytest.raises(Unavailable):
        await anext(listener.listen(None))


async def test_an_unreadable_field_ends_only_the_gateway(server: DiscordServer, listener: DiscordListener):
    listening, first = await start(listener, server)
    await server.frame('{"op": 0, "s": 99, "t": "MESSAGE_CREATE", "d": {"id": "x"}}')
    with pytest.raises(Unavailable):
        await next_batch(listening)
    server.add_message("intanto")
    again = listener.listen(first.cursor.replace(f'"{GENERAL}":0', f'"{GENERAL}":1'))
    assert [p.text for p in (await next_batch(again)).posts] == ["intanto"]
    await again.aclose()


async def test_a_disconnected_gateway_yields_no_empty_batches(
    server: DiscordServer, listener: DiscordListener, monkeypatch
):
    monkeypatch.setattr(discord, "HEARTBEAT", 0.05)
    listening, _ = await start(listener, server)
    async with asyncio.timeout(2):
        assert (await anext(listening)).posts == ()
    server.token = "another"  # so that it cannot reconnect
    await server.stop()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.5):
            while True:
                await anext(listening)


async def test_bots_notices_and_webhooks_are_ignored(server: DiscordServer, listener: DiscordListener):
    listening, _ = await start(listener, server)
    await server.write("spam", {**OWN, "id": "300"})
    await server.write("è entrata", type=7)
    await server.write("github", webhook_id="9")
    await server.write("")
    image = {"id": "1", "filename": "a.png", "size": 1, "url": "https://cdn.example/a.png", "content_type": "image/png",
             "proxy_url": "https://media.example/a.png"}  # fmt: skip
    await server.write("", attachments=[image])
    [post] = (await next_batch(listening)).posts
    assert [(m.kind, m.url, m.alt) for m in post.media] == [("image", "https://cdn.example/a.png", "a.png")]
    await listening.aclose()


async def test_a_permalink_is_found_with_its_context(server: DiscordServer, listener: DiscordListener):
    server.add_message("prima")
    message = server.add_message("Ferroviola?")
    post = await listener.find(f"https://discord.com/channels/500/{GENERAL}/{message['id']}")
    assert post is not None
    assert post.text == "Ferroviola?"
    assert await listener.find(f"https://discord.com/channels/500/{GENERAL}/1") is None
    assert await listener.find("https://elsewhere.example/1/2/3") is None
    request = ContextRequest(native_id=post.native_id, thread="", parent=None, author="200")
    assert [p.text for p in (await listener.fetch_context(request)).earlier_posts] == ["prima"]


async def test_a_permalink_into_a_channel_that_not_everyone_sees_is_not_found(
    server: DiscordServer, listener: DiscordListener
):
    message = server.add_message("riservato")
    assert await listener.find(f"https://discord.com/channels/501/{GENERAL}/{message['id']}") is None
    server.private.add(GENERAL)
    assert await listener.find(f"https://discord.com/channels/500/{GENERAL}/{message['id']}") is None


async def test_a_bot_on_no_server_comes_with_its_invite_link(server: DiscordServer, listener: DiscordListener):
    assert await listener.connect() is None
    server.on_a_server = False
    other = listener_for(server)
    assert f"https://discord.com/oauth2/authorize?client_id={OWN['id']}" in (await other.connect() or "")
    await other.close()


async def test_a_message_received_before_the_history_does_not_hide_it(
    server: DiscordServer, listener: DiscordListener, monkeypatch
):
    server.add_message("prima")
    listening, first = await start(listener, server)
    await listening.aclose()
    monkeypatch.setattr("connections.discord.GUILD_READY_TIMEOUT", 0.6)
    missed = [server.add_message(f"durante {n}")["content"] for n in range(3)]
    again = listener.listen(first.cursor)
    pending = asyncio.ensure_future(next_batch(again))
    await server.connected()
    await asyncio.sleep(0.2)
    await server.write("dal vivo")
    texts = [p.text for p in (await pending).posts]
    while not set(missed) <= set(texts):
        texts += [p.text for p in (await next_batch(again)).posts]
    assert set(texts) == {*missed, "dal vivo"}
    await again.aclose()


async def test_new_threads_and_direct_messages_are_read_after_an_outage(
    server: DiscordServer, listener: DiscordListener
):
    listening, _ = await start(listener, server)
    await server.write("ciao", channel=DIRECT)
    await server.write("in generale")
    cursor = ""
    received = 0
    while received < 2:
        batch = await next_batch(listening)
        received, cursor = received + len(batch.posts), batch.cursor
    await listening.aclose()
    thread = server.open_thread("Rimborso")
    server.add_message("come si fa?", channel=thread)
    server.add_message("ci sei?", channel=DIRECT)
    again = listener.listen(cursor)
    missed: list[str] = []
    while len(missed) < 2:
        missed += [p.text for p in (await next_batch(again)).posts]
    assert set(missed) == {"come si fa?", "ci sei?"}
    await again.aclose()
