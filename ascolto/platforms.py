"""Which platforms there are, and how each is put together: its connection, and what hangs on it.

Adding one: a section in config/settings.py, a function here, and the files that it names. Imports stand inside, so that
nobody loads seven SDKs to run one.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import aiohttp
from pydantic import SecretStr

from config import settings
from connections.webhooks import WebhookDoor
from desk import Desk
from listener import Ear
from models.errors import OperatorError
from responders import Voice
from triage.mirroring import Looks as Mirrored

_NAME: Final = re.compile(r"[A-Z_][A-Z0-9_]*")


@dataclass(frozen=True)
class Tools:
    """What connections share."""

    http: aiohttp.ClientSession
    door: WebhookDoor
    now: Callable[[], datetime]
    find_secret: Callable[[str], SecretStr | None] = settings.secret

    def secret(self, name: str) -> str:
        found = self.find_secret(name)
        if found is None and not _NAME.fullmatch(name):  # perhaps the secret itself, and not to be shown
            raise OperatorError(
                "What stands there is no name of an environment variable.",
                "Name the variable that holds the secret, like TELEGRAM_TOKEN; never write the secret itself there.",
            )
        if found is None:
            raise OperatorError(
                f"The environment variable {name} is not set.", f"Set {name}, or {name}_FILE to a file that holds it."
            )
        return found.get_secret_value()


@dataclass(frozen=True)
class Parts:
    ear: Ear | None = None
    voice: Voice | None = None
    desk: Desk | None = None
    mirrored: tuple[Mirrored, int] | None = None
    """An ear that is told of no deletions but can look, and for how many days it is to."""


def build(section: settings.Connection, tools: Tools) -> Parts:
    """The parts of a connection that its settings ask for; raises OperatorError where something is missing."""
    return _BUILDERS[section.platform](section, tools)  # type: ignore[attr-defined]


def _feed(section: settings.Feed, tools: Tools) -> Parts:
    from connections.guard import Fetcher
    from listener.feed import FeedEar

    fetcher = Fetcher(private=section.allow_private_addresses)
    return Parts(ear=FeedEar(section.name, section.url, section.interval_seconds, fetcher, tools.now))


def _bluesky(section: settings.Bluesky, tools: Tools) -> Parts:
    from connections.bluesky import Bluesky
    from listener.bluesky import BlueskyEar
    from responders.bluesky import BlueskyVoice

    connection = Bluesky(
        section.name,
        tools.http,
        service=section.service,
        appview=section.appview,
        handle=section.handle,
        password=tools.secret(section.password_env) if section.handle else "",
    )
    return Parts(
        ear=BlueskyEar(connection, section.jetstream, tools.http, silence=section.silence_seconds)
        if section.listen
        else None,
        voice=BlueskyVoice(connection) if section.handle else None,
    )


def _webhook(section: settings.Webhook, tools: Tools) -> Parts:
    from listener.webhook import WebhookEar
    from models.mapped import Wanted
    from responders.webhook import WebhookVoice

    secret = tools.secret(section.secret_env)
    wanted = Wanted(fields={str(name): way for name, way in section.fields.items()}, items=section.items)
    ear = WebhookEar(section.name, secret, tools.door, wanted=wanted, signature_header=section.signature_header)
    voice = WebhookVoice(section.name, section.reply_url, secret, tools.http, longest=section.longest_reply)
    return Parts(ear=ear, voice=voice if section.reply_url else None)


def _telegram(section: settings.Telegram, tools: Tools) -> Parts:
    from connections.telegram import Telegram
    from desk.telegram import TelegramDesk
    from listener.telegram import TelegramEar
    from responders.telegram import TelegramVoice

    connection = Telegram(
        section.name,
        tools.secret(section.token_env),
        base_url=section.base_url,
        base_file_url=section.base_file_url,
        poll=section.poll_seconds,
        readers=[role for role in ("ear", "desk") if role in section.roles],
    )
    return Parts(
        ear=TelegramEar(connection) if section.listen else None,
        desk=TelegramDesk(connection) if section.desk else None,
        voice=TelegramVoice(connection) if section.voice else None,
    )


def _discord(section: settings.Discord, tools: Tools) -> Parts:
    from connections.discord import Discord
    from desk.discord import DiscordDesk
    from listener.discord import DiscordEar
    from responders.discord import DiscordVoice

    connection = Discord(
        section.name,
        tools.secret(section.token_env),
        api=section.api,
        gateway=section.gateway,
        message_content=section.message_content,
        desk=section.desk,
    )
    return Parts(
        desk=DiscordDesk(connection) if section.desk else None,
        ear=DiscordEar(connection) if section.listen else None,
        voice=DiscordVoice(connection) if section.voice else None,
    )


def _hackernews(section: settings.HackerNews, tools: Tools) -> Parts:
    from listener.hackernews import HackerNewsEar

    return Parts(ear=HackerNewsEar(section.name, section.query, section.interval_seconds, section.api, tools.http))


def _mastodon(section: settings.Mastodon, tools: Tools) -> Parts:
    from connections.mastodon import Mastodon
    from listener.mastodon import MastodonEar
    from responders.mastodon import MastodonVoice

    connection = Mastodon(section.name, section.server, tools.secret(section.token_env), tools.http)
    return Parts(
        ear=MastodonEar(connection, hashtags=section.hashtags, public=section.public),
        voice=MastodonVoice(connection) if section.voice else None,
    )


def _reddit(section: settings.Reddit, tools: Tools) -> Parts:
    from connections.reddit import Keys, Reddit
    from listener.reddit import RedditEar
    from responders.reddit import RedditVoice

    named = (section.client_id_env, section.client_secret_env, section.refresh_token_env)
    keyed = section.api or section.voice
    connection = Reddit(
        section.name,
        tools.http,
        site=section.site_url,
        api=section.api_url,
        keys=Keys(*map(tools.secret, named)) if keyed else None,
    )
    ear = RedditEar(connection, subreddits=section.subreddits, search=section.search, interval=section.interval_seconds)
    return Parts(
        ear=ear,
        voice=RedditVoice(connection, section.site_url) if section.voice else None,
        mirrored=(ear, section.mirror_days) if keyed and section.mirror_days else None,
    )


def _square(section: settings.Square, tools: Tools) -> Parts:
    from connections.square import Square
    from listener.square import SquareEar
    from responders.square import SquareVoice

    connection = Square(section.name, section.url, tools.http)
    return Parts(ear=SquareEar(connection), voice=SquareVoice(connection))


def _slack(section: settings.Slack, tools: Tools) -> Parts:
    from connections.slack import Slack
    from desk.slack import SlackDesk

    tokens = (tools.secret(section.token_env), tools.secret(section.app_token_env))
    return Parts(desk=SlackDesk(Slack(section.name, *tokens, tools.http, base_url=section.base_url)))


LOOPBACK: Final = frozenset({"127.0.0.1", "::1", "localhost"})


def _mail(section: settings.Mail, tools: Tools) -> Parts:
    from connections.mail import Mail
    from desk.mail import MailDesk

    if section.security == "none" and section.host not in LOOPBACK:
        raise OperatorError(
            f"Mail to {section.host} would be open to everybody on the way.", 'Set `security = "starttls"` or "tls".'
        )
    password = tools.secret(section.password_env) if section.username else ""
    return Parts(
        desk=MailDesk(
            Mail(
                section.name,
                section.host,
                section.port,
                security=section.security,
                username=section.username,
                password=password,
                sender=section.sender,
            )
        )
    )


def _x(section: settings.X, tools: Tools) -> Parts:
    from connections.x import Keys, Ledger, Prices, X
    from listener.x import XEar
    from responders.x import XVoice

    named = (section.consumer_key_env, section.consumer_secret_env, section.access_token_env, section.access_secret_env)
    acting = [tools.secret(name) for name in named] if section.voice or tools.find_secret(named[2]) else []
    prices = Prices(
        section.price_post,
        section.price_author,
        section.price_reply,
        section.price_reply_with_link,
        section.price_count,
    )
    ledger = Ledger(section.monthly_budget, prices, tools.now)
    keys = Keys(tools.secret(section.bearer_env), *acting)
    connection = X(section.name, keys, ledger, tools.http, base_url=section.api)
    ear = XEar(connection, search=section.search, stream=section.stream, interval=section.interval_seconds)
    mirrored = (ear, section.mirror_days) if section.mirror_days else None
    return Parts(ear=ear, voice=XVoice(connection) if section.voice else None, mirrored=mirrored)


_BUILDERS: Final[dict[str, Callable[[Any, Tools], Parts]]] = {
    "bluesky": _bluesky,
    "discord": _discord,
    "feed": _feed,
    "hackernews": _hackernews,
    "mastodon": _mastodon,
    "reddit": _reddit,
    "mail": _mail,
    "slack": _slack,
    "square": _square,
    "telegram": _telegram,
    "webhook": _webhook,
    "x": _x,
}
