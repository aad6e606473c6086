"""Digests by e-mail, with their chart, and handovers to those who answer by direct contact. No actions come from there."""

import asyncio
from collections.abc import AsyncGenerator
from datetime import UTC, datetime
from email.message import EmailMessage
from email.utils import format_datetime, make_msgid
from html import escape
from typing import Final

from cards.card_sync import RateLimit
from cards.chat_views import DigestView, HandoverView, View
from cards.outcome import PerformedAction
from connections.mail import Mail
from desk import ActionBatch, card_text
from desk.card_text import Markup
from insights import charts
from languages import Translator
from models.errors import Rejected
from models.tables.action import Action
from models.text import one_line

RATE_LIMIT: Final = RateLimit(30, 60.0)
"""Well below what the common providers' mail servers take from one sender."""
SUBJECT: Final = 150
PLAIN: Final = Markup(
    safe=str,
    bold=str,
    small=str,
    quoted=lambda text, _limit: text,
    link=lambda _text, url: url,
    ping=lambda name, _id: name,
)


class MailDesk:
    platform = "mail"
    rate_limit = RATE_LIMIT

    def __init__(self, connection: Mail) -> None:
        self.name = connection.name
        self._connection = connection

    async def connect(self) -> None:
        await self._connection.verify_credentials()

    async def show(self, view: View, chat: str, message_id: str | None, t: Translator) -> str:  # noqa: ARG002 - sent once
        if isinstance(view, HandoverView):
            message = handover_mail(view, self._connection.sender, chat, t)
        elif isinstance(view, DigestView):
            message = await digest_mail(view, self._connection.sender, chat, t)
        else:
            raise Rejected("Cases are not sent by e-mail: use this desk under `digests` or `direct_contact`.")
        await self._connection.send(message)
        return str(message["Message-ID"])

    async def actions(self, cursor: str | None) -> AsyncGenerator[ActionBatch, None]:
        """None, ever."""
        yield ActionBatch(cursor=cursor or "")
        await asyncio.Event().wait()

    async def respond(self, action: Action, performed: PerformedAction) -> None:
        """There are no actions by e-mail."""

    async def close(self) -> None:
        """Nothing to close: each mail has its own connection."""


def handover_mail(view: HandoverView, sender: str, to: str, t: Translator) -> EmailMessage:
    """Plain text: a CRM that takes mail makes a ticket of it."""
    first, *rest = card_text.handover(view, PLAIN, t)
    message = _message(first, sender, to)
    message.set_content("\n\n".join([first, *rest]))
    return message


def _message(subject: str, sender: str, to: str) -> EmailMessage:
    message = EmailMessage()
    message["Subject"] = one_line(subject, SUBJECT)
    message["From"], message["To"] = sender, to
    message["Date"] = format_datetime(datetime.now(UTC))
    message["Message-ID"] = make_msgid(domain=sender.rpartition("@")[2].rstrip(">") or None)
    message["Auto-Submitted"] = "auto-generated"
    return message


async def digest_mail(view: DigestView, sender: str, to: str, t: Translator) -> EmailMessage:
    """Plain text, and HTML with the chart."""
    first, *rest = view.lines
    message = _message(first, sender, to)
    message.set_content("\n".join([first, "", *(f"• {line}" for line in rest), *(["", view.url] if view.url else [])]))
    chart = make_msgid(domain="ascolto")
    image = f'<p><img src="cid:{chart[1:-1]}" alt="{escape(view.chart.title)}" width="720"></p>' if view.chart else ""
    items = "".join(f"<li>{escape(line)}</li>" for line in rest)
    link = f'<p><a href="{escape(view.url)}">{escape(t("Full digest, with the cases"))}</a></p>' if view.url else ""
    page = f'<body style="font: 15px/1.5 sans-serif"><h2>{escape(first)}</h2>{image}<ul>{items}</ul>{link}</body>'
    message.add_alternative(f"<!doctype html><html>{page}</html>", subtype="html")
    if view.chart:
        html = message.get_payload()[1]  # type: ignore[index]
        html.add_related(await charts.png(view.chart), "image", "png", cid=chart, filename="chart.png")  # type: ignore[union-attr]
    return message
