"""Digests by e-mail, with their chart, and cases for those who answer in person. Nothing is done from there."""

import asyncio
from collections.abc import AsyncGenerator
from email.message import EmailMessage
from email.utils import make_msgid
from html import escape
from typing import Final

from connections.mail import Mail
from desk import Did, faces
from desk.faces import Markup
from insights import charts
from languages import Translator
from models.desk import Action
from models.errors import Rejected
from models.text import one_line
from triage.boards import Pace
from triage.desking import Outcome
from triage.viewing import DigestView, HandedView, View

PACE: Final = Pace(30, 60.0)
"""Well below what mail servers of the common providers take from one sender."""
SUBJECT: Final = 150
PLAIN: Final = Markup(
    safe=str,
    bold=str,
    small=str,
    quoted=lambda text, _limit: text,
    link=lambda _words, url: url,
    ping=lambda name, _id: name,
)


class MailDesk:
    platform = "mail"
    pace = PACE

    def __init__(self, connection: Mail) -> None:
        self.name = connection.name
        self._connection = connection

    async def connect(self) -> None:
        await self._connection.prove()

    async def show(self, view: View, chat: str, address: str | None, t: Translator) -> str:  # noqa: ARG002 - sent once
        if isinstance(view, HandedView):
            message = handed(view, self._connection.sender, chat, t)
        elif isinstance(view, DigestView):
            message = await written(view, self._connection.sender, chat, t)
        else:
            raise Rejected("No cases go out by e-mail: name this desk under `digests` or `in_person`.")
        await self._connection.send(message)
        return str(message["Message-ID"])

    async def actions(self, bookmark: str | None) -> AsyncGenerator[Did, None]:
        """Nothing, for ever."""
        yield Did(bookmark=bookmark or "")
        await asyncio.Event().wait()

    async def answer(self, action: Action, outcome: Outcome, t: Translator) -> None:
        """Nobody acts by e-mail."""

    async def close(self) -> None:
        """Nothing is held: each mail is a conversation of its own."""


def handed(view: HandedView, sender: str, to: str, t: Translator) -> EmailMessage:
    """As words alone: a CRM that takes mail makes a ticket of it."""
    first, *rest = faces.handed(view, PLAIN, t)
    message = _begun(first, sender, to)
    message.set_content("\n\n".join([first, *rest]))
    return message


def _begun(subject: str, sender: str, to: str) -> EmailMessage:
    message = EmailMessage()
    message["Subject"] = one_line(subject, SUBJECT)
    message["From"], message["To"] = sender, to
    message["Message-ID"] = make_msgid(domain=sender.rpartition("@")[2].rstrip(">") or None)
    message["Auto-Submitted"] = "auto-generated"
    return message


async def written(view: DigestView, sender: str, to: str, t: Translator) -> EmailMessage:
    """As words, and as a page with the chart in it, for programs that show such."""
    first, *rest = view.lines
    message = _begun(first, sender, to)
    message.set_content("\n".join([first, "", *(f"• {line}" for line in rest), *(["", view.url] if view.url else [])]))
    chart = make_msgid(domain="ascolto")
    picture = f'<p><img src="cid:{chart[1:-1]}" alt="{escape(view.chart.title)}" width="720"></p>' if view.chart else ""
    items = "".join(f"<li>{escape(line)}</li>" for line in rest)
    link = f'<p><a href="{escape(view.url)}">{escape(t("all of it, with the cases"))}</a></p>' if view.url else ""
    page = f'<body style="font: 15px/1.5 sans-serif"><h2>{escape(first)}</h2>{picture}<ul>{items}</ul>{link}</body>'
    message.add_alternative(f"<!doctype html><html>{page}</html>", subtype="html")
    if view.chart:
        html = message.get_payload()[1]  # type: ignore[index]
        html.add_related(await charts.png(view.chart), "image", "png", cid=chart, filename="chart.png")  # type: ignore[union-attr]
    return message
