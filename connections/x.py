"""One login on X: tweepy's client over our own requests, and what every call costs.

https://docs.x.com/x-api/introduction, https://docs.x.com/x-api/getting-started/pricing, https://docs.tweepy.org

tweepy has fixed hosts, logs the bearer token at DEBUG level and retries immediately after a 429 without a reset time: its
requests are made here instead, with our session and our errors. Every post read is paid for; a monthly budget is never exceeded.
"""

import logging
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NoReturn, TypeVar

import aiohttp
import msgspec
from oauthlib.oauth1 import Client as OAuthClient
from tweepy.asynchronous import AsyncClient
from yarl import URL

from connections.http import HttpResponse, call, http_error
from models.errors import Paused, Rejected, Unauthorized, Unavailable, Uncertain

T = TypeVar("T")

# It logs what it signs, and the signature.
logging.getLogger("oauthlib").setLevel(logging.INFO)

FIX: Final = (
    "At console.x.com open the app's Keys and tokens, regenerate the bearer token, the consumer keys and the access token (with"
    " Read and write), and put each in the environment variable that ascolto.toml names."
)
FIX_BUDGET: Final = "Raise `monthly_budget` of this connection, or wait for the first of the month."
FIX_CREDITS: Final = "Buy credits at console.x.com → Billing, or raise the spending limit there."
POST_FIELDS: Final = [
    "author_id", "conversation_id", "created_at", "edit_history_tweet_ids", "in_reply_to_user_id", "lang", "note_tweet",
    "public_metrics", "referenced_tweets",
]  # fmt: skip
USER_FIELDS: Final = ["name", "username", "public_metrics"]
ACCOUNT_FIELDS: Final = [*USER_FIELDS, "subscription_type"]
_LINK = re.compile(r"https?://|www\.|\b[\w-]+\.(?:com|net|org|it|ro|eu|io|co)\b", re.IGNORECASE)


@dataclass(frozen=True)
class Prices:
    """In the currency of the budget. At least what X bills: it bills what is read again within a day once, we count it twice."""

    post: float
    author: float
    reply: float
    reply_with_link: float
    count: float


@dataclass
class Ledger:
    """What was spent this calendar month, in UTC; saved in the listener's cursor."""

    budget: float
    prices: Prices
    now: Callable[[], datetime]
    spent: float = 0.0
    month: str = field(default="")
    resumed: bool = False

    def remaining(self) -> float:
        """What is left of the monthly budget; infinite without one."""
        self._start_new_month()
        return max(0.0, self.budget - self.spent) if self.budget else float("inf")

    def charge(self, amount: float) -> None:
        self._start_new_month()
        self.spent += amount

    def allowed_posts(self, maximum: int, minimum: int) -> int:
        """How many posts one call may request; raises Paused where not even the minimum is affordable."""
        price = self.prices.post + self.prices.author
        affordable = self.remaining() / price if price else float("inf")
        if affordable < minimum:
            self.pause()
        return int(min(maximum, affordable))

    def require(self, amount: float) -> None:
        if self.remaining() < amount:
            self.pause()

    def pause(self) -> NoReturn:
        next_month = (self.now().replace(day=1) + timedelta(days=32)).replace(day=1, hour=0, minute=0, second=0)
        reason = f"the monthly budget is spent: {self.spent:.2f} of {self.budget:.2f}"
        raise Paused(reason, FIX_BUDGET, (next_month - self.now()).total_seconds())

    def resume(self, month: str, spent: float) -> None:
        """Adds, once, what was spent before a restart; what was spent since then stays counted."""
        self._start_new_month()
        if month == self.month and not self.resumed:
            self.spent += spent
        self.resumed = True

    def _start_new_month(self) -> None:
        month = f"{self.now():%Y-%m}"
        if month != self.month:
            self.month, self.spent = month, 0.0


@dataclass(frozen=True)
class Keys:
    """`bearer` reads; the other four act as the account."""

    bearer: str
    consumer_key: str = ""
    consumer_secret: str = ""
    access_token: str = ""
    access_secret: str = ""


class Unreadable(Unavailable):
    """The call succeeded, but its response cannot be read."""


class _Response:
    """What tweepy needs of a response."""

    def __init__(self, response: HttpResponse) -> None:
        self._response = response

    async def json(self) -> Any:
        try:
            return msgspec.json.decode(self._response.body or b"{}")
        except msgspec.DecodeError as error:
            raise Unreadable(f"X returned an unexpected response: {error}") from error


class _Client(AsyncClient):  # type: ignore[misc]  # tweepy comes without types
    """tweepy's methods over our requests."""

    def __init__(self, keys: Keys, base_url: str, http: aiohttp.ClientSession) -> None:
        super().__init__(
            keys.bearer,
            keys.consumer_key,
            keys.consumer_secret,
            keys.access_token,
            keys.access_secret,
            return_type=dict,
        )
        self._base_url = base_url
        self._http = http

    async def request(
        self,
        method: str,
        route: str,
        params: Mapping[str, Any] | None = None,
        json: Any = None,
        user_auth: bool = False,
    ) -> _Response:
        url = str(URL(self._base_url + route).with_query(sorted((params or {}).items())))
        headers = {"Authorization": f"Bearer {self.bearer_token}"}
        if user_auth:
            signer = OAuthClient(self.consumer_key, self.consumer_secret, self.access_token, self.access_token_secret)
            url, headers, _ = signer.sign(url, method)
            # The signature covers escaped colons; aiohttp would not escape them.
            path, separator, query = url.partition("?")
            url = path + separator + query.replace(":", "%3A")
        writes = method == "POST"
        response = await call(self._http, method, URL(url, encoded=True), json=json, headers=headers, writes=writes)
        return _Response(checked(response, writes=writes))


class X:
    """`base_url` is the API's. The bearer token reads; the other keys publish, and look up our own account."""

    platform = "x"

    def __init__(self, name: str, keys: Keys, ledger: Ledger, http: aiohttp.ClientSession, *, base_url: str) -> None:
        self.name = name
        self.ledger = ledger
        self.http = http
        self.base_url = base_url.rstrip("/")
        self.account: User | None = None
        self._keys = keys
        self._client = _Client(keys, self.base_url, http)

    @property
    def has_account_keys(self) -> bool:
        """Whether there are keys to act as the account."""
        return bool(self._keys.access_token)

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._keys.bearer}"}

    async def open(self) -> "User | None":
        """Our account, requested once; None without account keys: the bearer token is verified by its first use."""
        return self.account or await self.verify_credentials()

    async def verify_credentials(self) -> "User | None":
        """Our account, requested every time, which is paid for."""
        if self.has_account_keys:
            self.ledger.require(self.ledger.prices.author)
            me = _decode(await self._client.get_me(user_fields=ACCOUNT_FIELDS), _Me)
            self.ledger.charge(self.ledger.prices.author)
            self.account = me.data
        return self.account

    async def mentions(self, user: str, maximum: int, **parameters: Any) -> "Page":
        """Posts that mention an account, newest first."""
        return await self._page(self._client.get_users_mentions, user, maximum, 5, **parameters)

    async def posts_of(self, user: str, maximum: int, **parameters: Any) -> "Page":
        return await self._page(self._client.get_users_tweets, user, maximum, 5, exclude=["retweets"], **parameters)

    async def search(self, query: str, maximum: int, **parameters: Any) -> "Page":
        return await self._page(self._client.search_recent_tweets, query, maximum, 10, **parameters)

    async def posts(self, ids: Sequence[str]) -> "Page":
        """Posts by their ids, without those that no longer exist."""
        self.ledger.require(len(ids) * (self.ledger.prices.post + self.ledger.prices.author))
        return self._charged_page(await self._client.get_tweets(ids=list(ids), **_EXPANDED))

    async def _page(self, method: Any, subject: str, maximum: int, minimum: int, **parameters: Any) -> "Page":
        """`subject` is a user's id or a query; `minimum` is the fewest posts that this call of X's can return."""
        count = self.ledger.allowed_posts(maximum, minimum)
        return self._charged_page(await method(subject, max_results=count, **_EXPANDED, **parameters))

    def _charged_page(self, body: Any) -> "Page":
        raw = _decode(body, _RawPage)
        posts = [tweet for row in raw.data if (tweet := _decode_or_none(row, Tweet)) is not None]
        users = [user for row in raw.includes.users if (user := _decode_or_none(row, User)) is not None]
        page = Page(posts, _Includes(users), raw.meta)
        prices = self.ledger.prices
        self.ledger.charge(len(page.data) * prices.post + len(page.includes.users) * prices.author)
        return page

    async def monthly_posts(self, query: str) -> int:
        """An estimate of how many posts a month match a query, from those of the last week."""
        self.ledger.require(self.ledger.prices.count)
        counts = _decode(await self._client.get_recent_tweets_count(query, granularity="day"), _Counts)
        self.ledger.charge(self.ledger.prices.count)
        return round(counts.meta.total_tweet_count * 30 / 7)

    async def reply(self, text: str, in_reply_to: str) -> str:
        """The id of the published reply; raises Uncertain where the call was interrupted after it was sent."""
        prices = self.ledger.prices
        cost = prices.reply_with_link if _LINK.search(text) else prices.reply
        self.ledger.require(cost)
        try:
            body = await self._client.create_tweet(text=text, in_reply_to_tweet_id=in_reply_to, user_auth=True)
            self.ledger.charge(cost)
            return _decode(body, _Created).data.id
        except Unreadable as error:
            raise Uncertain(error.reason) from error

    async def rules(self) -> "list[Rule]":
        response = await self._client.request("GET", "/2/tweets/search/stream/rules")
        return _decode(await response.json(), _Rules).data

    async def change_rules(self, *, add: Sequence[str] = (), remove: Sequence[str] = ()) -> None:
        route = "/2/tweets/search/stream/rules"
        if remove:
            await self._client.request("POST", route, json={"delete": {"ids": list(remove)}})
        if add:
            tagged = [{"value": value, "tag": f"ascolto {self.name}"} for value in add]
            await self._client.request("POST", route, json={"add": tagged})

    async def close(self) -> None:
        """Nothing to close: the HTTP session is shared."""


_EXPANDED: Final[dict[str, Any]] = {
    "tweet_fields": POST_FIELDS, "user_fields": USER_FIELDS, "expansions": ["author_id"],
}  # fmt: skip


class _Followers(msgspec.Struct):
    followers_count: int = 0


class User(msgspec.Struct):
    """https://docs.x.com/x-api/fundamentals/data-dictionary"""

    id: str
    username: str
    name: str = ""
    subscription_type: str = "None"
    public_metrics: _Followers = msgspec.field(default_factory=_Followers)


class Reference(msgspec.Struct):
    type: str
    id: str


class _Note(msgspec.Struct):
    text: str


class Tweet(msgspec.Struct):
    """A post; X is in the middle of renaming tweets to posts, so both names are read."""

    id: str
    text: str = ""
    author_id: str = ""
    conversation_id: str = ""
    created_at: datetime | None = None
    lang: str = ""
    note_tweet: _Note | None = None
    note_post: _Note | None = None
    referenced_tweets: list[Reference] = []
    referenced_posts: list[Reference] = []
    edit_history_tweet_ids: list[str] = []
    edit_history_post_ids: list[str] = []
    public_metrics: dict[str, int] = {}


class _Includes(msgspec.Struct):
    users: list[User] = []


class _Meta(msgspec.Struct):
    next_token: str = ""
    newest_id: str = ""


class Page(msgspec.Struct):
    data: list[Tweet] = []
    includes: _Includes = msgspec.field(default_factory=_Includes)
    meta: _Meta = msgspec.field(default_factory=_Meta)


class _RawIncludes(msgspec.Struct):
    users: list[Any] = []


class _RawPage(msgspec.Struct):
    """A page before its rows are decoded one by one: a malformed row does not affect the others."""

    data: list[Any] = []
    includes: _RawIncludes = msgspec.field(default_factory=_RawIncludes)
    meta: _Meta = msgspec.field(default_factory=_Meta)


class _Me(msgspec.Struct):
    data: User


class _Id(msgspec.Struct):
    id: str


class _Created(msgspec.Struct):
    data: _Id


class _Total(msgspec.Struct):
    total_tweet_count: int = 0


class _Counts(msgspec.Struct):
    meta: _Total


class Rule(msgspec.Struct):
    id: str
    value: str
    tag: str = ""


class _Rules(msgspec.Struct):
    data: list[Rule] = []


class _Problem(msgspec.Struct):
    detail: str = ""
    title: str = ""


def _decode_or_none(body: Any, kind: type[T]) -> T | None:
    try:
        return msgspec.convert(body, kind, strict=False)
    except msgspec.ValidationError:
        return None


def _decode(body: Any, kind: type[T]) -> T:
    try:
        return msgspec.convert(body, kind, strict=False)
    except msgspec.ValidationError as error:
        raise Unreadable(f"X returned an unexpected response: {error}") from error


def checked(response: HttpResponse, *, writes: bool = False) -> HttpResponse:
    """The response; raises the error of any status from 400."""
    if response.status == 402:
        raise Paused("X requires payment: the credits are used up", FIX_CREDITS)
    if response.status == 429:
        raise Unavailable("X's rate limit is reached", _until_reset(response))
    if response.status == 403 and writes:
        raise Rejected(_detail(response))
    if response.status in (401, 403):
        raise Unauthorized(f"X refused: {_detail(response)}", FIX)
    if error := http_error(response, FIX, writes=writes):
        raise error if not isinstance(error, Rejected) else Rejected(_detail(response))
    return response


def _detail(response: HttpResponse) -> str:
    try:
        problem = msgspec.json.decode(response.body, type=_Problem)
    except msgspec.DecodeError:
        return f"status {response.status}"
    return problem.detail or problem.title or f"status {response.status}"


def _until_reset(response: HttpResponse) -> float | None:
    """Seconds, from x-rate-limit-reset, which is a Unix time."""
    try:
        reset = float(response.headers.get("x-rate-limit-reset", ""))
    except ValueError:
        return None
    return max(1.0, reset - datetime.now(UTC).timestamp())
