"""Digests by e-mail, to a mail server on loopback (aiosmtpd, as other people write them)."""

import asyncio
from email import message_from_bytes, policy
from email.message import EmailMessage
from importlib import import_module

import pytest
from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword
from conftest import House

from connections.mail import Mail
from desk.mail import MailDesk
from languages import translator
from models.catalogue import Chat
from models.desk import Chart, Point
from models.errors import Rejected, Unauthorized, Unavailable
from triage import actions
from triage.boards import Board
from triage.viewing import BacklogView, DigestView, HandedView

TO = "lead@agency.example"
VIEW = DigestView(
    lines=("Treni · lunedì 23 novembre", "143 menzioni, <b>61</b> negative", "Rischio: \r\nBcc: all@example.org"),
    chart=Chart(title="Treni: 43 %", points=(Point("22 nov", 80, 20), Point("23 nov", 143, 61)), period=1, usual=0.25),
)


class Server:
    """Keeps what it takes; refuses an address, wants a password, or is full, as it is told."""

    def __init__(self) -> None:
        self.taken: list[EmailMessage] = []
        self.answer = ""

    async def handle_RCPT(self, _server, _session, envelope, address: str, _options):
        if address.startswith("nobody"):
            return "550 5.1.1 no such mailbox"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _server, _session, envelope):
        if self.answer:
            return self.answer
        self.taken.append(message_from_bytes(envelope.content, policy=policy.default))
        return "250 OK"

    def know(self, _server, _session, _envelope, _mechanism, data: LoginPassword) -> AuthResult:
        return AuthResult(success=data.password == b"secret", handled=False)


@pytest.fixture
async def server():
    kept = Server()

    def answering() -> SMTP:
        return SMTP(kept, authenticator=kept.know, auth_require_tls=False)

    listening = await asyncio.get_running_loop().create_server(answering, "127.0.0.1", 0)
    kept.port = listening.sockets[0].getsockname()[1]
    yield kept
    listening.close()


def desk_of(server: Server, password: str = "secret", port: int = 0) -> MailDesk:  # noqa: S107
    mail = Mail(
        "mail", "127.0.0.1", port or server.port, security="none", username="ascolto", password=password,
        sender="Ascolto <ascolto@agency.example>",
    )  # fmt: skip
    return MailDesk(mail)


async def test_a_digest_goes_out_as_words_and_as_a_page_with_its_chart(server: Server):
    desk = desk_of(server)
    await desk.connect()
    address = await desk.show(VIEW, TO, None, translator("it"))
    [mail] = server.taken
    assert (mail["To"], mail["Subject"], mail["Message-ID"]) == (TO, "Treni · lunedì 23 novembre", address)
    assert mail["Bcc"] is None
    words = mail.get_body(("plain",)).get_content()
    assert "• 143 menzioni, <b>61</b> negative" in words
    page = mail.get_body(("html",)).get_content()
    assert "&lt;b&gt;61" in page
    [picture] = [part for part in mail.walk() if part.get_content_type() == "image/png"]
    assert picture.get_content().startswith(b"\x89PNG")
    assert f"cid:{picture['Content-ID'][1:-1]}" in page


async def test_a_wrong_password_asks_for_a_human(server: Server):
    with pytest.raises(Unauthorized):
        await desk_of(server, password="wrong").connect()


async def test_what_the_server_says_is_understood(server: Server):
    desk = desk_of(server)
    with pytest.raises(Rejected, match="550"):
        await desk.show(VIEW, "nobody@agency.example", None, translator("it"))
    server.answer = "452 mailbox full"
    with pytest.raises(Unavailable):
        await desk.show(VIEW, TO, None, translator("it"))
    server.answer = "554 spam"
    with pytest.raises(Rejected, match="554"):
        await desk.show(VIEW, TO, None, translator("it"))
    with pytest.raises(Unavailable):
        await desk_of(server, port=1).connect()
    with pytest.raises(Rejected):
        await desk.show(BacklogView(count=1, worst=()), TO, None, translator("it"))


async def test_a_digest_is_mailed_once_and_a_case_never(house: House, server: Server):
    await house.change_queue("trains", digests=(Chat(desk="mail", chat=TO),))
    await house.case()
    house.now = house.now.replace(day=24, hour=8)
    async with house.store.writing() as session:
        from insights import digests

        assert await digests.write_due(house.turn(session)) == 1
    board = Board(house.store, desk_of(server), house.checker)
    for _ in range(3):
        await board.redraw(house.catalogue, house.now)
    assert [mail["To"] for mail in server.taken] == [TO]


async def test_what_is_answered_in_person_is_mailed_to_who_does_that_once(house: House, server: Server):
    await house.change_queue("trains", in_person=(Chat(desk="mail", chat="care@agency.example"),), language="it")
    case = await house.case("Ferroviola in ritardo\r\nBcc: all@example.org (-)", url="https://square.example/p/1")
    other = await house.case("Ferroviola che vergogna (-)", "ugo")
    await house.do(actions.note, case.id, house.member("ana"), "ha chiamato già due volte")
    await house.do(actions.dismiss, case.id, house.member("ana"), "in-person")
    await house.do(actions.dismiss, other.id, house.member("ana"), "not-us")
    board = Board(house.store, desk_of(server), house.checker)
    for _ in range(3):
        await board.redraw(house.catalogue, house.now)
    [mail] = server.taken
    assert (mail["To"], mail["Bcc"]) == ("care@agency.example", None)
    assert f"#{case.id} @rita" in mail["Subject"]
    for words in ("Ferroviola in ritardo", "https://square.example/p/1", "ha chiamato già due volte"):
        assert words in mail.get_content()


@pytest.mark.parametrize(
    ("desk", "calls"), [("telegram_cards", "<!channel>"), ("slack_cards", "<!channel>"), ("discord_cards", "@everyone")]
)
def test_what_is_answered_in_person_can_go_to_any_chat_and_calls_nobody(desk: str, calls: str):
    view = HandedView(
        case=7, brand="Ferroviola", author="<!channel>", url="https://square.example/p", said=("@everyone",)
    )
    drawn = str(import_module(f"desk.{desk}").render(view, translator("ro")))
    assert "#7" in drawn
    assert calls not in drawn
