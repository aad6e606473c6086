"""How each platform is built from its settings: its connection, and the listener, responder and desk that share it.

To add one: a section in config/connections.py, a function here, and the modules it imports; tests/test_platforms.py says what
is missing. Imports are inside the functions, so that nobody loads seven SDKs to run one.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import aiohttp
from pydantic import SecretStr

from ascolto.logs import redaction
from config import connections as sections
from config.settings import secret
from connections.feeds import FeedReader
from connections.webhooks import WebhookServer
from desk import Desk
from listener import Listener
from models.errors import OperatorError
from responders import Responder
from triage.deletion_check import DeletionSource

_NAME: Final = re.compile(r"[A-Z_][A-Z0-9_]*")


@dataclass(frozen=True)
class Tools:
    """What connections share."""

    http: aiohttp.ClientSession
    webhook_server: WebhookServer
    now: Callable[[], datetime]
    feeds: FeedReader
    find_secret: Callable[[str], SecretStr | None] = secret

    def secret(self, name: str) -> str:
        value = self.find_secret(name)
        if value is None and not _NAME.fullmatch(name):  # perhaps the secret itself, and not to be shown
            raise OperatorError(
                "This is not the name of an environment variable.",
                "Give the name of the variable that holds the secret, like TELEGRAM_TOKEN; never the secret itself.",
            )
        if value is None:
            raise OperatorError(
                f"The environment variable {name} is not set.",
                f"Set {name}, or {name}_FILE to a file that contains it.",
            )
        redaction.add_secret(value.get_secret_value())
        return value.get_secret_value()


@dataclass(frozen=True)
class Parts:
    listener: Listener | None = None
    responder: Responder | None = None
    desk: Desk | None = None
    deletion_source: tuple[DeletionSource, int] | None = None
    """Where to look for deleted posts on a platform that does not report them, and for how many days after a post."""


def build(section: sections.Connection, tools: Tools) -> Parts:
    """The parts of a connection that its settings enable; raises OperatorError where something is missing."""
    return BUILDERS[section.platform](section, tools)  # type: ignore[attr-defined]


def _feed(section: sections.Feed, tools: Tools) -> Parts:
    from connections.safe_fetch import Fetcher
    from listener.feed import FeedListener

    fetcher = Fetcher(private=section.allow_private_addresses)
    listener = FeedListener(section.name, section.url, section.interval_seconds, fetcher, tools.feeds, tools.now)
    return Parts(listener=listener)


def _bluesky(section: sections.Bluesky, tools: Tools) -> Parts:
    from connections.bluesky import Bluesky
    from listener.bluesky import BlueskyListener
    from responders.bluesky import BlueskyResponder

    connection = Bluesky(
        section.name,
        tools.http,
        service=section.service,
        appview=section.appview,
        handle=section.handle,
        password=tools.secret(section.password_env) if section.handle else "",
    )
    return Parts(
        listener=BlueskyListener(connection, section.jetstream, tools.http, reconnect_after=section.silence_seconds)
        if section.listen
        else None,
        responder=BlueskyResponder(connection) if section.handle else None,
    )


def _webhook(section: sections.Webhook, tools: Tools) -> Parts:
    from listener.webhook import WebhookListener
    from models.field_mapping import FieldMapping, require_known_fields
    from responders.webhook import WebhookResponder

    secret = tools.secret(section.secret_env)
    require_known_fields(section.fields)
    mapping = FieldMapping(fields=section.fields, items=section.items)
    listener = WebhookListener(
        section.name, secret, tools.webhook_server, mapping=mapping, signature_header=section.signature_header
    )
    responder = WebhookResponder(
        section.name, section.reply_url, secret, tools.http, max_length=section.max_reply_length
    )
    return Parts(listener=listener, responder=responder if section.reply_url else None)


def _telegram(section: sections.Telegram, tools: Tools) -> Parts:
    from connections.telegram import Telegram
    from desk.telegram import TelegramDesk
    from listener.telegram import TelegramListener
    from responders.telegram import TelegramResponder

    connection = Telegram(
        section.name,
        tools.secret(section.token_env),
        base_url=section.base_url,
        base_file_url=section.base_file_url,
        poll=section.poll_seconds,
        readers=[role for role in ("listener", "desk") if role in section.roles],
    )
    return Parts(
        listener=TelegramListener(connection) if section.listen else None,
        desk=TelegramDesk(connection) if section.desk else None,
        responder=TelegramResponder(connection) if section.publish else None,
    )


def _discord(section: sections.Discord, tools: Tools) -> Parts:
    from connections.discord import Discord
    from desk.discord import DiscordDesk
    from listener.discord import DiscordListener
    from responders.discord import DiscordResponder

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
        listener=DiscordListener(connection) if section.listen else None,
        responder=DiscordResponder(connection) if section.publish else None,
    )


def _hackernews(section: sections.HackerNews, tools: Tools) -> Parts:
    from listener.hackernews import HackerNewsListener

    return Parts(
        listener=HackerNewsListener(section.name, section.query, section.interval_seconds, section.api, tools.http)
    )


def _mastodon(section: sections.Mastodon, tools: Tools) -> Parts:
    from connections.mastodon import Mastodon
    from listener.mastodon import MastodonListener
    from responders.mastodon import MastodonResponder

    connection = Mastodon(section.name, section.server, tools.secret(section.token_env), tools.http)
    return Parts(
        listener=MastodonListener(connection, hashtags=section.hashtags, public=section.public),
        responder=MastodonResponder(connection) if section.publish else None,
    )


def _reddit(section: sections.Reddit, tools: Tools) -> Parts:
    from connections.reddit import Keys, Reddit
    from listener.reddit import RedditListener
    from responders.reddit import RedditResponder

    names = (section.client_id_env, section.client_secret_env, section.refresh_token_env)
    keyed = section.api or section.publish
    connection = Reddit(
        section.name,
        tools.http,
        site=section.site_url,
        api=section.api_url,
        keys=Keys(*map(tools.secret, names)) if keyed else None,
        feeds=tools.feeds,
    )
    listener = RedditListener(
        connection, subreddits=section.subreddits, search=section.search, interval=section.interval_seconds
    )
    return Parts(
        listener=listener,
        responder=RedditResponder(connection, section.site_url) if section.publish else None,
        deletion_source=(listener, section.deletion_check_days) if keyed and section.deletion_check_days else None,
    )


def _square(section: sections.Square, tools: Tools) -> Parts:
    from connections.square import Square
    from listener.square import SquareListener
    from responders.square import SquareResponder

    connection = Square(section.name, section.url, tools.http)
    return Parts(listener=SquareListener(connection), responder=SquareResponder(connection))


def _slack(section: sections.Slack, tools: Tools) -> Parts:
    from connections.slack import Slack
    from desk.slack import SlackDesk

    tokens = (tools.secret(section.token_env), tools.secret(section.app_token_env))
    return Parts(desk=SlackDesk(Slack(section.name, *tokens, tools.http, base_url=section.base_url)))


LOOPBACK: Final = frozenset({"127.0.0.1", "::1", "localhost"})


def _mail(section: sections.Mail, tools: Tools) -> Parts:
    from connections.mail import Mail
    from desk.mail import MailDesk

    if section.security == "none" and section.host not in LOOPBACK:
        raise OperatorError(
            f"Mail to {section.host} would be sent unencrypted.", 'Set `security = "starttls"` or "tls".'
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


def _x(section: sections.X, tools: Tools) -> Parts:
    from connections.x import Keys, Ledger, Prices, X
    from listener.x import XListener
    from responders.x import XResponder

    names = (section.consumer_key_env, section.consumer_secret_env, section.access_token_env, section.access_secret_env)
    acting = [tools.secret(name) for name in names] if section.publish or tools.find_secret(names[2]) else []
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
    listener = XListener(connection, search=section.search, stream=section.stream, interval=section.interval_seconds)
    deletion_source = (listener, section.deletion_check_days) if section.deletion_check_days else None
    return Parts(
        listener=listener,
        responder=XResponder(connection) if section.publish else None,
        deletion_source=deletion_source,
    )


BUILDERS: Final[dict[str, Callable[[Any, Tools], Parts]]] = {
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
