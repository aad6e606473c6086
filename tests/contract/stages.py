"""A stage for every platform: a fake server on loopback, our listener and responder, and everything that can go wrong.

`EXEMPT` names the rules of the contract that cannot apply to a platform, with the reason; docs/platforms.md shows the same.
"""

import asyncio
import json
import time
from collections.abc import Callable
from datetime import UTC, datetime
from io import BytesIO
from typing import Any, ClassVar

import aiohttp
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
from platforms.webhook import ReplyServer
from platforms.x import BEARER, XServer

from connections.bluesky import Bluesky
from connections.discord import Discord
from connections.feeds import FeedReader
from connections.http import session as http_session
from connections.mastodon import Mastodon
from connections.reddit import Keys as RedditKeys
from connections.reddit import Reddit
from connections.signatures import sign
from connections.telegram import Telegram
from connections.webhooks import WebhookServer
from connections.x import Keys, Ledger, Prices, X
from listener import Listener
from listener.bluesky import BlueskyListener
from listener.discord import DiscordListener
from listener.hackernews import HackerNewsListener
from listener.mastodon import MastodonListener
from listener.reddit import RedditListener
from listener.telegram import TelegramListener
from listener.webhook import WebhookListener
from listener.x import XListener
from responders import Responder
from responders.bluesky import BlueskyResponder
from responders.discord import DiscordResponder
from responders.mastodon import MastodonResponder
from responders.reddit import RedditResponder
from responders.telegram import TelegramResponder
from responders.webhook import WebhookResponder
from responders.x import XResponder

GARBAGE = b"\x00\xff{[ this is not what you expect"
HUGE = 10_000_000


class Stage:
    platform: ClassVar[str]
    EXEMPT: ClassVar[dict[str, str]] = {}
    can_reply = True
    """Whether it has a responder."""
    can_look_up = True
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

    async def wait_until_listening(self) -> None:
        """Returns once a client is connected to a server that pushes; at once for a server that is polled."""
        sockets = getattr(self.server, "_sockets", None)
        async with asyncio.timeout(10):
            while sockets is not None and not sockets:
                await asyncio.sleep(0.01)

    def listener(self) -> Listener:
        raise NotImplementedError

    def responder(self) -> Responder:
        raise NotImplementedError

    async def post(self, text: str) -> Any:
        raise NotImplementedError

    async def edit(self, post: Any, text: str) -> None:
        raise NotImplementedError

    async def delete(self, post: Any) -> None:
        raise NotImplementedError

    async def repeat(self, post: Any) -> None:
        """Delivers the same post once more; a platform that is polled does so anyway."""

    async def send_malformed(self) -> None:
        raise NotImplementedError

    async def send_huge(self) -> None:
        raise NotImplementedError

    async def drop(self) -> None:
        raise NotImplementedError

    async def go_offline(self) -> None:
        await self.server.stop()

    async def go_online(self) -> None:
        await self.server.start()

    def revoke_credentials(self) -> None:
        raise NotImplementedError

    def restore_credentials(self) -> None:
        raise NotImplementedError

    def rate_limit(self, seconds: int | None) -> None:
        """The next call exceeds the rate limit; with `seconds`, the platform says how long to wait."""
        raise NotImplementedError

    def lose_response(self) -> None:
        """The next reply is published, and the connection breaks before the response."""
        self.server.lose_response = True

    def published(self) -> list[str]:
        """The texts of our replies on the server."""
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

    def listener(self) -> Listener:
        return BlueskyListener(self._connection(), self.server.subscribe_events, self.http)

    def responder(self) -> Responder:
        return BlueskyResponder(self._connection())

    async def post(self, text: str) -> Any:
        event = self.server.post(text)
        self.pds.add_post("did:plc:rita", event["commit"]["rkey"], text)
        return event

    async def edit(self, post: Any, text: str) -> None:
        self.server.event("update", post["did"], post["commit"]["rkey"], {"text": text})

    async def delete(self, post: Any) -> None:
        self.server.event("delete", post["did"], post["commit"]["rkey"])

    async def repeat(self, post: Any) -> None:
        self.server.events.append({**post, "time_us": self.server.events[-1]["time_us"] + 1})
        self.server._notify()

    async def send_malformed(self) -> None:
        self.server.frame(GARBAGE.decode(errors="replace"))

    async def send_huge(self) -> None:
        self.server.frame("x" * HUGE)

    async def drop(self) -> None:
        await self.server.drop()

    async def go_offline(self) -> None:
        await self.server.stop()
        await self.pds.stop()

    async def go_online(self) -> None:
        await self.pds.start()
        await self.server.start()

    def revoke_credentials(self) -> None:
        self.password = "revoked"
        self.pds.rejects_logins = True

    def restore_credentials(self) -> None:
        self.password, self.pds.rejects_logins = PASSWORD, False

    def rate_limit(self, seconds: int | None) -> None:
        self.pds.rate_limit = ({"Retry-After": str(seconds)} if seconds else {},)

    def lose_response(self) -> None:
        self.pds.lose_response = True

    def published(self) -> list[str]:
        return [record["text"] for (did, _), record in self.pds.records.items() if did == DID]


class MastodonStage(Stage):
    platform = "mastodon"

    def __init__(self) -> None:
        self.server = MastodonServer()

    def _connection(self) -> Mastodon:
        return Mastodon("here", self.server.url, MASTODON_TOKEN, self.http)

    def listener(self) -> Listener:
        return MastodonListener(self._connection(), hashtags=["ferroviola"], public="federated")

    def responder(self) -> Responder:
        return MastodonResponder(self._connection())

    async def post(self, text: str) -> Any:
        return await self.server.post(text)

    async def edit(self, post: Any, text: str) -> None:
        await self.server.edit(post, text)

    async def delete(self, post: Any) -> None:
        await self.server.delete(post)

    async def repeat(self, post: Any) -> None:
        await self.server.send(["public"], "update", post)

    async def send_malformed(self) -> None:
        await self.server.frame(GARBAGE.decode(errors="replace"))

    async def send_huge(self) -> None:
        await self.server.frame("x" * HUGE)

    async def drop(self) -> None:
        await self.server.drop()

    def revoke_credentials(self) -> None:
        self.server.token = "another"

    def restore_credentials(self) -> None:
        self.server.token = MASTODON_TOKEN

    def rate_limit(self, seconds: int | None) -> None:
        reset_at = datetime.fromtimestamp(time.time() + (seconds or 0), UTC).isoformat()
        self.server.failures = [(429, {"X-RateLimit-Reset": reset_at} if seconds else {})]

    def published(self) -> list[str]:
        return [s["content"][3:-4] for s in self.server.statuses.values() if s["account"]["id"] == "1"]


class MastodonByEventStreamsStage(MastodonStage):
    """Behind a proxy that allows no WebSockets."""

    def __init__(self) -> None:
        super().__init__()
        self.server.upgrade_status = 403

    async def wait_until_listening(self) -> None:
        await self.server.subscribed(streams=3)

    async def send_malformed(self) -> None:
        await self.server.server_event("update", GARBAGE.decode(errors="replace"))

    async def send_huge(self) -> None:
        await self.server.server_event("update", "x" * HUGE)


class TelegramStage(Stage):
    platform = "telegram"
    EXEMPT: ClassVar = {"deletions": "Telegram does not report deletions to bots."}
    can_look_up = False

    def __init__(self) -> None:
        self.server = BotApi()

    def _connection(self, readers: tuple[str, ...] = ()) -> Telegram:
        url = self.server.base_url
        return Telegram("here", TELEGRAM_TOKEN, base_url=url, base_file_url=url, poll=1, readers=readers)

    def listener(self) -> Listener:
        return TelegramListener(self._connection(("listener",)))

    def responder(self) -> Responder:
        return TelegramResponder(self._connection())

    async def post(self, text: str) -> Any:
        return self.server.write(text=text)

    async def edit(self, post: Any, text: str) -> None:
        self.server.edit(post, text)

    async def repeat(self, post: Any) -> None:
        self.server.raw_update(message=post)

    async def send_malformed(self) -> None:
        self.server.raw_update(message={"message_id": "x", "chat": 7})

    async def send_huge(self) -> None:
        self.server.write(text="x" * HUGE)

    async def drop(self) -> None:
        self.server.poll_failures = [(502, {"description": "Bad Gateway"})]

    def revoke_credentials(self) -> None:
        self.server.token = "another"

    def restore_credentials(self) -> None:
        self.server.token = TELEGRAM_TOKEN

    def rate_limit(self, seconds: int | None) -> None:
        body = {"description": "Too Many Requests", **({"parameters": {"retry_after": seconds}} if seconds else {})}
        self.server.poll_failures = self.server.failures = [(429, body)]

    def published(self) -> list[str]:
        return [m["text"] for m in self.server.messages.values() if m["from"]["is_bot"]]


class DiscordStage(Stage):
    platform = "discord"

    def __init__(self) -> None:
        self.server = DiscordServer()

    def _connection(self) -> Discord:
        return Discord("here", DISCORD_TOKEN, api=self.server.api, gateway=self.server.gateway)

    def listener(self) -> Listener:
        return DiscordListener(self._connection())

    def responder(self) -> Responder:
        return DiscordResponder(self._connection())

    async def post(self, text: str) -> Any:
        return await self.server.write(text)

    async def edit(self, post: Any, text: str) -> None:
        await self.server.edit(post, text)

    async def delete(self, post: Any) -> None:
        await self.server.delete(post)

    async def repeat(self, post: Any) -> None:
        await self.server.send("MESSAGE_CREATE", post)

    async def send_malformed(self) -> None:
        await self.server.frame('{"op": 0, "s": 7, "t": "MESSAGE_CREATE", "d": {"id": []}}')

    async def send_huge(self) -> None:
        await self.server.write("x" * HUGE)
        self.server.messages.popitem()

    async def drop(self) -> None:
        await self.server.drop()

    def revoke_credentials(self) -> None:
        self.server.token = "another"

    def restore_credentials(self) -> None:
        self.server.token = DISCORD_TOKEN

    def rate_limit(self, seconds: int | None) -> None:
        if seconds:
            body = {"message": "You are being rate limited.", "retry_after": seconds, "global": False}
            self.server.failures = [(429, body, {"Via": "1.1 google"})]
        else:
            self.server.failures = [(429, {"message": "banned"}, {})]

    def published(self) -> list[str]:
        return [
            m["content"]
            for (c, _), m in self.server.messages.items()
            if c == GENERAL and m["author"]["id"] == DISCORD_OWN["id"]
        ]


class PolledStage(Stage):
    """Platforms that are polled at intervals: what can be malformed is a response."""

    async def send_malformed(self) -> None:
        self._replace_response(200, GARBAGE)

    async def send_huge(self) -> None:
        self._replace_response(200, b"[" + b"1," * (HUGE // 2) + b"1]")

    async def drop(self) -> None:
        self._replace_response(0, b"")

    def _replace_response(self, status: int, body: bytes) -> None:
        """The next response; status 0 breaks the connection."""
        self.server.next_responses = [(status, body)]


class XStage(PolledStage):
    platform = "x"

    def __init__(self) -> None:
        self.server = XServer()

    def _connection(self) -> X:
        keys = Keys(BEARER, "ck", "cs", "access", "as")
        ledger = Ledger(0, Prices(0.005, 0.01, 0.015, 0.2, 0.005), lambda: datetime.now(UTC))
        return X("here", keys, ledger, self.http, base_url=self.server.url)

    def listener(self) -> XListener:
        return XListener(self._connection(), search="", stream=False, interval=0.05)

    def responder(self) -> Responder:
        return XResponder(self._connection())

    async def post(self, text: str) -> Any:
        return self.server.post(text)

    async def edit(self, post: Any, text: str) -> None:
        self.server.post(text, edit_history_tweet_ids=[post["id"], "later"])

    async def delete(self, post: Any) -> None:
        """Noticed by the daily deletion check, which the listener's own test covers."""
        del self.server.posts[post["id"]]

    def revoke_credentials(self) -> None:
        self.server.bearer = self.server.access = "another"

    def restore_credentials(self) -> None:
        self.server.bearer, self.server.access = BEARER, "access"

    def rate_limit(self, seconds: int | None) -> None:
        self.server.failures = [(429, {}, {"x-rate-limit-reset": str(time.time() + seconds)} if seconds else {})]

    def published(self) -> list[str]:
        return [p["text"].removeprefix("@rita ") for p in self.server.posts.values() if p["author_id"] == "1"]


class RedditFeedsStage(PolledStage):
    platform = "reddit"
    EXEMPT: ClassVar = {
        "deletions": "Feeds do not report deletions, and without a key posts cannot be looked up.",
        "revoked": "Without a key there is nothing to revoke.",
    }
    can_reply = False

    def __init__(self) -> None:
        self.server = RedditServer()

    def _keys(self) -> RedditKeys | None:
        return None

    def _connection(self) -> Reddit:
        return Reddit(
            "here", self.http, site=self.server.url, api=self.server.url, keys=self._keys(), feeds=FeedReader()
        )

    def listener(self) -> RedditListener:
        return RedditListener(self._connection(), subreddits=["italy"], search="", interval=0.05)

    async def post(self, text: str) -> Any:
        return self.server.post(text)

    async def edit(self, post: Any, text: str) -> None:
        post["selftext"] = text

    async def delete(self, post: Any) -> None:
        post["selftext"] = post["author"] = "[deleted]"

    def rate_limit(self, seconds: int | None) -> None:
        self.server.failures = [(429, {"x-ratelimit-reset": str(seconds)} if seconds else {})]


class RedditKeyStage(RedditFeedsStage):
    EXEMPT: ClassVar = {}
    can_reply = True

    def _keys(self) -> RedditKeys | None:
        return RedditKeys(CLIENT, SECRET, REFRESH)

    def responder(self) -> Responder:
        return RedditResponder(self._connection(), self.server.url)

    def revoke_credentials(self) -> None:
        self.server.refresh_token, self.server.expired = "another", True

    def restore_credentials(self) -> None:
        self.server.refresh_token, self.server.expired = REFRESH, False

    def published(self) -> list[str]:
        return [t["body"] for t in self.server.things.values() if t["author"] == "ferroviola"]


class HackerNewsStage(PolledStage):
    platform = "hackernews"
    EXEMPT: ClassVar = {
        "deletions": "The search does not report deletions.",
        "revoked": "It needs no credentials.",
    }
    can_reply = False

    def __init__(self) -> None:
        self.server = HackerNews()

    def listener(self) -> HackerNewsListener:
        return HackerNewsListener("here", "ferroviola", 0.05, self.server.api, self.http)

    async def post(self, text: str) -> Any:
        return self.server.post(text)

    async def edit(self, post: Any, text: str) -> None:
        self.server.items[post]["title"] = text

    def rate_limit(self, seconds: int | None) -> None:
        self.server.failures = [(429, {"Retry-After": str(seconds)} if seconds else {}, b"")]


class WebhookStage(Stage):
    platform = "webhook"
    EXEMPT: ClassVar = {
        "offline": "The sender calls us; a port that is in use is reported at once.",
        "drop": "Each delivery is a call of its own: a sender that got no response sends again.",
        "revoked": "A sender with another secret is refused with 401; nothing fails here.",
        "limited": "Nothing limits us; a sender that is too fast gets 503 and sends again.",
    }

    def __init__(self) -> None:
        self.server = ReplyServer("secret")
        self.webhook_server = WebhookServer("127.0.0.1", 0)
        self._number = 0

    async def __aexit__(self, *_: object) -> None:
        await self.webhook_server.close()
        await super().__aexit__()

    def listener(self) -> Listener:
        return WebhookListener("here", "secret", self.webhook_server)

    def responder(self) -> Responder:
        return WebhookResponder("here", f"{self.server.url}/replies", "secret", self.http, max_length=500)

    async def post(self, text: str) -> Any:
        self._number += 1
        row = {"id": str(self._number), "text": text, "author": {"handle": "rita"}, "created_at": time.time()}
        assert await self._send(row) in (200, 409)  # 409: it was accepted, and the response lost
        return row

    async def edit(self, post: Any, text: str) -> None:
        assert await self._send({**post, "text": text, "kind": "edit"}) == 200

    async def delete(self, post: Any) -> None:
        assert await self._send({"id": post["id"], "kind": "deletion"}) == 200

    async def repeat(self, post: Any) -> None:
        await self._send({**post, "metrics": {"likes": 1}})

    async def send_malformed(self) -> None:
        assert await self._send(GARBAGE) == 422

    async def send_huge(self) -> None:
        assert await self._send(b"x" * HUGE) == 413

    async def _send(self, body: Any) -> int:
        """Sends until the listener receives it; returns the status."""
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        async with asyncio.timeout(10):
            while True:
                now = int(time.time())
                headers = {"X-Ascolto-Timestamp": str(now), "X-Ascolto-Signature": sign("secret", now, raw)}
                url = f"http://127.0.0.1:{self.webhook_server.port}/hooks/here"
                try:
                    async with self.http.post(url, data=BytesIO(raw), headers=headers) as response:
                        if response.status not in (404, 503):
                            return response.status
                except (aiohttp.ClientError, ConnectionError):
                    if len(raw) >= HUGE:
                        return 413  # rejected before all of it was sent
                await asyncio.sleep(0.02)

    def published(self) -> list[str]:
        return [reply["text"] for reply in self.server.replies.values()]


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
