"""Reddit: its public feeds, or its API with keys (`pip install 'ascolto[reddit]'`).

https://www.reddit.com/wiki/rss, https://www.reddit.com/dev/api, https://asyncpraw.readthedocs.io
"""

import re
from collections.abc import AsyncGenerator, Awaitable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, TypeVar
from urllib.parse import urlencode

import aiohttp
import msgspec

from connections.feeds import Entry, Feed, FeedReader
from connections.http import USER_AGENT, call, connection_error, http_error, retry_after
from models.errors import EdgeError, OperatorError, Rejected, Unauthorized, Unavailable, Uncertain
from models.html import html_to_text

T = TypeVar("T")

FIX: Final = (
    "Reddit issues keys on request (reddit.com/r/redditdev/wiki/api): put the app's id and secret and the account's refresh token"
    " into the environment variables that ascolto.toml names."
)
FIX_FEED: Final = "Check the names of the subreddits in ascolto.toml: is one private or misspelled?"
PAGE: Final = 100
"""Entries of a listing or a feed, at most."""
_BODY = re.compile(r"<!-- SC_OFF -->(.*?)<!-- SC_ON -->", re.DOTALL)
_IN_THREAD = re.compile(r"/comments/(\w+)/")


class Thing(msgspec.Struct, frozen=True, kw_only=True):
    """A post or a comment, from a feed or the API; `id` is its full name (t3_…, t1_…)."""

    id: str
    author: str
    text: str
    url: str
    created_at: datetime
    thread: str
    parent: str | None = None
    deleted: bool = False


@dataclass(frozen=True)
class Keys:
    client_id: str
    client_secret: str
    refresh_token: str


class Reddit:
    """`site` is the base URL of feeds and access tokens, `api` that of calls with a token."""

    platform = "reddit"

    def __init__(
        self, name: str, http: aiohttp.ClientSession, *, site: str, api: str, keys: Keys | None, feeds: FeedReader
    ) -> None:
        self.name = name
        self.has_keys = keys is not None
        self.account = ""
        self._http = http
        self._feeds = feeds
        self._site = site.rstrip("/")
        self._reddit = _client(keys, http, self._site, api.rstrip("/")) if keys else None

    async def open(self) -> str:
        """The account's name, requested once; empty without keys."""
        return self.account or await self.verify_credentials()

    async def verify_credentials(self) -> str:
        """The account's name, requested every time."""
        if self._reddit is not None:
            self.account = msgspec.convert(await self.get("/api/v1/me"), _Me).name
        return self.account

    async def get(self, path: str, parameters: Mapping[str, str] | None = None) -> Any:
        return await sdk_call(
            self._api().request(method="GET", path=path, params={"raw_json": "1", **(parameters or {})})
        )

    async def post(self, path: str, data: Mapping[str, str]) -> Any:
        """Raises Uncertain where the call was interrupted after it was sent."""
        return await sdk_call(self._api().request(method="POST", path=path, data=dict(data)))

    def _api(self) -> Any:
        if self._reddit is None:
            raise Rejected("There is no key for Reddit's API.")
        return self._reddit

    async def listing(self, path: str, parameters: Mapping[str, str] | None = None) -> list[Thing]:
        """A listing, newest first: from the API with keys, else from its feed."""
        query = {"limit": str(PAGE), **(parameters or {})}
        if self.has_keys:
            return things(await self.get(path, query), self._site)
        response = await call(
            self._http, "GET", f"{self._site}{path}.rss?{urlencode(query)}", headers={"User-Agent": USER_AGENT}
        )
        if response.status == 429:
            raise Unavailable("Reddit's rate limit is reached", _until_reset(response.headers) or retry_after(response))
        if response.status in (403, 404):
            raise Unauthorized(f"Reddit has no such feed ({response.status})", FIX_FEED)
        if error := http_error(response, FIX_FEED):
            raise error
        try:
            return feed_things(await self._feeds.read(response.body, "", response.charset))
        except TimeoutError as error:
            raise Unavailable("Reddit's feed takes too long to read.") from error

    async def close(self) -> None:
        if self._reddit is not None:
            await self._reddit.close()


def _client(keys: Keys, http: aiohttp.ClientSession, site: str, api: str) -> Any:
    try:
        import asyncpraw
    except ImportError as error:
        raise OperatorError("Reddit's API needs another library.", "pip install 'ascolto[reddit]'") from error
    return asyncpraw.Reddit(
        client_id=keys.client_id,
        client_secret=keys.client_secret,
        refresh_token=keys.refresh_token,
        user_agent=f"python:{USER_AGENT}",
        oauth_url=api,
        reddit_url=site,
        check_for_updates=False,
        requestor_class=_requestor(http),
        requestor_kwargs={"session": http},
    )


def _requestor(http: aiohttp.ClientSession) -> Any:
    """The SDK's own retries interrupted calls, and could publish a reply twice. This one calls once, over our session."""
    import asyncprawcore

    class Requestor(asyncprawcore.Requestor):
        @asynccontextmanager
        async def request(
            self,
            *args: Any,
            timeout: float | None = None,  # noqa: ASYNC109 - the SDK's
            **kwargs: Any,
        ) -> AsyncGenerator[aiohttp.ClientResponse, None]:
            method, url = args
            for_token = url.endswith("/access_token")
            writes = method == "POST" and not for_token
            headers = {**self.headers, **kwargs.pop("headers", {})}
            try:
                total = aiohttp.ClientTimeout(timeout or self.timeout)
                response = await http.request(method, url, headers=headers, timeout=total, **kwargs)
                await response.read()
            except (aiohttp.ClientError, TimeoutError, OSError) as error:
                raise connection_error(error, writes=writes) from error
            if response.status >= 500:
                raise (Uncertain if writes else Unavailable)(f"Reddit responded with status {response.status}")
            if for_token and response.status in (400, 401):
                raise Unauthorized("Reddit does not accept these keys", FIX)
            yield response

        async def close(self) -> None:
            """Nothing to close: the HTTP session is shared."""

    return Requestor


def _until_reset(headers: Mapping[str, str]) -> float | None:
    """Seconds, from x-ratelimit-reset."""
    try:
        return max(1.0, float(headers.get("x-ratelimit-reset", "")))
    except ValueError:
        return None


async def sdk_call(call: Awaitable[T]) -> T:
    """A call of the SDK whose exceptions become EdgeError."""
    import asyncprawcore.exceptions as sdk

    try:
        return await call
    except (sdk.OAuthException, sdk.InvalidToken, sdk.InsufficientScope) as error:
        raise Unauthorized("Reddit does not accept these keys", FIX) from error
    except sdk.TooManyRequests as error:
        raise Unavailable("Reddit's rate limit is reached", _until_reset(error.response.headers)) from error
    except sdk.ResponseException as error:
        raise _status_error(error.response.status) from error


def _status_error(status: int) -> EdgeError:
    if status == 401:
        return Unauthorized("Reddit does not accept these keys", FIX)
    return Rejected(f"Reddit refused with status {status}")


class _Me(msgspec.Struct):
    name: str


class _Data(msgspec.Struct):
    name: str
    author: str | None = None
    title: str = ""
    selftext: str = ""
    body: str = ""
    permalink: str = ""
    context: str = ""
    created_utc: float = 0.0
    link_id: str = ""
    parent_id: str | None = None
    first_message_name: str | None = None
    removed_by_category: str | None = None


class _Child(msgspec.Struct):
    kind: str
    data: _Data


class _Children(msgspec.Struct):
    children: list[Any] = []


class _Listing(msgspec.Struct):
    data: _Children


DELETED: Final = frozenset({"[deleted]", "[removed]"})


def things(body: Any, site: str) -> list[Thing]:
    """The posts, comments and messages of a listing, without those that cannot be decoded."""
    try:
        children = msgspec.convert(body, _Listing).data.children
    except msgspec.ValidationError as error:
        raise Unavailable(f"Reddit returned an unexpected response: {error}") from error
    result: list[Thing] = []
    for child in children:
        try:
            data = msgspec.convert(child, _Child, strict=False).data
        except msgspec.ValidationError:
            continue
        text = data.body or "\n".join(filter(None, (data.title, data.selftext)))
        path = data.permalink or data.context
        result.append(
            Thing(
                id=data.name,
                author=data.author or "",
                text=text,
                url=f"{site}{path}" if path else "",
                created_at=datetime.fromtimestamp(data.created_utc, UTC),
                thread=data.link_id or _thread(path) or data.first_message_name or data.name,
                parent=data.parent_id,
                deleted=data.author in (None, "[deleted]") or text in DELETED or data.removed_by_category is not None,
            )
        )
    return result


def _thread(path: str) -> str:
    """The full name of the post that a path leads to; empty where there is none."""
    match = _IN_THREAD.search(path)
    return f"t3_{match[1]}" if match else ""


def feed_things(feed: Feed) -> list[Thing]:
    """The entries of one of Reddit's Atom feeds, in order."""
    if not feed.is_feed:
        raise Unavailable("Reddit returned something that is not a feed.")
    return [thing for entry in feed.entries if (thing := _entry(entry)) is not None]


def _entry(entry: Entry) -> Thing | None:
    native_id = entry.guid
    if not native_id.startswith(("t1_", "t3_")) or entry.published is None:
        return None
    body = _BODY.search(entry.html)
    text = html_to_text(body[1]) if body else ""
    title = entry.title if native_id.startswith("t3_") else ""
    thread = _thread(entry.link) or native_id
    return Thing(
        id=native_id,
        author=entry.author.removeprefix("/u/"),
        text="\n".join(filter(None, (title, text))),
        url=entry.link,
        created_at=entry.published,
        thread=thread,
        parent=thread if native_id.startswith("t1_") else None,
    )
