"""The settings of each platform's connections. A platform is a subclass of Connection here; everything else finds it by that.

ascolto/platforms.py builds what a section asks for.
"""

from functools import reduce
from operator import or_
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

from pydantic import Field, TypeAdapter

from config.section import Section

Role = Literal["listener", "responder", "desk"]


class Connection(Section):
    """What every connection has. With `brand`, everything received on it concerns that brand."""

    name: Annotated[str, Field(pattern="^[a-z0-9][a-z0-9-]{0,39}$")]
    brand: str = ""

    @property
    def roles(self) -> tuple[Role, ...]:
        """What this connection is used for."""
        return ("listener",)


def _roles(**roles: bool) -> tuple[Role, ...]:
    return tuple(role for role, enabled in roles.items() if enabled)  # type: ignore[misc]


class Feed(Connection):
    platform: Literal["feed"]
    url: Annotated[str, Field(pattern="^https?://")]
    interval_seconds: Annotated[float, Field(ge=0.05)] = 300
    allow_private_addresses: bool = False


class Bluesky(Connection):
    platform: Literal["bluesky"]
    listen: bool = True
    jetstream: str = "wss://jetstream.us-west.bsky.network/xrpc/network.bsky.jetstream.subscribeEvents"
    silence_seconds: Annotated[float, Field(gt=0)] = 30
    service: str = "https://bsky.social"
    appview: str = "https://public.api.bsky.app"
    handle: str = ""
    password_env: str = "BLUESKY_APP_PASSWORD"  # noqa: S105 - a name, not a secret

    @property
    def roles(self) -> tuple[Role, ...]:
        return _roles(listener=self.listen, responder=bool(self.handle))


class Webhook(Connection):
    platform: Literal["webhook"]
    secret_env: str = "ASCOLTO_WEBHOOK_SECRET"  # noqa: S105
    signature_header: str = ""
    items: str = ""
    fields: dict[str, str] = Field(default_factory=dict)
    reply_url: Annotated[str, Field(pattern="^(https?://.*)?$")] = ""
    max_reply_length: Annotated[int, Field(ge=1)] = 10_000

    @property
    def roles(self) -> tuple[Role, ...]:
        return _roles(listener=True, responder=bool(self.reply_url))


class Telegram(Connection):
    platform: Literal["telegram"]
    token_env: str = "TELEGRAM_TOKEN"  # noqa: S105
    listen: bool = False
    desk: bool = True
    publish: bool = False
    base_url: str = "https://api.telegram.org/bot"
    base_file_url: str = "https://api.telegram.org/file/bot"
    poll_seconds: Annotated[int, Field(ge=0, le=50)] = 25

    @property
    def roles(self) -> tuple[Role, ...]:
        return _roles(listener=self.listen, responder=self.publish, desk=self.desk)


class Mastodon(Connection):
    platform: Literal["mastodon"]
    server: Annotated[str, Field(pattern="^https?://")] = "https://mastodon.social"
    token_env: str = "MASTODON_TOKEN"  # noqa: S105
    hashtags: tuple[str, ...] = ()
    public: Literal["off", "local", "federated"] = "off"
    publish: bool = False

    @property
    def roles(self) -> tuple[Role, ...]:
        return _roles(listener=True, responder=self.publish)


class Discord(Connection):
    platform: Literal["discord"]
    token_env: str = "DISCORD_TOKEN"  # noqa: S105
    listen: bool = True
    desk: bool = False
    publish: bool = False
    message_content: bool = True
    api: str = "https://discord.com/api/v10"
    gateway: str = "wss://gateway.discord.gg/"

    @property
    def roles(self) -> tuple[Role, ...]:
        return _roles(listener=self.listen, responder=self.publish, desk=self.desk)


class Reddit(Connection):
    platform: Literal["reddit"]
    subreddits: tuple[str, ...] = ()
    search: str = ""
    interval_seconds: Annotated[float, Field(ge=0.05)] = 120
    api: bool = False
    publish: bool = False
    deletion_check_days: Annotated[int, Field(ge=0, le=30)] = 2
    client_id_env: str = "REDDIT_CLIENT_ID"
    client_secret_env: str = "REDDIT_CLIENT_SECRET"  # noqa: S105
    refresh_token_env: str = "REDDIT_REFRESH_TOKEN"  # noqa: S105
    site_url: str = "https://www.reddit.com"
    api_url: str = "https://oauth.reddit.com"

    @property
    def roles(self) -> tuple[Role, ...]:
        return _roles(listener=True, responder=self.publish)


class HackerNews(Connection):
    platform: Literal["hackernews"]
    query: str
    interval_seconds: Annotated[float, Field(ge=0.05)] = 120
    api: str = "https://hn.algolia.com/api/v1"


class X(Connection):
    """Prices in the currency of the budget; the defaults are X's of November 2026, in dollars."""

    platform: Literal["x"]
    search: str = ""
    stream: bool = False
    publish: bool = False
    interval_seconds: Annotated[float, Field(ge=0.05)] = 120
    monthly_budget: Annotated[float, Field(ge=0)] = 50.0
    price_post: Annotated[float, Field(ge=0)] = 0.005
    price_author: Annotated[float, Field(ge=0)] = 0.01
    price_reply: Annotated[float, Field(ge=0)] = 0.015
    price_reply_with_link: Annotated[float, Field(ge=0)] = 0.2
    price_count: Annotated[float, Field(ge=0)] = 0.005
    deletion_check_days: Annotated[int, Field(ge=0, le=30)] = 2
    bearer_env: str = "X_BEARER_TOKEN"
    consumer_key_env: str = "X_CONSUMER_KEY"
    consumer_secret_env: str = "X_CONSUMER_SECRET"  # noqa: S105
    access_token_env: str = "X_ACCESS_TOKEN"  # noqa: S105
    access_secret_env: str = "X_ACCESS_SECRET"  # noqa: S105
    api: str = "https://api.x.com"

    @property
    def roles(self) -> tuple[Role, ...]:
        return _roles(listener=True, responder=self.publish)


class Slack(Connection):
    platform: Literal["slack"]
    token_env: str = "SLACK_BOT_TOKEN"  # noqa: S105
    app_token_env: str = "SLACK_APP_TOKEN"  # noqa: S105
    base_url: str = "https://slack.com/api/"

    @property
    def roles(self) -> tuple[Role, ...]:
        return ("desk",)


class Mail(Connection):
    platform: Literal["mail"]
    host: Annotated[str, Field(min_length=1)] = "127.0.0.1"
    port: Annotated[int, Field(ge=1, le=65_535)] = 587
    security: Literal["starttls", "tls", "none"] = "starttls"
    username: str = ""
    password_env: str = "MAIL_PASSWORD"  # noqa: S105
    sender: str = "Ascolto <ascolto@localhost>"

    @property
    def roles(self) -> tuple[Role, ...]:
        return ("desk",)


class Square(Connection):
    platform: Literal["square"]
    url: str = "http://127.0.0.1:8422"

    @property
    def roles(self) -> tuple[Role, ...]:
        return ("listener", "responder")


def connection_sections() -> dict[str, type[Connection]]:
    """Platform → its section."""
    return {_platform(section): section for section in Connection.__subclasses__()}


def _platform(section: type[Connection]) -> str:
    return str(section.model_fields["platform"].annotation.__args__[0])  # type: ignore[union-attr]


if TYPE_CHECKING:
    AnyConnection = Connection
else:
    AnyConnection = Annotated[reduce(or_, Connection.__subclasses__()), Field(discriminator="platform")]
CONNECTION: Final[TypeAdapter[Any]] = TypeAdapter(AnyConnection)
