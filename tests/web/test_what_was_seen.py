"""Only what was on the page is approved: its remarks, the post as it reads now, and the post that came last."""

from dataclasses import dataclass, field
from html.parser import HTMLParser

import aiohttp
import pytest
from conftest import Harness

from ascolto.demo.square import Square as SquareServer
from connections.http import session as http_session
from connections.square import Square
from models.configuration import ConfigurationFile, Member
from models.incoming import Deletion, IncomingPost
from models.tables.case import Case
from models.tables.mention import Mention
from models.tables.reply import Reply
from publishing import approvals, replies
from publishing.sending import ReplyPublisher
from responders.square import SquareResponder
from store.erasure import erase_deleted
from store.mentions import MatchedPost, write_edit
from triage import case_actions

TEXT = "Ci scusiamo molto. Tutto qui: https://ferroviola.example/aiuto"
PHONE, OTHER_PHONE = "347 123 4567", "02 5555 1234"
IBAN, MAIL = "IT60X0542811101000000123456", "mario.rossi@posta.example"


class Fields(HTMLParser):
    """The form in which a reply is written: its fields, wherever on the page, and where it is sent."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.values: dict[str, str] = {}
        self.action = ""
        self._within = False
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "form":
            self._within = given.get("id") == "reply"
            self.action = given["action"] if self._within else self.action
        belongs = self._within if "form" not in given else given["form"] == "reply"
        chosen = given.get("type") not in ("radio", "checkbox") or "checked" in given
        if tag == "input" and belongs and chosen and "name" in given:
            self.values[given["name"]] = given.get("value", "")

    def handle_endtag(self, tag: str) -> None:
        self._within = self._within and tag != "form"


@dataclass
class Editor:
    """A member at the page of a case, with what their browser holds of it."""

    browser: aiohttp.ClientSession
    case: int
    page: str = ""
    fields: dict[str, str] = field(default_factory=dict)
    action: str = ""

    async def open(self) -> None:
        """Looks at the case as it is now."""
        async with self.browser.get(f"/cases/{self.case}") as response:
            self._show(await response.text())

    def _show(self, page: str) -> None:
        form = Fields(page)
        self.page, self.fields, self.action = page, {**form.values, "text": self.fields.get("text", "")}, form.action

    async def type(self, text: str) -> str:
        """Types a text and waits for the remarks under it."""
        self.fields["text"] = text
        async with self.browser.post(f"/cases/{self.case}/draft", data=self.fields) as response:
            remarks = await response.text()
        self.fields |= Fields(remarks).values
        return remarks

    async def approve(self, text: str | None = None) -> str:
        """Presses the button, perhaps with a text typed at the last moment; returns what the toast says."""
        if text is not None:
            self.fields["text"] = text
        async with self.browser.post(self.action, data=self.fields) as response:
            toast = response.headers.get("HX-Trigger", "")
            self._show(await response.text())
        return toast

    async def approve_when_seen(self, text: str) -> None:
        """Reads whatever it is told to read, as often as it is told something, and approves."""
        for _ in range(3):
            await self.open()
            await self.type(text)
            await self.approve()


@pytest.fixture
async def editor(desk, harness: Harness) -> Editor:
    """Ana at the case of p1, which she has claimed."""
    case = await harness.case("Ferroviola in ritardo (-)")
    editor = Editor(await desk.sign_in("ana"), case.id)
    await editor.browser.post(f"/cases/{case.id}/actions/claim")
    await editor.open()
    return editor


async def reply_of(harness: Harness) -> Reply:
    return (await harness.all(Reply))[-1]


async def edited(harness: Harness, native_id: str = "p1", text: str = "Ferroviola era in orario, scusate (-)") -> None:
    async with harness.store.writing() as session:
        post = harness.post(text, native_id=native_id)
        await write_edit(session, "square", MatchedPost(post, ()), harness.now)
    await harness.analyze()


async def continued(harness: Harness, text: str = "e ora mi avete perso la valigia rossa (-)") -> IncomingPost:
    """The author's next post in the thread."""
    harness.advance(minutes=1)
    post = harness.post(text, thread="p1")
    await harness.receive(post)
    await harness.analyze()
    return post


async def deleted(harness: Harness, native_id: str = "p1") -> None:
    async with harness.store.writing() as session:
        await erase_deleted(session, Deletion(platform="square", native_id=native_id), harness.now)


async def answered(harness: Harness, reply: Reply) -> str:
    """The platform's id of the post that a reply answers."""
    return (await harness.get(Mention, reply.mention_id)).native_id


# Remarks.


@pytest.mark.parametrize(
    ("seen", "approved", "shown"),
    [
        (f"{TEXT} {PHONE}", f"{TEXT} {PHONE} {IBAN} {MAIL}", IBAN),
        (f"{TEXT} {PHONE} {OTHER_PHONE}", f"{TEXT} {IBAN} {MAIL}", MAIL),
        (f"{TEXT} {PHONE}", f"{TEXT} {OTHER_PHONE}", OTHER_PHONE),
        (f"{TEXT} La rimborsiamo.", f"{TEXT} Risolto entro 24 ore.", "entro 24 ore"),
        (f"{TEXT} https://altro.example", f"{TEXT} https://evil.example", "evil.example"),
    ],
)
async def test_a_remark_of_a_kind_already_seen_is_shown_before_the_reply_is_approved(
    editor: Editor, harness: Harness, seen: str, approved: str, shown: str
):
    await editor.type(seen)
    assert "Read the remarks" in await editor.approve(approved)
    assert (await reply_of(harness)).state == "draft"
    assert shown in await editor.type(approved)
    await editor.approve()
    assert (await reply_of(harness)).state == "approved"


async def test_what_was_seen_and_is_taken_out_holds_nothing_back(editor: Editor, harness: Harness):
    await editor.type(f"{TEXT} {PHONE} {IBAN}")
    await editor.approve(f"{TEXT} {PHONE}")
    assert (await reply_of(harness)).state == "approved"


async def test_what_was_seen_once_is_not_asked_again(editor: Editor, harness: Harness):
    await editor.type(f"{TEXT} {PHONE}")
    await editor.approve(f"{TEXT} {PHONE} Grazie, buona giornata.")
    assert (await reply_of(harness)).state == "approved"


async def test_an_approver_must_see_a_new_remark_of_a_kind_already_seen_too(desk, harness: Harness):
    await harness.apply(ConfigurationFile(members=(Member(slug="dora", name="Dora", role="approver"),)))
    await harness.change_queue("trains", team=("ana", "bruno", "lidia", "dora"), approvals=1)
    case = await harness.case("Ferroviola in ritardo (-)")
    ana, dora = harness.member("ana"), Editor(await desk.sign_in("dora"), case.id)
    await harness.do(case_actions.claim, case.id, ana)
    reply = await harness.do(replies.save_draft, case.id, ana, f"{TEXT} {PHONE}")
    await harness.do(approvals.approve, reply.id, reply.revision, ana)
    await dora.open()
    async with dora.browser.get(f"/cases/{case.id}/checks") as response:
        dora.fields |= Fields(await response.text()).values
    assert "Read the remarks" in await dora.approve(f"{TEXT} {IBAN}")
    assert (await reply_of(harness)).state == "proposed"


# The post.


async def test_a_post_edited_since_it_was_shown_is_read_before_the_reply_is_approved(editor: Editor, harness: Harness):
    await editor.type(TEXT)
    harness.advance(minutes=1)
    await edited(harness)
    toast = await editor.approve()
    assert '"refused": true' in toast
    assert (await reply_of(harness)).state == "draft"
    assert "era in orario" in editor.page
    await editor.type(TEXT)
    await editor.approve()
    assert (await reply_of(harness)).state == "approved"


async def test_a_post_edited_before_the_case_was_opened_holds_nothing_back(editor: Editor, harness: Harness):
    await edited(harness)
    harness.advance(minutes=1)
    await editor.open()
    await editor.type(TEXT)
    await editor.approve()
    assert (await reply_of(harness)).state == "approved"


async def test_each_edit_must_be_seen(editor: Editor, harness: Harness):
    await editor.type(TEXT)
    for text in ("prima versione", "seconda versione"):
        harness.advance(minutes=1)
        await edited(harness, text=f"Ferroviola: {text} (-)")
        await editor.approve()
        assert (await reply_of(harness)).state == "draft", text
    await editor.type(TEXT)
    await editor.approve()
    assert (await reply_of(harness)).state == "approved"


async def test_a_newer_post_is_read_before_the_reply_is_approved_and_is_the_one_answered(
    editor: Editor, harness: Harness
):
    await editor.type(TEXT)
    newer = await continued(harness)
    await editor.approve()
    assert (await reply_of(harness)).state == "draft"
    assert "valigia rossa" in editor.page
    await editor.type(TEXT)
    await editor.approve()
    reply = await reply_of(harness)
    assert (reply.state, await answered(harness, reply)) == ("approved", newer.native_id)


async def test_a_draft_begun_before_the_newer_post_was_shown_answers_the_newer_one(editor: Editor, harness: Harness):
    await editor.type("Ci scusiamo.")
    newer = await continued(harness)
    await editor.open()
    await editor.type(f"{TEXT} La valigia rossa è qui.")
    await editor.approve()
    reply = await reply_of(harness)
    assert (reply.state, await answered(harness, reply)) == ("approved", newer.native_id)


# Deleted.


async def test_the_second_post_is_answered_after_the_first_was_deleted(editor: Editor, harness: Harness):
    await editor.type("Ci scusiamo per il ritardo.")
    newer = await continued(harness)
    await deleted(harness)
    await editor.approve_when_seen(TEXT)
    published = await publish(harness, newer)
    assert [post.parent for post in published] == [newer.native_id]


async def test_a_reply_whose_post_was_deleted_before_it_was_sent_is_published_under_the_next(
    editor: Editor, harness: Harness
):
    newer = await continued(harness)
    await editor.open()
    await editor.type(TEXT)
    await editor.approve()
    await set_answered(harness, "p1")  # chosen, or of a version that answered what the draft began with
    await deleted(harness)
    assert await publish(harness, newer) == []
    reply = await reply_of(harness)
    assert reply.state == "failed"
    for _ in range(2):  # whoever is told to read the next post first presses again
        await editor.browser.post(f"/cases/{editor.case}/actions/retry", data={"reply": str(reply.id)})
    assert [post.parent for post in await publish(harness, newer)] == [newer.native_id]


async def test_when_every_post_was_deleted_there_is_nothing_to_answer(editor: Editor, harness: Harness):
    newer = await continued(harness)
    await editor.open()
    await editor.type(TEXT)
    await deleted(harness)
    await deleted(harness, newer.native_id)
    await editor.approve_when_seen(TEXT)
    assert await publish(harness, newer) == []
    assert (await harness.get(Case, editor.case)).state != "answered"


async def set_answered(harness: Harness, native_id: str) -> None:
    [mention] = await harness.all(Mention, Mention.native_id == native_id)
    async with harness.store.writing() as session:
        (await session.get_one(Reply, (await reply_of(harness)).id)).mention_id = mention.id


async def publish(harness: Harness, *posts: IncomingPost) -> list:
    """Publishes what is due on a square where these posts are; returns what was published there."""
    square = SquareServer(lambda: harness.now)
    await square.start()
    for post in posts:
        square.post(id=post.native_id, author="rita", text=post.text)
    harness.advance(seconds=11)
    async with http_session() as http:
        responder = SquareResponder(Square("square", square.url, http))
        await ReplyPublisher(harness.store, responder).publish_due(harness.configuration, harness.now)
    await square.stop()
    return square.replies


def test_the_fields_of_the_form_are_found_wherever_they_are():
    page = '<form id="reply" action="/x"><input name="a" value="1"></form><input form="reply" name="b" value="&amp;">'
    fields = Fields(page + '<form action="/y"><input name="c" value="3"></form>')
    assert (fields.values, fields.action) == ({"a": "1", "b": "&"}, "/x")
