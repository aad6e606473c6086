"""Reddit: feeds that everybody may read, or the API for those who hold a key (`pip install 'ascolto[reddit]'`).

https://www.reddit.com/wiki/rss, https://www.reddit.com/dev/api, https://asyncpraw.readthedocs.io
"""

import calendar
import re
from collections.abc import AsyncGenerator, Awaitable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, TypeVar
from urllib.parse import urlencode

import aiohttp
import msgspec

from connections.http import USER_AGENT, broken, call, refused, retry_after
from models.errors import EdgeError, OperatorError, Rejected, Unauthorized, Unavailable, Uncertain
from models.text import plain

T = TypeVar("T")

FIX: Final = (
    "Reddit gives keys on request (reddit.com/r/redditdev/wiki/api): put the app's id and secret and the account's refresh token"
    " into the environment variables that ascolto.toml names."
)
FIX_FEED: Final = "Check the names of the subreddits in ascolto.toml: is one private, or spelled otherwise?"
PAGE: Final = 100
_BODY = re.compile(r"<!-- SC_OFF -->(.*?)<!-- SC_ON -->", re.DOTALL)
_IN_THREAD = re.compile(r"/comments/(\w+)/")


class Thing(msgspec.Struct, frozen=True, kw_only=True):
    """A post or a comment, wherever it was read; `id` is its full name (t3_…, t1_…)."""

    id: str
    author: str
    text: str
    url: str
    at: datetime
    thread: str
    parent: str | None = None
    to_us: bool = False
    gone: bool = False


@dataclass(frozen=True)
class Keys:
    client_id: str
    client_secret: str
    refresh_token: str


class Reddit:
    """`site` is where feeds are read and tokens are made, `api` where calls with a token go."""

    platform = "reddit"

    def __init__(self, name: str, http: aiohttp.ClientSession, *, site: str, api: str, keys: Keys | None) -> None:
        self.name = name
        self.keyed = keys is not None
        self.account = ""
        self._http = http
        self._site = site.rstrip("/")
        self._reddit = _client(keys, http, self._site, api.rstrip("/")) if keys else None

    async def open(self) -> str:
        """The account's name, proved; nothing without keys."""
        return self.account or await self.prove()

    async def prove(self) -> str:
        if self._reddit is not None:
            self.account = msgspec.convert(await self.get("/api/v1/me"), _Me).name
        return self.account

    async def get(self, path: str, parameters: Mapping[str, str] | None = None) -> Any:
        return await _called(
            self._api().request(method="GET", path=path, params={"raw_json": "1", **(parameters or {})})
        )

    async def post(self, path: str, data: Mapping[str, str]) -> Any:
        """Uncertain when it broke off on the way."""
        return await _called(self._api().request(method="POST", path=path, data=dict(data)))

    def _api(self) -> Any:
        if self._reddit is None:
            raise Rejected("There is no key to Reddit's API.")
        return self._reddit

    async def listing(self, path: str, parameters: Mapping[str, str] | None = None) -> list[Thing]:
        """The newest of a listing, newest first, from the API where there is a key and from the feed elsewhere."""
        wanted = {"limit": str(PAGE), **(parameters or {})}
        if self.keyed:
            return things(await self.get(path, wanted), self._site)
        answer = await call(
            self._http, "GET", f"{self._site}{path}.rss?{urlencode(wanted)}", headers={"User-Agent": USER_AGENT}
        )
        if answer.status == 429:
            raise Unavailable("Reddit asks to wait", _reset(answer.headers) or retry_after(answer))
        if answer.status in (403, 404):
            raise Unauthorized(f"Reddit gives no feed ({answer.status})", FIX_FEED)
        if error := refused(answer, FIX_FEED):
            raise error
        return feed(answer.body)

    async def close(self) -> None:
        if self._reddit is not None:
            await self._reddit.close()


def _client(keys: Keys, http: aiohttp.ClientSession, site: str, api: str) -> Any:
    try:
        import asyncpraw
    except ImportError as error:
        raise OperatorError("Reddit's API needs one more library.", "pip install 'ascolto[reddit]'") from error
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
    """The SDK's own tries again what broke off, a reply too: it would be said twice. This one asks once, over our session."""
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
            changes = method == "POST" and not for_token
            headers = {**self.headers, **kwargs.pop("headers", {})}
            try:
                total = aiohttp.ClientTimeout(timeout or self.timeout)
                answer = await http.request(method, url, headers=headers, timeout=total, **kwargs)
                await answer.read()
            except (aiohttp.ClientError, TimeoutError, OSError) as error:
                raise broken(error, changes=changes) from error
            if answer.status >= 500:
                raise (Uncertain if changes else Unavailable)(f"Reddit answers with {answer.status}")
            if for_token and answer.status in (400, 401):
                raise Unauthorized("Reddit does not know these keys", FIX)
            yield answer

        async def close(self) -> None:
            """The session is shared."""

    return Requestor


def _reset(headers: Mapping[str, str]) -> float | None:
    """Seconds."""
    try:
        return max(1.0, float(headers.get("x-ratelimit-reset", "")))
    except ValueError:
        return None


async def _called(calling: Awaitable[T]) -> T:
    """A call of the SDK's, its failures as ours."""
    import asyncprawcore.exceptions as raised

    try:
        return await calling
    except (raised.OAuthException, raised.InvalidToken, raised.InsufficientScope) as error:
        raise Unauthorized("Reddit does not know these keys", FIX) from error
    except raised.TooManyRequests as error:
        raise Unavailable("Reddit asks to wait", _reset(error.response.headers)) from error
    except raised.ResponseException as error:
        raise _by_status(error.response.status) from error


def _by_status(status: int) -> EdgeError:
    if status == 401:
        return Unauthorized("Reddit does not know these keys", FIX)
    return Rejected(f"Reddit refuses: {status}")


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


GONE: Final = frozenset({"[deleted]", "[removed]"})


def things(said: Any, site: str) -> list[Thing]:
    """The posts, comments and messages of a listing; what cannot be read is passed over."""
    try:
        children = msgspec.convert(said, _Listing).data.children
    except msgspec.ValidationError as error:
        raise Unavailable(f"Reddit answered something else than expected: {error}") from error
    found: list[Thing] = []
    for child in children:
        try:
            data = msgspec.convert(child, _Child, strict=False).data
        except msgspec.ValidationError:
            continue
        text = data.body or "\n".join(filter(None, (data.title, data.selftext)))
        path = data.permalink or data.context
        found.append(
            Thing(
                id=data.name,
                author=data.author or "",
                text=text,
                url=f"{site}{path}" if path else "",
                at=datetime.fromtimestamp(data.created_utc, UTC),
                thread=data.link_id or _thread(path) or data.first_message_name or data.name,
                parent=data.parent_id,
                gone=data.author in (None, "[deleted]") or text in GONE or data.removed_by_category is not None,
            )
        )
    return found


def _thread(path: str) -> str:
    found = _IN_THREAD.search(path)
    return f"t3_{found[1]}" if found else ""


def feed(body: bytes) -> list[Thing]:
    """The entries of one of Reddit's Atom feeds, in their order."""
    import feedparser

    try:
        read = feedparser.parse(body)
    except (ValueError, RecursionError, LookupError) as error:
        raise Unavailable(f"The feed cannot be read: {type(error).__name__}") from error
    if not read.version and not read.entries:
        raise Unavailable("Reddit answered something else than a feed.")
    return [thing for entry in read.entries if (thing := _entry(entry)) is not None]


def _entry(entry: Any) -> Thing | None:
    native_id, link = entry.get("id", ""), entry.get("link", "")
    at = entry.get("published_parsed") or entry.get("updated_parsed")
    if not native_id.startswith(("t1_", "t3_")) or not at:
        return None
    content = next((part.get("value", "") for part in entry.get("content", ())), "")
    words = _BODY.search(content)
    text = plain(words[1]) if words else ""
    title = plain(entry.get("title", "")) if native_id.startswith("t3_") else ""
    thread = _thread(link) or native_id
    return Thing(
        id=native_id,
        author=entry.get("author", "").removeprefix("/u/"),
        text="\n".join(filter(None, (title, text))),
        url=link,
        at=datetime.fromtimestamp(calendar.timegm(at), UTC),
        thread=thread,
        parent=thread if native_id.startswith("t1_") else None,
    )
