"""Every platform on its stage: a far side on loopback, ears and voices of ours before it, and what can happen to them.

`EXEMPT` names what a platform cannot live through, with the reason; docs/platforms.md shows the same.
"""

import asyncio
import json
import time
from collections.abc import Callable
from datetime import UTC, datetime
from io import BytesIO
from typing import Any, ClassVar

import aiohttp
from platforms.answers import Answers
from platforms.discord import GENERAL, DiscordServer
from platforms.discord import OWN as DISCORD_OWN
from platforms.discord import TOKEN as DISCORD_TOKEN
from platforms.hackernews import HackerNews
from platforms.jetstream import Jetstream
from platforms.mastodon import TOKEN as MASTODON_TOKEN
from platforms.mastodon import MastodonServer
from platforms.pds import DID, HANDLE, PASSWORD, Pds
from platforms.reddit import CLIENT, REFRESH, SECRET, RedditServer
from platforms.telegram import TOKEN as TELEGRAM_TOKEN
from platforms.telegram import BotApi
from platforms.x import BEARER, XServer

from connections.bluesky import Bluesky
from connections.discord import Discord
from connections.http import session as http_session
from connections.mastodon import Mastodon
from connections.reddit import Keys as RedditKeys
from connections.reddit import Reddit
from connections.signatures import sign
from connections.telegram import Telegram
from connections.webhooks import WebhookDoor
from connections.x import Keys, Ledger, Prices, X
from listener import Ear
from listener.bluesky import BlueskyEar
from listener.discord import DiscordEar
from listener.hackernews import HackerNewsEar
from listener.mastodon import MastodonEar
from listener.reddit import RedditEar
from listener.telegram import TelegramEar
from listener.webhook import WebhookEar
from listener.x import XEar
from responders import Voice
from responders.bluesky import BlueskyVoice
from responders.discord import DiscordVoice
from responders.mastodon import MastodonVoice
from responders.reddit import RedditVoice
from responders.telegram import TelegramVoice
from responders.webhook import WebhookVoice
from responders.x import XVoice

GARBAGE = b"\x00\xff{[ this is not what you expect"
HUGE = 10_000_000


class Stage:
    platform: ClassVar[str]
    EXEMPT: ClassVar[dict[str, str]] = {}
    speaks = True
    """Whether it has a voice."""
    tells = True
    """Whether a reply of unknown fate can be looked up."""

    def __init__(self) -> None:
        self.server: Any = None

    async def __aenter__(self) -> "Stage":
        self.http: aiohttp.ClientSession = http_session()
        await self.server.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.http.close()
        await self.server.stop()

    async def listening(self) -> None:
        """Returns once somebody is connected to what is pushed; what is asked for needs nobody."""
        sockets = getattr(self.server, "_sockets", None)
        async with asyncio.timeout(10):
            while sockets is not None and not sockets:
                await asyncio.sleep(0.01)

    def ear(self) -> Ear:
        raise NotImplementedError

    def voice(self) -> Voice:
        raise NotImplementedError

    async def post(self, text: str) -> Any:
        raise NotImplementedError

    async def edit(self, post: Any, text: str) -> None:
        raise NotImplementedError

    async def delete(self, post: Any) -> None:
        raise NotImplementedError

    async def again(self, post: Any) -> None:
        """The platform tells of the same post once more; those that are asked do so at every look."""

    async def malformed(self) -> None:
        raise NotImplementedError

    async def huge(self) -> None:
        raise NotImplementedError

    async def drop(self) -> None:
        raise NotImplementedError

    async def offline(self) -> None:
        await self.server.stop()

    async def online(self) -> None:
        await self.server.start()

    def revoke(self) -> None:
        raise NotImplementedError

    def restore(self) -> None:
        raise NotImplementedError

    def limit(self, seconds: int | None) -> None:
        """The next call is one too many; the platform says for how long, or does not."""
        raise NotImplementedError

    def lose_answer(self) -> None:
        """The next reply is taken, and the connection breaks before that is said."""
        self.server.lose_answer = True

    def said(self) -> list[str]:
        """Replies of ours on the far side."""
        raise NotImplementedError


class BlueskyStage(Stage):
    platform = "bluesky"
    EXEMPT: ClassVar = {}

    def __init__(self) -> None:
        self.server, self.pds = Jetstream(), Pds()
        self.password = PASSWORD

    async def __aenter__(self) -> "Stage":
        await self.pds.start()
        return await super().__aenter__()

    async def __aexit__(self, *_: object) -> None:
        await super().__aexit__()
        await self.pds.stop()

    def _connection(self) -> Bluesky:
        url = self.pds.url
        return Bluesky("here", self.http, service=url, appview=url, handle=HANDLE, password=self.password)

    def ear(self) -> Ear:
        return BlueskyEar(self._connection(), self.server.subscribe_events, self.http)

    def voice(self) -> Voice:
        return BlueskyVoice(self._connection())

    async def post(self, text: str) -> Any:
        event = self.server.post(text)
        self.pds.have("did:plc:rita", event["commit"]["rkey"], text)
        return event

    async def edit(self, post: Any, text: str) -> None:
        self.server.event("update", post["did"], post["commit"]["rkey"], {"text": text})

    async def delete(self, post: Any) -> None:
        self.server.event("delete", post["did"], post["commit"]["rkey"])

    async def again(self, post: Any) -> None:
        self.server.events.append({**post, "time_us": self.server.events[-1]["time_us"] + 1})
        self.server._ring()

    async def malformed(self) -> None:
        self.server.frame(GARBAGE.decode(errors="replace"))

    async def huge(self) -> None:
        self.server.frame("x" * HUGE)

    async def drop(self) -> None:
        await self.server.drop()

    async def offline(self) -> None:
        await self.server.stop()
        await self.pds.stop()

    async def online(self) -> None:
        await self.pds.start()
        await self.server.start()

    def revoke(self) -> None:
        self.password = "revoked"
        self.pds.refuses = True

    def restore(self) -> None:
        self.password, self.pds.refuses = PASSWORD, False

    def limit(self, seconds: int | None) -> None:
        self.pds.limit = ({"Retry-After": str(seconds)} if seconds else {},)

    def lose_answer(self) -> None:
        self.pds.lose_answer = True

    def said(self) -> list[str]:
        return [record["text"] for (did, _), record in self.pds.records.items() if did == DID]


class MastodonStage(Stage):
    platform = "mastodon"

    def __init__(self) -> None:
        self.server = MastodonServer()

    def _connection(self) -> Mastodon:
        return Mastodon("here", self.server.url, MASTODON_TOKEN, self.http)

    def ear(self) -> Ear:
        return MastodonEar(self._connection(), hashtags=["ferroviola"], public="federated")

    def voice(self) -> Voice:
        return MastodonVoice(self._connection())

    async def post(self, text: str) -> Any:
        return await self.server.post(text)

    async def edit(self, post: Any, text: str) -> None:
        await self.server.edit(post, text)

    async def delete(self, post: Any) -> None:
        await self.server.delete(post)

    async def again(self, post: Any) -> None:
        await self.server.tell(["public"], "update", post)

    async def malformed(self) -> None:
        await self.server.frame(GARBAGE.decode(errors="replace"))

    async def huge(self) -> None:
        await self.server.frame("x" * HUGE)

    async def drop(self) -> None:
        await self.server.drop()

    def revoke(self) -> None:
        self.server.token = "another"

    def restore(self) -> None:
        self.server.token = MASTODON_TOKEN

    def limit(self, seconds: int | None) -> None:
        at = datetime.fromtimestamp(time.time() + (seconds or 0), UTC).isoformat()
        self.server.fails = [(429, {"X-RateLimit-Reset": at} if seconds else {})]

    def said(self) -> list[str]:
        return [s["content"][3:-4] for s in self.server.statuses.values() if s["account"]["id"] == "1"]


class MastodonByEventStreamsStage(MastodonStage):
    """Behind a proxy that lets no WebSocket through."""

    def __init__(self) -> None:
        super().__init__()
        self.server.refuses_upgrades = 403

    async def listening(self) -> None:
        await self.server.heard(streams=3)

    async def malformed(self) -> None:
        await self.server.events("update", GARBAGE.decode(errors="replace"))

    async def huge(self) -> None:
        await self.server.events("update", "x" * HUGE)


class TelegramStage(Stage):
    platform = "telegram"
    EXEMPT: ClassVar = {"deletions": "Telegram tells a bot of none."}
    tells = False

    def __init__(self) -> None:
        self.server = BotApi()

    def _connection(self, readers: tuple[str, ...] = ()) -> Telegram:
        url = self.server.base_url
        return Telegram("here", TELEGRAM_TOKEN, base_url=url, base_file_url=url, poll=1, readers=readers)

    def ear(self) -> Ear:
        return TelegramEar(self._connection(("ear",)))

    def voice(self) -> Voice:
        return TelegramVoice(self._connection())

    async def post(self, text: str) -> Any:
        return self.server.write(text=text)

    async def edit(self, post: Any, text: str) -> None:
        self.server.edit(post, text)

    async def again(self, post: Any) -> None:
        self.server.raw_update(message=post)

    async def malformed(self) -> None:
        self.server.raw_update(message={"message_id": "x", "chat": 7})

    async def huge(self) -> None:
        self.server.write(text="x" * HUGE)

    async def drop(self) -> None:
        self.server.poll_fails = [(502, {"description": "Bad Gateway"})]

    def revoke(self) -> None:
        self.server.token = "another"

    def restore(self) -> None:
        self.server.token = TELEGRAM_TOKEN

    def limit(self, seconds: int | None) -> None:
        body = {"description": "Too Many Requests", **({"parameters": {"retry_after": seconds}} if seconds else {})}
        self.server.poll_fails = self.server.fails = [(429, body)]

    def said(self) -> list[str]:
        return [m["text"] for m in self.server.messages.values() if m["from"]["is_bot"]]


class DiscordStage(Stage):
    platform = "discord"

    def __init__(self) -> None:
        self.server = DiscordServer()

    def _connection(self) -> Discord:
        return Discord("here", DISCORD_TOKEN, api=self.server.api, gateway=self.server.gateway)

    def ear(self) -> Ear:
        return DiscordEar(self._connection())

    def voice(self) -> Voice:
        return DiscordVoice(self._connection())

    async def post(self, text: str) -> Any:
        return await self.server.write(text)

    async def edit(self, post: Any, text: str) -> None:
        await self.server.edit(post, text)

    async def delete(self, post: Any) -> None:
        await self.server.delete(post)

    async def again(self, post: Any) -> None:
        await self.server.tell("MESSAGE_CREATE", post)

    async def malformed(self) -> None:
        await self.server.frame('{"op": 0, "s": 7, "t": "MESSAGE_CREATE", "d": {"id": []}}')

    async def huge(self) -> None:
        await self.server.write("x" * HUGE)
        self.server.messages.popitem()

    async def drop(self) -> None:
        await self.server.drop()

    def revoke(self) -> None:
        self.server.token = "another"

    def restore(self) -> None:
        self.server.token = DISCORD_TOKEN

    def limit(self, seconds: int | None) -> None:
        known = {"message": "You are being rate limited.", "retry_after": seconds, "global": False}
        self.server.fails = [
            (429, known if seconds else {"message": "banned"}, {"Via": "1.1 google"} if seconds else {})
        ]

    def said(self) -> list[str]:
        return [
            m["content"]
            for (c, _), m in self.server.messages.items()
            if c == GENERAL and m["author"]["id"] == DISCORD_OWN["id"]
        ]


class Asked(Stage):
    """Platforms that are asked at intervals: nothing is pushed, so what can be malformed is an answer."""

    async def malformed(self) -> None:
        self._answer(200, GARBAGE)

    async def huge(self) -> None:
        self._answer(200, b"[" + b"1," * (HUGE // 2) + b"1]")

    async def drop(self) -> None:
        self._answer(0, b"")

    def _answer(self, status: int, body: bytes) -> None:
        """The next answer to a look; 0 breaks the connection."""
        self.server.next_answers = [(status, body)]


class XStage(Asked):
    platform = "x"

    def __init__(self) -> None:
        self.server = XServer()

    def _connection(self) -> X:
        keys = Keys(BEARER, "ck", "cs", "access", "as")
        ledger = Ledger(0, Prices(0.005, 0.01, 0.015, 0.2, 0.005), lambda: datetime.now(UTC))
        return X("here", keys, ledger, self.http, base_url=self.server.url)

    def ear(self) -> XEar:
        return XEar(self._connection(), search="", stream=False, interval=0.05)

    def voice(self) -> Voice:
        return XVoice(self._connection())

    async def post(self, text: str) -> Any:
        return self.server.post(text)

    async def edit(self, post: Any, text: str) -> None:
        self.server.post(text, edit_history_tweet_ids=[post["id"], "later"])

    async def delete(self, post: Any) -> None:
        """Found by looking once a day, which the ear's own test does."""
        del self.server.posts[post["id"]]

    def revoke(self) -> None:
        self.server.bearer = self.server.access = "another"

    def restore(self) -> None:
        self.server.bearer, self.server.access = BEARER, "access"

    def limit(self, seconds: int | None) -> None:
        self.server.fails = [(429, {}, {"x-rate-limit-reset": str(time.time() + seconds)} if seconds else {})]

    def said(self) -> list[str]:
        return [p["text"].removeprefix("@rita ") for p in self.server.posts.values() if p["author_id"] == "1"]


class RedditFeedsStage(Asked):
    platform = "reddit"
    EXEMPT: ClassVar = {
        "deletions": "Feeds tell of none, and without a key nothing can be looked up.",
        "revoked": "There is nothing to revoke without a key.",
    }
    speaks = False

    def __init__(self) -> None:
        self.server = RedditServer()

    def _keys(self) -> RedditKeys | None:
        return None

    def _connection(self) -> Reddit:
        return Reddit("here", self.http, site=self.server.url, api=self.server.url, keys=self._keys())

    def ear(self) -> RedditEar:
        return RedditEar(self._connection(), subreddits=["italy"], search="", interval=0.05)

    async def post(self, text: str) -> Any:
        return self.server.post(text)

    async def edit(self, post: Any, text: str) -> None:
        post["selftext"] = text

    async def delete(self, post: Any) -> None:
        post["selftext"] = post["author"] = "[deleted]"

    def limit(self, seconds: int | None) -> None:
        self.server.fails = [(429, {"x-ratelimit-reset": str(seconds)} if seconds else {})]


class RedditKeyStage(RedditFeedsStage):
    EXEMPT: ClassVar = {}
    speaks = True

    def _keys(self) -> RedditKeys | None:
        return RedditKeys(CLIENT, SECRET, REFRESH)

    def voice(self) -> Voice:
        return RedditVoice(self._connection(), self.server.url)

    def revoke(self) -> None:
        self.server.refresh, self.server.expired = "another", True

    def restore(self) -> None:
        self.server.refresh, self.server.expired = REFRESH, False

    def said(self) -> list[str]:
        return [t["body"] for t in self.server.things.values() if t["author"] == "ferroviola"]


class HackerNewsStage(Asked):
    platform = "hackernews"
    EXEMPT: ClassVar = {
        "deletions": "The search tells of none.",
        "revoked": "It needs no credentials.",
    }
    speaks = False

    def __init__(self) -> None:
        self.server = HackerNews()

    def ear(self) -> HackerNewsEar:
        return HackerNewsEar("here", "ferroviola", 0.05, self.server.api, self.http)

    async def post(self, text: str) -> Any:
        return self.server.post(text)

    async def edit(self, post: Any, text: str) -> None:
        self.server.items[post]["title"] = text

    def limit(self, seconds: int | None) -> None:
        self.server.fails = [(429, {"Retry-After": str(seconds)} if seconds else {}, b"")]


class WebhookStage(Stage):
    platform = "webhook"
    EXEMPT: ClassVar = {
        "offline": "It is we who wait to be called; a port that is taken is told at once.",
        "drop": "Each delivery is a call of its own: a sender that was not answered sends again.",
        "revoked": "A sender with another secret is refused with 401, and nothing here goes wrong.",
        "limited": "Nobody limits us; a sender that is too fast gets 503 and sends again.",
    }

    def __init__(self) -> None:
        self.server = Answers("secret")
        self.door = WebhookDoor("127.0.0.1", 0)
        self._number = 0

    async def __aexit__(self, *_: object) -> None:
        await self.door.close()
        await super().__aexit__()

    def ear(self) -> Ear:
        return WebhookEar("here", "secret", self.door)

    def voice(self) -> Voice:
        return WebhookVoice("here", f"{self.server.url}/replies", "secret", self.http, longest=500)

    async def post(self, text: str) -> Any:
        self._number += 1
        row = {"id": str(self._number), "text": text, "author": {"handle": "rita"}, "created_at": time.time()}
        assert await self._send(row) in (200, 409)  # 409: it was taken, and the answer lost on the way
        return row

    async def edit(self, post: Any, text: str) -> None:
        assert await self._send({**post, "text": text, "kind": "edit"}) == 200

    async def delete(self, post: Any) -> None:
        assert await self._send({"id": post["id"], "kind": "deletion"}) == 200

    async def again(self, post: Any) -> None:
        await self._send({**post, "metrics": {"likes": 1}})

    async def malformed(self) -> None:
        assert await self._send(GARBAGE) == 422

    async def huge(self) -> None:
        assert await self._send(b"x" * HUGE) == 413

    async def _send(self, body: Any) -> int:
        """Sends until the ear is there."""
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        async with asyncio.timeout(10):
            while True:
                now = int(time.time())
                headers = {"X-Ascolto-Timestamp": str(now), "X-Ascolto-Signature": sign("secret", now, raw)}
                url = f"http://127.0.0.1:{self.door.port}/hooks/here"
                try:
                    async with self.http.post(url, data=BytesIO(raw), headers=headers) as answer:
                        if answer.status not in (404, 503):
                            return answer.status
                except (aiohttp.ClientError, ConnectionError):
                    if len(raw) >= HUGE:
                        return 413  # refused before all of it was sent
                await asyncio.sleep(0.02)

    def said(self) -> list[str]:
        return [said["text"] for said in self.server.said.values()]


STAGES: dict[str, Callable[[], Stage]] = {
    "bluesky": BlueskyStage,
    "discord": DiscordStage,
    "hackernews": HackerNewsStage,
    "mastodon": MastodonStage,
    "mastodon, event streams": MastodonByEventStreamsStage,
    "reddit": RedditFeedsStage,
    "reddit with a key": RedditKeyStage,
    "telegram": TelegramStage,
    "webhook": WebhookStage,
    "x": XStage,
}
