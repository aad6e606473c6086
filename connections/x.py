"""One login on X: tweepy's client, mended where it harms, and what every call costs.

https://docs.x.com/x-api/introduction, https://docs.x.com/x-api/getting-started/pricing, https://docs.tweepy.org

tweepy names the hosts itself, prints the bearer token at DEBUG and asks again at once after a 429 without a reset: so its
requests are made here, with our session and our errors. Posts read are paid for one by one; a month's budget is never exceeded.
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

from connections.http import Answer, call, refused
from models.errors import Paused, Rejected, Unauthorized, Unavailable, Uncertain

T = TypeVar("T")

# It writes what it signs, and the signature.
logging.getLogger("oauthlib").setLevel(logging.INFO)

FIX: Final = (
    "At console.x.com open the app's Keys and tokens, make the bearer token, the consumer keys and the access token (with Read"
    " and write) anew, and put each in the environment variable that ascolto.toml names."
)
FIX_BUDGET: Final = "Raise `monthly_budget` of this connection, or wait for the first of the month."
FIX_CREDITS: Final = "Buy credits at console.x.com → Billing, or raise the spending limit there."
POST_FIELDS: Final = [
    "author_id", "conversation_id", "created_at", "edit_history_tweet_ids", "in_reply_to_user_id", "lang", "note_tweet",
    "public_metrics", "referenced_tweets",
]  # fmt: skip
USER_FIELDS: Final = ["name", "username", "public_metrics"]
OUR_FIELDS: Final = [*USER_FIELDS, "subscription_type"]
_LINK = re.compile(r"https?://|www\.|\b[\w-]+\.(?:com|net|org|it|ro|eu|io|co)\b", re.IGNORECASE)


@dataclass(frozen=True)
class Prices:
    """In the currency of the budget; what X bills, or more: what is read again within a day it counts once, we count twice."""

    post: float
    author: float
    reply: float
    reply_with_link: float
    count: float


@dataclass
class Ledger:
    """What was spent this calendar month, in UTC; kept in the ear's bookmark."""

    budget: float
    prices: Prices
    now: Callable[[], datetime]
    spent: float = 0.0
    month: str = field(default="")
    resumed: bool = False

    def room(self) -> float:
        """What is left of the month's budget; without end where there is none."""
        self._turn()
        return max(0.0, self.budget - self.spent) if self.budget else float("inf")

    def charge(self, amount: float) -> None:
        self._turn()
        self.spent += amount

    def posts(self, wanted: int, least: int) -> int:
        """How many posts may be asked for at once; raises Paused where not even the least is affordable."""
        price = self.prices.post + self.prices.author
        affordable = self.room() / price if price else float("inf")
        if affordable < least:
            self.pause()
        return int(min(wanted, affordable))

    def afford(self, amount: float) -> None:
        if self.room() < amount:
            self.pause()

    def pause(self) -> NoReturn:
        after = (self.now().replace(day=1) + timedelta(days=32)).replace(day=1, hour=0, minute=0, second=0)
        reason = f"the month's budget is spent: {self.spent:.2f} of {self.budget:.2f}"
        raise Paused(reason, FIX_BUDGET, (after - self.now()).total_seconds())

    def resume(self, month: str, spent: float) -> None:
        """Goes on, once, from what was written down by the program before; what was spent meanwhile stays counted."""
        self._turn()
        if month == self.month and not self.resumed:
            self.spent += spent
        self.resumed = True

    def _turn(self) -> None:
        month = f"{self.now():%Y-%m}"
        if month != self.month:
            self.month, self.spent = month, 0.0


@dataclass(frozen=True)
class Keys:
    """`bearer` reads, the other four act as the account."""

    bearer: str
    consumer_key: str = ""
    consumer_secret: str = ""
    access_token: str = ""
    access_secret: str = ""


class Unreadable(Unavailable):
    """The call succeeded, and what it brought cannot be read."""


class _Response:
    """What tweepy wants of an answer."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer

    async def json(self) -> Any:
        try:
            return msgspec.json.decode(self._answer.body or b"{}")
        except msgspec.DecodeError as error:
            raise Unreadable(f"X answered something else than expected: {error}") from error


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
            # The signature is over colons that are escaped; aiohttp would leave them as they are.
            before, mark, query = url.partition("?")
            url = before + mark + query.replace(":", "%3A")
        changes = method == "POST"
        answer = await call(self._http, method, URL(url, encoded=True), json=json, headers=headers, changes=changes)
        return _Response(checked(answer, changes=changes))


class X:
    """`base_url` is where the API is called. Reads go with the bearer token, replies and our own account with the others."""

    platform = "x"

    def __init__(self, name: str, keys: Keys, ledger: Ledger, http: aiohttp.ClientSession, *, base_url: str) -> None:
        self.name = name
        self.ledger = ledger
        self.http = http
        self.base_url = base_url.rstrip("/")
        self.me: User | None = None
        self._keys = keys
        self._client = _Client(keys, self.base_url, http)

    @property
    def acts(self) -> bool:
        """Whether there are keys to act as the account."""
        return bool(self._keys.access_token)

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._keys.bearer}"}

    async def open(self) -> "User | None":
        """Proves the keys and learns who we are; None without keys to act with, which prove themselves when first used."""
        return self.me or await self.prove()

    async def prove(self) -> "User | None":
        """Who we are, asked anew and paid for."""
        if self.acts:
            self.ledger.afford(self.ledger.prices.author)
            found = _read(await self._client.get_me(user_fields=OUR_FIELDS), _Me)
            self.ledger.charge(self.ledger.prices.author)
            self.me = found.data
        return self.me

    async def mentions(self, user: str, wanted: int, **parameters: Any) -> "Page":
        """Posts that name an account, newest first."""
        return await self._page(self._client.get_users_mentions, user, wanted, 5, **parameters)

    async def posts_of(self, user: str, wanted: int, **parameters: Any) -> "Page":
        return await self._page(self._client.get_users_tweets, user, wanted, 5, exclude=["retweets"], **parameters)

    async def search(self, query: str, wanted: int, **parameters: Any) -> "Page":
        return await self._page(self._client.search_recent_tweets, query, wanted, 10, **parameters)

    async def posts(self, ids: Sequence[str]) -> "Page":
        """Posts by their ids, those that are gone left out."""
        self.ledger.afford(len(ids) * (self.ledger.prices.post + self.ledger.prices.author))
        return self._paid(await self._client.get_tweets(ids=list(ids), **_EXPANDED))

    async def _page(self, method: Any, of: str, wanted: int, least: int, **parameters: Any) -> "Page":
        count = self.ledger.posts(wanted, least)
        return self._paid(await method(of, max_results=count, **_EXPANDED, **parameters))

    def _paid(self, said: Any) -> "Page":
        raw = _read(said, _RawPage)
        rows = [tweet for row in raw.data if (tweet := _maybe(row, Tweet)) is not None]
        users = [user for row in raw.includes.users if (user := _maybe(row, User)) is not None]
        page = Page(rows, _Includes(users), raw.meta)
        prices = self.ledger.prices
        self.ledger.charge(len(page.data) * prices.post + len(page.includes.users) * prices.author)
        return page

    async def expected(self, query: str) -> int:
        """How many posts a month a query would find, from those of the last week."""
        self.ledger.afford(self.ledger.prices.count)
        said = _read(await self._client.get_recent_tweets_count(query, granularity="day"), _Counts)
        self.ledger.charge(self.ledger.prices.count)
        return round(said.meta.total_tweet_count * 30 / 7)

    async def reply(self, text: str, under: str) -> str:
        """The id of what was said; Uncertain when it broke off on the way."""
        prices = self.ledger.prices
        cost = prices.reply_with_link if _LINK.search(text) else prices.reply
        self.ledger.afford(cost)
        try:
            said = await self._client.create_tweet(text=text, in_reply_to_tweet_id=under, user_auth=True)
            self.ledger.charge(cost)
            return _read(said, _Made).data.id
        except Unreadable as error:
            raise Uncertain(error.reason) from error

    async def rules(self) -> "list[Rule]":
        said = await (await self._client.request("GET", "/2/tweets/search/stream/rules")).json()
        return _read(said, _Rules).data

    async def change_rules(self, *, add: Sequence[str] = (), remove: Sequence[str] = ()) -> None:
        route = "/2/tweets/search/stream/rules"
        if remove:
            await self._client.request("POST", route, json={"delete": {"ids": list(remove)}})
        if add:
            tagged = [{"value": value, "tag": f"ascolto {self.name}"} for value in add]
            await self._client.request("POST", route, json={"add": tagged})

    async def close(self) -> None:
        """Nothing is held: the HTTP session is shared."""


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
    """A page before its rows are read one by one: one that cannot be read keeps nobody from the others."""

    data: list[Any] = []
    includes: _RawIncludes = msgspec.field(default_factory=_RawIncludes)
    meta: _Meta = msgspec.field(default_factory=_Meta)


class _Me(msgspec.Struct):
    data: User


class _Id(msgspec.Struct):
    id: str


class _Made(msgspec.Struct):
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


def _maybe(said: Any, kind: type[T]) -> T | None:
    try:
        return msgspec.convert(said, kind, strict=False)
    except msgspec.ValidationError:
        return None


def _read(said: Any, kind: type[T]) -> T:
    try:
        return msgspec.convert(said, kind, strict=False)
    except msgspec.ValidationError as error:
        raise Unreadable(f"X answered something else than expected: {error}") from error


def checked(answer: Answer, *, changes: bool = False) -> Answer:
    if answer.status == 402:
        raise Paused("X wants to be paid: the credits are used up", FIX_CREDITS)
    if answer.status == 429:
        raise Unavailable("X asks to wait", _until_reset(answer))
    if answer.status == 403 and changes:
        raise Rejected(_detail(answer))
    if answer.status in (401, 403):
        raise Unauthorized(f"X refuses: {_detail(answer)}", FIX)
    if error := refused(answer, FIX, changes=changes):
        raise error if not isinstance(error, Rejected) else Rejected(_detail(answer))
    return answer


def _detail(answer: Answer) -> str:
    try:
        problem = msgspec.json.decode(answer.body, type=_Problem)
    except msgspec.DecodeError:
        return f"status {answer.status}"
    return problem.detail or problem.title or f"status {answer.status}"


def _until_reset(answer: Answer) -> float | None:
    """Seconds, from x-rate-limit-reset, which counts since 1970."""
    try:
        reset = float(answer.headers.get("x-rate-limit-reset", ""))
    except ValueError:
        return None
    return max(1.0, reset - datetime.now(UTC).timestamp())
