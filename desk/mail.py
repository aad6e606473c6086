"""Digests by e-mail, with their chart. Nothing is done from there: who wants to act goes to a desk."""

import asyncio
from collections.abc import AsyncGenerator
from email.message import EmailMessage
from email.utils import make_msgid
from html import escape
from typing import Final

from connections.mail import Mail
from desk import Did
from insights import charts
from languages import Translator
from models.desk import Action
from models.errors import Rejected
from models.text import one_line
from triage.boards import Pace
from triage.desking import DigestView, Outcome, View

PACE: Final = Pace(30, 60.0)
"""Well below what mail servers of the common providers take from one sender."""
SUBJECT: Final = 150


class MailDesk:
    platform = "mail"
    pace = PACE

    def __init__(self, connection: Mail) -> None:
        self.name = connection.name
        self._connection = connection

    async def connect(self) -> None:
        await self._connection.prove()

    async def show(self, view: View, chat: str, address: str | None, t: Translator) -> str:  # noqa: ARG002 - sent once
        if not isinstance(view, DigestView):
            raise Rejected("Only digests go out by e-mail: name this desk under `digests`.")
        message = await written(view, self._connection.sender, chat)
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


async def written(view: DigestView, sender: str, to: str) -> EmailMessage:
    """As words, and as a page with the chart in it, for programs that show such."""
    first, *rest = view.lines
    message = EmailMessage()
    message["Subject"] = one_line(first, SUBJECT)
    message["From"], message["To"] = sender, to
    message["Message-ID"] = make_msgid(domain=sender.rpartition("@")[2].rstrip(">") or None)
    message["Auto-Submitted"] = "auto-generated"
    message.set_content("\n".join([first, "", *(f"• {line}" for line in rest)]))
    chart = make_msgid(domain="ascolto")
    picture = f'<p><img src="cid:{chart[1:-1]}" alt="{escape(view.chart.title)}" width="720"></p>' if view.chart else ""
    items = "".join(f"<li>{escape(line)}</li>" for line in rest)
    page = f'<body style="font: 15px/1.5 sans-serif"><h2>{escape(first)}</h2>{picture}<ul>{items}</ul></body>'
    message.add_alternative(f"<!doctype html><html>{page}</html>", subtype="html")
    if view.chart:
        html = message.get_payload()[1]  # type: ignore[index]
        html.add_related(await charts.png(view.chart), "image", "png", cid=chart, filename="chart.png")  # type: ignore[union-attr]
    return message
