"""The headers that every mail must have: https://www.rfc-editor.org/rfc/rfc5322#section-3.6"""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage

import pytest
from aiosmtpd.smtp import SMTP, Envelope, Session

from cards.chat_views import DigestView, HandoverView, View
from connections.mail import Mail
from desk.mail import MailDesk
from languages import translator

TO = "lead@agency.example"
DIGEST = DigestView(lines=("Treni · lunedì 23 novembre", "143 menzioni, 61 negative"))
HANDOVER = HandoverView(
    case=7, brand="Ferroviola", author="rita", url="https://square.example/p", posts=("in ritardo",)
)


class MailServer:
    """Accepts every mail."""

    def __init__(self) -> None:
        self.received: list[EmailMessage] = []
        self.port = 0

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:
        assert isinstance(envelope.content, bytes)
        self.received.append(message_from_bytes(envelope.content, policy=policy.default))
        return "250 OK"


@pytest.fixture
async def server() -> AsyncIterator[MailServer]:
    server = MailServer()
    listening = await asyncio.get_running_loop().create_server(lambda: SMTP(server), "127.0.0.1", 0)
    server.port = listening.sockets[0].getsockname()[1]
    yield server
    listening.close()


async def sent(server: MailServer, view: View, language: str = "it") -> EmailMessage:
    sender = "Ascolto <ascolto@agency.example>"
    mail = Mail("mail", "127.0.0.1", server.port, security="none", username="", password="", sender=sender)
    await MailDesk(mail).show(view, TO, None, translator(language))
    return server.received[-1]


@pytest.mark.parametrize("view", [DIGEST, HANDOVER], ids=["digest", "handover"])
async def test_a_mail_says_when_it_was_sent(server: MailServer, view: View):
    mail = await sent(server, view)
    assert len(mail.get_all("Date", [])) == 1
    date = mail["Date"].datetime
    assert date.tzinfo is not None
    assert abs(datetime.now(UTC) - date) < timedelta(minutes=1)


@pytest.mark.parametrize("language", ["it", "ro", "en"])
async def test_the_date_is_written_as_mail_servers_read_it_in_every_language(server: MailServer, language: str):
    mail = await sent(server, DIGEST, language)
    assert str(mail["Date"])[:3] in {"Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"}
    assert mail["Date"].defects == ()


@pytest.mark.parametrize("view", [DIGEST, HANDOVER], ids=["digest", "handover"])
async def test_each_header_that_must_be_there_is_there_once(server: MailServer, view: View):
    mail = await sent(server, view)
    assert {name: len(mail.get_all(name, [])) for name in ("Date", "From", "To", "Subject", "Message-ID")} == {
        "Date": 1,
        "From": 1,
        "To": 1,
        "Subject": 1,
        "Message-ID": 1,
    }
