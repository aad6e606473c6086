"""Digests by e-mail, to a mail server on loopback (aiosmtpd)."""

import asyncio
from email import message_from_bytes, policy
from email.message import EmailMessage
from importlib import import_module

import pytest
from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword
from conftest import Harness

from cards import scheduled_digests
from cards.card_sync import CardSync
from cards.chat_views import BacklogView, DigestView, HandoverView
from connections.mail import Mail
from desk.mail import MailDesk
from languages import translator
from models.configuration import Chat
from models.errors import Rejected, Unauthorized, Unavailable
from models.tables.digest import Chart, ChartPoint
from triage import case_actions

TO = "lead@agency.example"
VIEW = DigestView(
    lines=("Treni · lunedì 23 novembre", "143 menzioni, <b>61</b> negative", "Rischio: \r\nBcc: all@example.org"),
    chart=Chart(
        title="Treni: 43 %", points=(ChartPoint("22 nov", 80, 20), ChartPoint("23 nov", 143, 61)), period=1, usual=0.25
    ),
)


class Server:
    """Accepts mail with the password "secret", except to nobody@…; `response` is an SMTP error to return instead."""

    def __init__(self) -> None:
        self.received: list[EmailMessage] = []
        self.response = ""

    async def handle_RCPT(self, _server, _session, envelope, address: str, _options):
        if address.startswith("nobody"):
            return "550 5.1.1 no such mailbox"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _server, _session, envelope):
        if self.response:
            return self.response
        self.received.append(message_from_bytes(envelope.content, policy=policy.default))
        return "250 OK"

    def authenticate(self, _server, _session, _envelope, _mechanism, data: LoginPassword) -> AuthResult:
        return AuthResult(success=data.password == b"secret", handled=False)


@pytest.fixture
async def server():
    server = Server()

    def protocol() -> SMTP:
        return SMTP(server, authenticator=server.authenticate, auth_require_tls=False)

    listening = await asyncio.get_running_loop().create_server(protocol, "127.0.0.1", 0)
    server.port = listening.sockets[0].getsockname()[1]
    yield server
    listening.close()


def desk_of(server: Server, password: str = "secret", port: int = 0) -> MailDesk:  # noqa: S107
    mail = Mail(
        "mail", "127.0.0.1", port or server.port, security="none", username="ascolto", password=password,
        sender="Ascolto <ascolto@agency.example>",
    )  # fmt: skip
    return MailDesk(mail)


async def test_a_digest_is_sent_as_plain_text_and_as_html_with_its_chart(server: Server):
    desk = desk_of(server)
    await desk.connect()
    message_id = await desk.show(VIEW, TO, None, translator("it"))
    [mail] = server.received
    assert (mail["To"], mail["Subject"], mail["Message-ID"]) == (TO, "Treni · lunedì 23 novembre", message_id)
    assert mail["Bcc"] is None
    plain = mail.get_body(("plain",)).get_content()
    assert "• 143 menzioni, <b>61</b> negative" in plain
    html = mail.get_body(("html",)).get_content()
    assert "&lt;b&gt;61" in html
    [image] = [part for part in mail.walk() if part.get_content_type() == "image/png"]
    assert image.get_content().startswith(b"\x89PNG")
    assert f"cid:{image['Content-ID'][1:-1]}" in html


async def test_a_wrong_password_is_unauthorized(server: Server):
    with pytest.raises(Unauthorized):
        await desk_of(server, password="wrong").connect()


async def test_smtp_errors_become_edge_errors(server: Server):
    desk = desk_of(server)
    with pytest.raises(Rejected, match="550"):
        await desk.show(VIEW, "nobody@agency.example", None, translator("it"))
    server.response = "452 mailbox full"
    with pytest.raises(Unavailable):
        await desk.show(VIEW, TO, None, translator("it"))
    server.response = "554 spam"
    with pytest.raises(Rejected, match="554"):
        await desk.show(VIEW, TO, None, translator("it"))
    with pytest.raises(Unavailable):
        await desk_of(server, port=1).connect()
    with pytest.raises(Rejected):
        await desk.show(BacklogView(count=1, most_urgent=()), TO, None, translator("it"))


async def test_a_digest_is_sent_once_and_a_case_never(harness: Harness, server: Server):
    await harness.change_queue("trains", digests=(Chat(desk="mail", chat=TO),))
    await harness.case()
    harness.now = harness.now.replace(day=24, hour=8)
    async with harness.store.writing() as session:
        assert await scheduled_digests.write_due(harness.context(session)) == 1
    sync = CardSync(harness.store, desk_of(server))
    for _ in range(3):
        await sync.update_cards(harness.configuration, harness.now)
    assert [mail["To"] for mail in server.received] == [TO]


async def test_a_handover_is_sent_once(harness: Harness, server: Server):
    await harness.change_queue("trains", direct_contact=(Chat(desk="mail", chat="care@agency.example"),), language="it")
    case = await harness.case("Ferroviola in ritardo\r\nBcc: all@example.org (-)", url="https://square.example/p/1")
    other = await harness.case("Ferroviola che vergogna (-)", "ugo")
    await harness.do(case_actions.add_note, case.id, harness.member("ana"), "ha chiamato già due volte")
    await harness.do(case_actions.dismiss, case.id, harness.member("ana"), "direct-contact")
    await harness.do(case_actions.dismiss, other.id, harness.member("ana"), "not-us")
    sync = CardSync(harness.store, desk_of(server))
    for _ in range(3):
        await sync.update_cards(harness.configuration, harness.now)
    [mail] = server.received
    assert (mail["To"], mail["Bcc"]) == ("care@agency.example", None)
    assert f"#{case.id} @rita" in mail["Subject"]
    for text in ("Ferroviola in ritardo", "https://square.example/p/1", "ha chiamato già due volte"):
        assert text in mail.get_content()


@pytest.mark.parametrize(
    ("desk", "mention"),
    [("telegram_cards", "<!channel>"), ("slack_cards", "<!channel>"), ("discord_cards", "@everyone")],
)
def test_a_handover_can_be_shown_on_any_chat_and_notifies_no_one(desk: str, mention: str):
    view = HandoverView(
        case=7, brand="Ferroviola", author="<!channel>", url="https://square.example/p", posts=("@everyone",)
    )
    card = str(import_module(f"desk.{desk}").render(view, translator("ro")))
    assert "#7" in card
    assert mention not in card
