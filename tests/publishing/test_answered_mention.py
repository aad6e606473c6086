"""Which post a reply answers, and that whoever approves it on a chat has seen that post as it reads now."""

import pytest
from conftest import Harness

from actions.perform import perform_chat_action
from cards.outcome import Outcome
from desk import buttons
from languages import translator
from models.configuration import ConfigurationFile, Member
from models.errors import Refused
from models.incoming import Deletion, IncomingPost
from models.tables.action import Action
from models.tables.case import Case
from models.tables.mention import Mention
from models.tables.reply import Reply
from publishing import approvals, replies
from store.erasure import erase_deleted
from store.mentions import MatchedPost, write_edit
from triage import case_actions

TEXT = "Ci scusiamo molto: https://ferroviola.example/aiuto"
ANA = "11"
BUTTON = 64
"""Bytes of a button's token on Telegram, the least of all chats."""


async def claimed(harness: Harness) -> Case:
    """Ana's case of p1."""
    case = await harness.case("Ferroviola in ritardo (-)")
    return await harness.do(case_actions.claim, case.id, harness.member("ana"))


async def draft(harness: Harness, case: Case, text: str = TEXT, **chosen: int) -> Reply:
    return await harness.do(replies.save_draft, case.id, harness.member("ana"), text, **chosen)


async def continued(harness: Harness) -> IncomingPost:
    """The author's next post in the thread."""
    harness.advance(minutes=1)
    post = harness.post("e ora mi avete perso la valigia rossa (-)", thread="p1")
    await harness.receive(post)
    await harness.analyze()
    return post


async def edited(harness: Harness, text: str = "Ferroviola era in orario, scusate (-)") -> None:
    harness.advance(minutes=1)
    async with harness.store.writing() as session:
        await write_edit(session, "square", MatchedPost(harness.post(text, native_id="p1"), ()), harness.now)
    await harness.analyze()


async def deleted(harness: Harness, native_id: str = "p1") -> None:
    async with harness.store.writing() as session:
        await erase_deleted(session, Deletion(platform="square", native_id=native_id), harness.now)


async def mention(harness: Harness, native_id: str) -> int:
    [found] = await harness.all(Mention, Mention.native_id == native_id)
    return found.id


async def answered(harness: Harness) -> tuple[str, str]:
    """The state of the newest reply, and the platform's id of the post that it answers."""
    reply = (await harness.all(Reply))[-1]
    return reply.state, (await harness.get(Mention, reply.mention_id)).native_id


async def test_a_reply_answers_the_newest_post(harness: Harness):
    case = await claimed(harness)
    newer = await continued(harness)
    reply = await draft(harness, case)
    await harness.do(approvals.approve, reply.id, reply.revision, harness.member("ana"))
    assert await answered(harness) == ("approved", newer.native_id)


async def test_a_reply_answers_the_post_that_was_chosen(harness: Harness):
    case = await claimed(harness)
    await continued(harness)
    reply = await draft(harness, case, mention_id=await mention(harness, "p1"))
    await harness.do(approvals.approve, reply.id, reply.revision, harness.member("ana"))
    assert await answered(harness) == ("approved", "p1")


async def test_the_newest_post_that_still_stands_is_answered(harness: Harness):
    case = await claimed(harness)
    newer = await continued(harness)
    await deleted(harness, newer.native_id)
    reply = await draft(harness, case)
    await harness.do(approvals.approve, reply.id, reply.revision, harness.member("ana"))
    assert await answered(harness) == ("approved", "p1")


async def test_a_draft_begun_before_a_newer_post_is_not_approved_unread(harness: Harness):
    reply = await draft(harness, await claimed(harness))
    await continued(harness)
    with pytest.raises(Refused):
        await harness.do(approvals.approve, reply.id, reply.revision, harness.member("ana"))
    assert (await answered(harness))[0] == "draft"


async def test_a_draft_begun_before_its_post_was_edited_is_not_approved_unread(harness: Harness):
    reply = await draft(harness, await claimed(harness))
    await edited(harness)
    with pytest.raises(Refused):
        await harness.do(approvals.approve, reply.id, reply.revision, harness.member("ana"))
    assert (await answered(harness))[0] == "draft"


async def test_a_draft_whose_post_was_deleted_is_not_approved(harness: Harness):
    case = await claimed(harness)
    reply = await draft(harness, case)
    await deleted(harness)
    with pytest.raises(Refused):
        await draft(harness, case, "Un altro testo.")
        await harness.do(approvals.approve, reply.id, reply.revision + 2, harness.member("ana"))


async def test_an_edit_that_changes_nothing_holds_nothing_back(harness: Harness):
    reply = await draft(harness, await claimed(harness))
    await edited(harness, "Ferroviola in ritardo (-)")
    await harness.do(approvals.approve, reply.id, reply.revision, harness.member("ana"))
    assert (await answered(harness))[0] == "approved"


async def test_an_approver_does_not_approve_unread_what_the_author_of_the_post_has_edited(harness: Harness):
    await harness.apply(ConfigurationFile(members=(Member(slug="dora", name="Dora", role="approver"),)))
    await harness.change_queue("trains", team=("ana", "bruno", "lidia", "dora"), approvals=1)
    reply = await draft(harness, await claimed(harness))
    await harness.do(approvals.approve, reply.id, reply.revision, harness.member("ana"))
    assert (await answered(harness))[0] == "proposed"
    await edited(harness)
    with pytest.raises(Refused):
        await harness.do(approvals.approve, reply.id, reply.revision, harness.member("dora"))
    assert (await answered(harness))[0] == "proposed"


# On a chat.


async def act(harness: Harness, action: Action | None) -> Outcome:
    assert action is not None
    async with harness.store.writing() as session:
        performed = await perform_chat_action(harness.context(session), "telegram", "telegram", action)
    assert performed is not None
    return performed.outcome


async def typed(harness: Harness, case: Case, text: str = TEXT) -> Outcome:
    """Ana writes her reply; she is shown it as it would be published."""
    return await act(harness, Action(native_id=text, verb="draft", who=ANA, chat="-1", case=case.id, text=text))


async def pressed(harness: Harness, preview: Outcome) -> Outcome:
    """Ana presses the button under the preview."""
    assert preview.preview is not None
    button = next(b for b in buttons.for_preview(preview.preview, translator("en")) if b.verb == "approve")
    return await act(harness, buttons.parse_token(button.token(BUTTON), native_id="press", who=ANA, chat="-1"))


async def test_on_a_chat_an_edited_post_is_read_before_the_reply_is_approved(harness: Harness):
    case = await claimed(harness)
    old = await typed(harness, case)
    await edited(harness)
    outcome = await pressed(harness, old)
    assert (outcome.refused, bool(outcome.message)) == (True, True)
    assert (await answered(harness))[0] == "draft"
    await pressed(harness, await typed(harness, case, TEXT + " Grazie."))
    assert await answered(harness) == ("approved", "p1")


async def test_on_a_chat_the_newest_post_is_answered_once_it_was_read(harness: Harness):
    case = await claimed(harness)
    old = await typed(harness, case)
    newer = await continued(harness)
    outcome = await pressed(harness, old)
    assert (outcome.refused, bool(outcome.message)) == (True, True)
    await pressed(harness, await typed(harness, case, TEXT + " La valigia è qui."))
    assert await answered(harness) == ("approved", newer.native_id)


async def test_on_a_chat_the_same_text_again_is_approved_once_the_post_was_read(harness: Harness):
    case = await claimed(harness)
    old = await typed(harness, case)
    await edited(harness)
    await pressed(harness, old)
    await pressed(harness, await typed(harness, case))
    assert (await answered(harness))[0] == "approved"


async def test_on_a_chat_the_second_post_is_answered_after_the_first_was_deleted(harness: Harness):
    case = await claimed(harness)
    await typed(harness, case, "Ci scusiamo per il ritardo.")
    newer = await continued(harness)
    await deleted(harness)
    await pressed(harness, await typed(harness, case))
    assert await answered(harness) == ("approved", newer.native_id)
