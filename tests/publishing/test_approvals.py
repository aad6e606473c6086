"""Who must approve a reply, and what happens to what they approve."""

import asyncio
from datetime import timedelta

import msgspec
import pytest
from conftest import CONFIGURATION, Harness

from cards.case_view import case_view
from cards.outcome import preview_of
from models.configuration import Brand, ConfigurationFile, Member, SavedReply
from models.configuration_checks import configuration_errors
from models.errors import Refused
from models.incoming import Deletion
from models.tables.alert import Alert
from models.tables.case import Case, CaseEvent
from models.tables.reply import Reply, ReplyVersion
from publishing import approvals, replies, undo
from store.erasure import erase_deleted
from triage import case_actions
from triage.schedule import deadlines

TEXT = "Ci scusiamo, ecco: https://ferroviola.example/aiuto"
TEXT_CHANGED = "has changed since you saw it"


async def _draft(
    harness: Harness, text: str = TEXT, post: str = "Ferroviola in ritardo (-)", author: str = "rita"
) -> tuple[Case, Reply]:
    """A case that Ana has claimed, with her draft."""
    case = await harness.case(post, author)
    await harness.do(case_actions.claim, case.id, harness.member("ana"))
    return case, await harness.do(replies.save_draft, case.id, harness.member("ana"), text)


async def test_a_text_that_changed_since_it_was_shown_is_not_approved(harness: Harness):
    case, reply = await _draft(harness)
    await harness.do(replies.save_draft, case.id, harness.member("ana"), "Ci scusiamo molto.")
    with pytest.raises(Refused, match=TEXT_CHANGED):
        await harness.do(approvals.approve, reply.id, reply.revision, harness.member("ana"))
    await harness.do(approvals.approve, reply.id, reply.revision + 1, harness.member("ana"))
    approved = await harness.get(Reply, reply.id)
    assert (approved.state, approved.text, approved.approved_by) == (
        "approved",
        "Ci scusiamo molto.",
        harness.member("ana"),
    )
    assert approved.due_at == harness.now + timedelta(seconds=10)


async def test_a_double_click_on_approve_approves_once(harness: Harness):
    _, reply = await _draft(harness)
    results = await asyncio.gather(
        *(harness.do(approvals.approve, reply.id, reply.revision, harness.member("ana")) for _ in range(3)),
        return_exceptions=True,
    )
    assert sum(isinstance(result, Refused) for result in results) == 2
    assert [event.kind for event in await harness.all(CaseEvent)].count("approved") == 1


async def test_only_the_holder_of_the_case_approves(harness: Harness):
    _, reply = await _draft(harness)
    with pytest.raises(Refused, match="Ana claimed this case"):
        await harness.do(approvals.approve, reply.id, reply.revision, harness.member("bruno"))


async def test_an_expired_claim_must_be_renewed_before_approving(harness: Harness):
    case, reply = await _draft(harness)
    harness.advance(minutes=31)
    await harness.do(deadlines.run_due)
    with pytest.raises(Refused, match="Claim the case first"):
        await harness.do(approvals.approve, reply.id, reply.revision, harness.member("ana"))
    await harness.do(case_actions.claim, case.id, harness.member("ana"))
    await harness.do(approvals.approve, reply.id, reply.revision, harness.member("ana"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("   ", "The reply is empty"),
        ("Gentile {{ cliente }}, ci scusiamo", "Fill in the placeholder: {{ cliente }}"),
        ("Ci scusiamo" * 60, "Too long: 660 of 300"),
    ],
)
async def test_an_unfinished_reply_is_not_approved(harness: Harness, text: str, message: str):
    _, reply = await _draft(harness, text)
    with pytest.raises(Refused) as refusal:
        await harness.do(approvals.approve, reply.id, reply.revision, harness.member("ana"))
    assert message in str(refusal.value)


async def test_undo_within_ten_seconds_restores_the_draft(harness: Harness):
    case, reply = await _draft(harness)
    ana = harness.member("ana")
    await harness.do(approvals.approve, reply.id, reply.revision, ana)
    harness.advance(seconds=9)
    await harness.do(undo.undo, reply.id, ana)
    reply, case = await harness.get(Reply, reply.id), await harness.get(Case, case.id)
    assert (reply.state, reply.approved_by, case.state, case.claimed_by) == ("draft", None, "claimed", ana)


async def _team(harness: Harness, **queue: int) -> None:
    """Dora, Elio and Fausto are approvers."""
    approvers = (Member(slug=slug, name=slug.title(), role="approver") for slug in ("dora", "elio", "fausto"))
    await harness.apply(ConfigurationFile(members=tuple(approvers)))
    await harness.change_queue("trains", team=("ana", "bruno", "lidia", "dora", "elio", "fausto"), **queue)


async def _approved_by_author(harness: Harness, **post: str) -> tuple[Case, Reply]:
    case, reply = await _draft(harness, **post)
    return case, await harness.do(approvals.approve, reply.id, reply.revision, harness.member("ana"))


async def _proposed(harness: Harness) -> tuple[Case, Reply]:
    await _team(harness, approvals=1)
    return await _approved_by_author(harness)


async def test_the_authors_approval_is_enough_where_no_other_is_required(harness: Harness):
    _, reply = await _approved_by_author(harness)
    assert (reply.state, reply.approved_by) == ("approved", harness.member("ana"))


async def test_the_authors_approval_only_proposes_and_an_approver_approves_exactly_that_text(harness: Harness):
    case, reply = await _proposed(harness)
    assert (reply.state, reply.approved_by, reply.due_at) == ("proposed", None, None)
    assert [(alert.kind, alert.notified) for alert in await harness.all(Alert)] == [
        ("approval", ("lidia", "dora", "elio", "fausto"))
    ]
    for slug, reason in (
        ("ana", "You cannot approve your own reply"),
        ("bruno", "Only approvers can approve"),
        ("piero", "does not exist, or you do not have access"),
    ):
        with pytest.raises(Refused, match=reason):
            await harness.do(approvals.approve, reply.id, reply.revision, harness.member(slug))
    await harness.do(approvals.approve, reply.id, reply.revision, harness.member("dora"))
    approved = await harness.get(Reply, reply.id)
    assert (approved.state, approved.approved_by, approved.text) == ("approved", harness.member("dora"), TEXT)
    assert (await harness.get(Case, case.id)).state == "publishing"


async def test_two_required_approvals_must_come_from_two_members(harness: Harness):
    await _team(harness, approvals=2)
    _, reply = await _approved_by_author(harness)
    for _ in range(2):
        await harness.do(approvals.approve, reply.id, reply.revision, harness.member("dora"))
    assert (await harness.get(Reply, reply.id)).state == "proposed"
    await harness.do(approvals.approve, reply.id, reply.revision, harness.member("elio"))
    assert (await harness.get(Reply, reply.id)).state == "approved"
    assert [event.kind for event in await harness.all(CaseEvent)].count("approval given") == 2


async def test_a_severe_case_requires_more_approvals(harness: Harness):
    await _team(harness, risky_approvals=1)
    _, plain = await _approved_by_author(harness)
    assert plain.state == "approved"
    _, severe = await _approved_by_author(harness, post="Ferroviola, il mio avvocato vi scriverà (-)", author="ugo")
    assert severe.state == "proposed"


async def test_two_simultaneous_approvals_approve_once(harness: Harness):
    _, reply = await _proposed(harness)
    results = await asyncio.gather(
        *(harness.do(approvals.approve, reply.id, reply.revision, harness.member(slug)) for slug in ("dora", "elio")),
        return_exceptions=True,
    )
    assert sum(isinstance(result, Refused) for result in results) == 1
    assert [event.kind for event in await harness.all(CaseEvent)].count("approved") == 1


async def test_an_approver_may_edit_the_reply_and_both_versions_are_kept(harness: Harness):
    case, reply = await _proposed(harness)
    dora = harness.member("dora")
    amended = await harness.do(approvals.amend, reply.id, reply.revision, dora, "Ci scusiamo molto.")
    with pytest.raises(Refused, match=TEXT_CHANGED):
        await harness.do(approvals.approve, reply.id, reply.revision, harness.member("elio"))
    with pytest.raises(Refused, match=TEXT_CHANGED):
        await harness.do(approvals.amend, reply.id, reply.revision, harness.member("elio"), "Ci dispiace.")
    await harness.do(approvals.approve, reply.id, amended.revision, dora)
    approved = await harness.get(Reply, reply.id)
    assert (approved.state, approved.text, approved.author_id) == (
        "approved",
        "Ci scusiamo molto.",
        harness.member("ana"),
    )
    async with harness.store.reading() as session:
        view = await case_view(harness.context(session), case.id)
    assert [(version.member_id, version.text) for version in view.replies[0].versions] == [
        (harness.member("ana"), TEXT)
    ]


async def test_a_reply_sent_back_is_its_authors_draft_again_with_the_reason(harness: Harness):
    case, reply = await _proposed(harness)
    with pytest.raises(Refused, match="Only approvers can approve"):
        await harness.do(approvals.send_back, reply.id, harness.member("bruno"), "no")
    await harness.do(approvals.send_back, reply.id, harness.member("dora"), "troppo freddo")
    assert (await harness.get(Reply, reply.id)).state == "draft"
    event = (await harness.all(CaseEvent))[-1]
    assert (event.kind, event.text) == ("sent back", "troppo freddo")
    draft = await harness.do(replies.save_draft, case.id, harness.member("ana"), "Ci scusiamo davvero.")
    assert draft.id == reply.id


async def test_a_proposed_reply_that_its_author_edits_needs_approval_again(harness: Harness):
    case, reply = await _proposed(harness)
    edited = await harness.do(replies.save_draft, case.id, harness.member("ana"), "Altro testo.")
    assert (edited.id, edited.state) == (reply.id, "draft")
    with pytest.raises(Refused):
        await harness.do(approvals.approve, reply.id, edited.revision, harness.member("dora"))


async def test_approvals_given_before_an_undo_do_not_count_after_it(harness: Harness):
    _, reply = await _proposed(harness)
    await harness.do(approvals.approve, reply.id, reply.revision, harness.member("dora"))
    await harness.do(undo.undo, reply.id, harness.member("ana"))
    await harness.do(approvals.approve, reply.id, reply.revision, harness.member("ana"))
    assert (await harness.get(Reply, reply.id)).state == "proposed"


async def test_a_claim_does_not_expire_while_its_holder_waits_for_approval(harness: Harness):
    case, reply = await _proposed(harness)
    harness.advance(minutes=45)
    await harness.do(deadlines.run_due)
    assert (await harness.get(Case, case.id)).claimed_by == harness.member("ana")
    await harness.do(approvals.send_back, reply.id, harness.member("dora"))
    assert (await harness.get(Case, case.id)).claim_until == harness.now + timedelta(minutes=30)


@pytest.mark.parametrize("action", ["release", "snooze", "dismiss", "assign"])
async def test_moving_the_case_withdraws_the_proposal(harness: Harness, action: str):
    case, reply = await _proposed(harness)
    until = harness.now + timedelta(hours=1)
    arguments = {"release": (), "snooze": (until,), "dismiss": ("spam",), "assign": ("bruno",)}[action]
    await harness.do(getattr(case_actions, action), case.id, harness.member("ana"), *arguments)
    with pytest.raises(Refused):
        await harness.do(approvals.approve, reply.id, reply.revision, harness.member("dora"))
    assert (await harness.get(Reply, reply.id)).state == "draft"


async def test_deleting_the_post_erases_the_proposal_and_its_versions(harness: Harness):
    _, reply = await _proposed(harness)
    async with harness.store.writing() as session:
        await erase_deleted(session, Deletion(platform="square", native_id="p1"), harness.now)
    erased = await harness.get(Reply, reply.id)
    assert (erased.state, erased.text) == ("draft", "")
    async with harness.store.reading() as session:
        assert await session.get(ReplyVersion, (reply.id, reply.revision)) is None


def test_a_queue_without_enough_approvers_is_invalid():
    queue = msgspec.structs.replace(CONFIGURATION.queues[0], approvals=1)
    assert configuration_errors(msgspec.structs.replace(CONFIGURATION, queues=(queue,))) == [
        "queue trains: at least 2 of its team must be approvers: nobody approves their own reply"
    ]


async def test_a_saved_reply_adds_its_topics_when_it_is_approved_and_the_preview_says_so(harness: Harness):
    saved = SavedReply(
        code="refund", brand="ferroviola", language="it", text="Ecco il modulo.", adds_topics=("refund", "delay")
    )
    await harness.apply(ConfigurationFile(saved_replies=(saved,)))
    case = await harness.case("Ferroviola in ritardo (-)", language="it")
    ana = harness.member("ana")
    reply = await harness.do(replies.save_draft, case.id, ana, "Ecco il modulo.", "refund")
    async with harness.store.reading() as session:
        preview = await preview_of(harness.context(session), await session.get_one(Reply, reply.id), ana)
    assert preview.added_topics == ("refund",)
    assert (await harness.get(Case, case.id)).topics == ("delay",)
    await harness.do(approvals.approve, reply.id, reply.revision, ana)
    assert (await harness.get(Case, case.id)).topics == ("delay", "refund")


def test_a_saved_reply_that_adds_an_unknown_topic_is_invalid():
    saved = SavedReply(code="x", brand="b", language="it", text="Ciao", adds_topics=("nothing",))
    file = ConfigurationFile(brands=(Brand(slug="b", name="B"),), saved_replies=(saved,))
    assert "saved reply x: b has no topic nothing" in configuration_errors(file)
