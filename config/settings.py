"""What the operator decides: machinery, and the names of secrets. One file, `ascolto.toml`.

Brands, queries, queues, members and saved replies are not here: they are rows (`ascolto apply FILE`).
"""

import os
import tomllib
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, TypeAdapter, ValidationError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

FILE: Final = "ascolto.toml"
EXAMPLE: Final = Path(__file__).parent / "ascolto.example.toml"
ENVIRONMENT: Final = "ASCOLTO_"


class SettingsError(Exception):
    """`problems` are sentences for the operator, one for each wrong key."""

    def __init__(self, file: Path, problems: list[str]) -> None:
        super().__init__(f"{file}:\n" + "\n".join(f"  · {line}" for line in problems))
        self.file = file
        self.problems = problems


class Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Store(Section):
    path: Path = Path("ascolto.db")


class Web(Section):
    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)] = 8420
    allowed_hosts: tuple[str, ...] = ()
    public_url: str = ""


class Webhooks(Section):
    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)] = 8421


class Sentiment(Section):
    model: str = "bundled"
    revision: str = ""
    languages: tuple[str, ...] = ("it", "ro", "en")
    calibration: Path = Path("sentiment-calibration.json")
    learns_overnight: bool = True


class SecondOpinion(Section):
    """Off while `url` is empty."""

    url: Annotated[str, Field(pattern="^(https?://.*)?$")] = ""
    model: str = ""
    key_env: str = "ASCOLTO_SECOND_OPINION_KEY"
    share: Annotated[float, Field(gt=0, le=0.5)] = 0.05
    price_in: Annotated[float, Field(ge=0)] = 0.0
    price_out: Annotated[float, Field(ge=0)] = 0.0
    monthly_budget: Annotated[float, Field(ge=0)] = 0.0


class Drafting(Section):
    """Off while `url` is empty."""

    url: Annotated[str, Field(pattern="^(https?://.*)?$")] = ""
    model: str = ""
    key_env: str = "ASCOLTO_DRAFTING_KEY"
    longest: Annotated[int, Field(ge=50, le=2_000)] = 400
    price_in: Annotated[float, Field(ge=0)] = 0.0
    price_out: Annotated[float, Field(ge=0)] = 0.0
    monthly_budget: Annotated[float, Field(ge=0)] = 0.0


class Spelling(Section):
    """Off while neither is named."""

    dictionaries: str = ""
    languagetool: Annotated[str, Field(pattern="^(https?://.*)?$")] = ""


class Triage(Section):
    backfill_opens_hours: Annotated[int, Field(ge=0)] = 24


class Log(Section):
    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["auto", "pretty", "json"] = "auto"


MappedField = Literal[
    "id", "text", "created_at", "url", "language", "thread", "parent", "platform", "kind",
    "author.handle", "author.id", "author.name", "author.followers", "author.url",
]  # fmt: skip
Role = Literal["ear", "voice", "desk"]


class Connection(Section):
    """What every connection has. With `brand`, all that is heard on it concerns that brand."""

    name: Annotated[str, Field(pattern="^[a-z0-9][a-z0-9-]{0,39}$")]
    brand: str = ""

    @property
    def roles(self) -> tuple[Role, ...]:
        """What this connection is to us."""
        return ("ear",)


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
        return _chosen(ear=self.listen, voice=bool(self.handle))


class Webhook(Connection):
    platform: Literal["webhook"]
    secret_env: str = "ASCOLTO_WEBHOOK_SECRET"  # noqa: S105
    signature_header: str = ""
    items: str = ""
    fields: dict[MappedField, str] = {}
    reply_url: Annotated[str, Field(pattern="^(https?://.*)?$")] = ""
    longest_reply: Annotated[int, Field(ge=1)] = 10_000

    @property
    def roles(self) -> tuple[Role, ...]:
        return _chosen(ear=True, voice=bool(self.reply_url))


class Telegram(Connection):
    platform: Literal["telegram"]
    token_env: str = "TELEGRAM_TOKEN"  # noqa: S105
    listen: bool = False
    desk: bool = True
    voice: bool = False
    base_url: str = "https://api.telegram.org/bot"
    base_file_url: str = "https://api.telegram.org/file/bot"
    poll_seconds: Annotated[int, Field(ge=0, le=50)] = 25

    @property
    def roles(self) -> tuple[Role, ...]:
        return _chosen(ear=self.listen, voice=self.voice, desk=self.desk)


class Mastodon(Connection):
    platform: Literal["mastodon"]
    server: Annotated[str, Field(pattern="^https?://")] = "https://mastodon.social"
    token_env: str = "MASTODON_TOKEN"  # noqa: S105
    hashtags: tuple[str, ...] = ()
    public: Literal["off", "local", "federated"] = "off"
    voice: bool = False

    @property
    def roles(self) -> tuple[Role, ...]:
        return _chosen(ear=True, voice=self.voice)


class Discord(Connection):
    platform: Literal["discord"]
    token_env: str = "DISCORD_TOKEN"  # noqa: S105
    listen: bool = True
    desk: bool = False
    voice: bool = False
    message_content: bool = True
    api: str = "https://discord.com/api/v10"
    gateway: str = "wss://gateway.discord.gg/"

    @property
    def roles(self) -> tuple[Role, ...]:
        return _chosen(ear=self.listen, voice=self.voice, desk=self.desk)


class Reddit(Connection):
    platform: Literal["reddit"]
    subreddits: tuple[str, ...] = ()
    search: str = ""
    interval_seconds: Annotated[float, Field(ge=0.05)] = 120
    api: bool = False
    voice: bool = False
    mirror_days: Annotated[int, Field(ge=0, le=30)] = 2
    client_id_env: str = "REDDIT_CLIENT_ID"
    client_secret_env: str = "REDDIT_CLIENT_SECRET"  # noqa: S105
    refresh_token_env: str = "REDDIT_REFRESH_TOKEN"  # noqa: S105
    site_url: str = "https://www.reddit.com"
    api_url: str = "https://oauth.reddit.com"

    @property
    def roles(self) -> tuple[Role, ...]:
        return _chosen(ear=True, voice=self.voice)


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
    voice: bool = False
    interval_seconds: Annotated[float, Field(ge=0.05)] = 120
    monthly_budget: Annotated[float, Field(ge=0)] = 50.0
    price_post: Annotated[float, Field(ge=0)] = 0.005
    price_author: Annotated[float, Field(ge=0)] = 0.01
    price_reply: Annotated[float, Field(ge=0)] = 0.015
    price_reply_with_link: Annotated[float, Field(ge=0)] = 0.2
    price_count: Annotated[float, Field(ge=0)] = 0.005
    mirror_days: Annotated[int, Field(ge=0, le=30)] = 2
    bearer_env: str = "X_BEARER_TOKEN"
    consumer_key_env: str = "X_CONSUMER_KEY"
    consumer_secret_env: str = "X_CONSUMER_SECRET"  # noqa: S105
    access_token_env: str = "X_ACCESS_TOKEN"  # noqa: S105
    access_secret_env: str = "X_ACCESS_SECRET"  # noqa: S105
    api: str = "https://api.x.com"

    @property
    def roles(self) -> tuple[Role, ...]:
        return _chosen(ear=True, voice=self.voice)


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
        return ("ear", "voice")


def _chosen(**roles: bool) -> tuple[Role, ...]:
    return tuple(role for role, wanted in roles.items() if wanted)  # type: ignore[misc]


AnyConnection = Annotated[
    Feed | Bluesky | Discord | HackerNews | Mail | Mastodon | Reddit | Webhook | Slack | Telegram | X | Square,
    Field(discriminator="platform"),
]


class Settings(BaseSettings):
    """The whole file. Any plain key can also be set as ASCOLTO_SECTION__KEY, which wins."""

    model_config = SettingsConfigDict(
        extra="forbid", frozen=True, env_prefix=ENVIRONMENT, env_nested_delimiter="__", env_ignore_empty=True
    )

    default_brand: str = ""
    store: Store = Store()
    web: Web = Web()
    webhooks: Webhooks = Webhooks()
    sentiment: Sentiment = Sentiment()
    second_opinion: SecondOpinion = SecondOpinion()
    drafting: Drafting = Drafting()
    spelling: Spelling = Spelling()
    triage: Triage = Triage()
    log: Log = Log()
    connections: tuple[AnyConnection, ...] = ()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003 - named by pydantic
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return env_settings, init_settings


def load(file: Path) -> Settings:
    """Reads a file; raises SettingsError with every problem at once. Relative paths are relative to the file."""
    try:
        said = tomllib.loads(file.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(file, [f"this is not TOML: {error}"]) from error
    settings = validated(file, said)
    return settings.model_copy(
        update={
            "store": _beside(file, settings.store, "path"),
            "sentiment": _beside(file, settings.sentiment, "calibration"),
        }
    )


def _beside(file: Path, section: Section, key: str) -> Section:
    """The section with a relative path made one beside the settings file."""
    return section.model_copy(update={key: file.parent.resolve() / getattr(section, key)})


def validated(file: Path, said: Mapping[str, Any]) -> Settings:
    try:
        settings = Settings(**said)
    except ValidationError as error:
        raise SettingsError(file, [_in_words(dict(problem)) for problem in error.errors()]) from error
    names = [connection.name for connection in settings.connections]
    doubles = sorted({name for name in names if names.count(name) > 1})
    if doubles:
        raise SettingsError(file, [f"two connections are named {name}" for name in doubles])
    return settings


def secret(name: str, environment: Mapping[str, str] = os.environ) -> SecretStr | None:
    """The environment variable NAME, or what the file holds that NAME_FILE names; None where there is neither."""
    value = environment.get(name, "")
    file = environment.get(f"{name}_FILE", "")
    if not value and file:
        value = Path(file).read_text(encoding="utf-8").strip()
    return SecretStr(value) if value else None


def keys() -> dict[str, tuple[str, ...]]:
    """Every key of every section; connections as `connections.PLATFORM`."""
    found: dict[str, tuple[str, ...]] = {"": tuple(Settings.model_fields)}
    for name, field in Settings.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, Section):
            found[name] = tuple(field.annotation.model_fields)
    for platform, section in connection_sections().items():
        found[f"connections.{platform}"] = tuple(section.model_fields)
    return found


def connection_sections() -> dict[str, type[Connection]]:
    """Platform → its section."""
    return {section.model_fields["platform"].annotation.__args__[0]: section for section in _SECTIONS}  # type: ignore[union-attr]


_SECTIONS: Final[tuple[type[Connection], ...]] = (
    Feed,
    Bluesky,
    Discord,
    HackerNews,
    Mastodon,
    Reddit,
    Webhook,
    Slack,
    Telegram,
    X,
    Mail,
    Square,
)
CONNECTION: Final[TypeAdapter[Any]] = TypeAdapter(AnyConnection)


def _in_words(problem: Mapping[str, Any]) -> str:
    place = [str(part) for part in problem["loc"]]
    where = ".".join(place)
    if problem["type"] == "extra_forbidden":
        siblings = _siblings(place)
        near = get_close_matches(place[-1], siblings, 1, 0.5)
        hint = f"did you mean {near[0]}?" if near else f"known here: {', '.join(siblings)}"
        return f"{where}: there is no such key; {hint}"
    if problem["type"] == "missing":
        return f"{where}: this key is needed"
    if problem["type"] in ("union_tag_invalid", "union_tag_not_found"):
        platforms = ", ".join(connection_sections())
        return f"{where}: `platform` must be one of {platforms}"
    return f"{where}: {problem['msg']} (not {problem.get('input')!r})"


def _siblings(place: list[str]) -> tuple[str, ...]:
    known = keys()
    if place[0] == "connections" and len(place) > 2:
        return known.get(f"connections.{place[2]}", ())
    return known.get("" if len(place) == 1 else place[0], ())
