"""From approved to published: nothing is published twice, whatever fails."""

import contextlib
from datetime import timedelta

import msgspec
import pytest
from conftest import CONFIGURATION, Harness

from models.configuration import ConfigurationFile
from models.errors import Paused, Refused, Rejected, Unauthorized, Unavailable, Uncertain
from models.incoming import Deletion
from models.outgoing import Address, LookupResult, Outgoing
from models.tables.case import Case
from models.tables.reply import Reply
from publishing import approvals, replies, sending, undo
from publishing.sending import ReplyPublisher
from store import erasure, mentions
from store.mentions import MatchedPost
from triage import case_actions


class Killed(BaseException):
    """The program ends here."""


class FakeResponder:
    """Remembers what it published, by key. Raises `errors_before` instead of publishing, `errors_after` once it has."""

    name = "square"

    def __init__(self) -> None:
        self.published: dict[str, str] = {}
        self.calls = 0
        self.errors_before: list[Exception] = []
        self.errors_after: list[Exception] = []
        self.can_look_up = True

    async def publish(self, reply: Outgoing) -> Address:
        self.calls += 1
        if self.errors_before:
            raise self.errors_before.pop(0)
        assert reply.key not in self.published, "published twice"
        self.published[reply.key] = reply.text
        if self.errors_after:
            raise self.errors_after.pop(0)
        return Address(native_id=f"r{self.calls}", url=f"http://square.example/posts/r{self.calls}")

    async def find(self, reply: Outgoing) -> LookupResult:
        if not self.can_look_up:
            return "unknown"
        return Address(native_id="found") if reply.key in self.published else "none"


@pytest.fixture
def responder() -> FakeResponder:
    return FakeResponder()


@pytest.fixture
async def approved(harness: Harness) -> Reply:
    case = await harness.case()
    ana = harness.member("ana")
    reply = await harness.do(replies.save_draft, case.id, ana, "Ci scusiamo molto.")
    return await harness.do(approvals.approve, reply.id, reply.revision, ana)


async def _publish(harness: Harness, responder: FakeResponder) -> None:
    with contextlib.suppress(Unavailable, Unauthorized):
        await ReplyPublisher(harness.store, responder).publish_due(harness.configuration, harness.now)


async def test_nothing_is_published_before_the_undo_window_ends(
    harness: Harness, approved: Reply, responder: FakeResponder
):
    harness.advance(seconds=9)
    await _publish(harness, responder)
    assert responder.calls == 0
    harness.advance(seconds=1)
    await _publish(harness, responder)
    reply = await harness.get(Reply, approved.id)
    case = await harness.get(Case, approved.case_id)
    assert (reply.state, reply.url) == ("published", "http://square.example/posts/r1")
    assert (case.state, case.first_answered_at) == ("answered", harness.now)


async def test_a_reply_that_was_sent_cannot_be_undone(harness: Harness, approved: Reply, responder: FakeResponder):
    harness.advance(seconds=10)
    await _publish(harness, responder)
    with pytest.raises(Refused, match="has already been sent"):
        await harness.do(undo.undo, approved.id, harness.member("ana"))


async def test_a_crash_after_publishing_finds_the_reply_and_does_not_publish_it_twice(
    harness: Harness, approved: Reply, responder: FakeResponder
):
    responder.errors_after = [Killed()]
    harness.advance(seconds=10)
    with pytest.raises(Killed):
        await _publish(harness, responder)
    assert (await harness.get(Reply, approved.id)).state == "sending"
    publisher = ReplyPublisher(harness.store, responder)
    await publisher.requeue_interrupted(harness.now)
    harness.advance(seconds=15)
    await publisher.publish_due(harness.configuration, harness.now)
    reply = await harness.get(Reply, approved.id)
    assert (reply.state, reply.native_id, responder.calls) == ("published", "found", 1)


async def test_a_crash_before_publishing_publishes_once(harness: Harness, approved: Reply, responder: FakeResponder):
    responder.errors_before = [Killed()]
    harness.advance(seconds=10)
    with pytest.raises(Killed):
        await _publish(harness, responder)
    publisher = ReplyPublisher(harness.store, responder)
    await publisher.requeue_interrupted(harness.now)
    harness.advance(seconds=15)
    await publisher.publish_due(harness.configuration, harness.now)
    await publisher.publish_due(harness.configuration, harness.now)
    assert (await harness.get(Reply, approved.id)).state == "published"
    assert len(responder.published) == 1


async def test_a_restarted_responder_does_not_look_up_a_call_that_may_still_arrive(harness: Harness, approved: Reply):
    class SlowResponder(FakeResponder):
        arriving: Outgoing | None = None

        async def publish(self, reply: Outgoing) -> Address:
            self.calls += 1
            self.arriving = reply
            raise Uncertain("timed out")

    responder = SlowResponder()
    harness.advance(seconds=10)
    for _ in range(3):  # the supervisor restarts the responder after every Uncertain
        publisher = ReplyPublisher(harness.store, responder)
        await publisher.requeue_interrupted(harness.now)
        with contextlib.suppress(Uncertain):
            await publisher.publish_due(harness.configuration, harness.now)
        harness.advance(seconds=1)
    assert responder.arriving
    responder.published[responder.arriving.key] = responder.arriving.text
    harness.advance(seconds=15)
    await _publish(harness, responder)
    assert (await harness.get(Reply, approved.id)).state == "published"
    assert responder.calls == 1


async def test_a_member_is_asked_where_the_platform_cannot_look_a_reply_up(
    harness: Harness, approved: Reply, responder: FakeResponder
):
    responder.errors_after, responder.can_look_up = [Uncertain("connection lost")], False
    harness.advance(seconds=10)
    await _publish(harness, responder)
    harness.advance(seconds=20)
    await _publish(harness, responder)
    assert (await harness.get(Reply, approved.id)).state == "unknown"
    for _ in range(5):
        harness.advance(minutes=10)
        await _publish(harness, responder)
    assert responder.calls == 1
    await harness.do(approvals.mark_published, approved.id, harness.member("ana"))
    assert (await harness.get(Reply, approved.id)).state == "published"
    assert (await harness.get(Case, approved.case_id)).state == "answered"


async def test_a_reply_of_unknown_fate_that_a_member_does_not_find_is_published_again(
    harness: Harness, approved: Reply, responder: FakeResponder
):
    responder.errors_before, responder.can_look_up = [Uncertain("connection lost")], False
    harness.advance(seconds=10)
    await _publish(harness, responder)
    harness.advance(seconds=20)
    await _publish(harness, responder)
    await harness.do(approvals.publish_again, approved.id, harness.member("bruno"))
    harness.advance(seconds=10)
    await _publish(harness, responder)
    assert (await harness.get(Reply, approved.id)).state == "published"


async def test_an_interrupted_call_is_looked_up_and_not_repeated(
    harness: Harness, approved: Reply, responder: FakeResponder
):
    responder.errors_after = [Uncertain("connection reset")]
    harness.advance(seconds=10)
    await _publish(harness, responder)
    await _publish(harness, responder)
    assert (await harness.get(Reply, approved.id)).state == "sending"
    harness.advance(seconds=15)
    await _publish(harness, responder)
    assert (await harness.get(Reply, approved.id)).state == "published"
    assert responder.calls == 1


async def test_an_unavailable_platform_is_retried_after_the_time_it_gives(
    harness: Harness, approved: Reply, responder: FakeResponder
):
    responder.errors_before = [Unavailable("slow down", retry_after=120)]
    harness.advance(seconds=10)
    await _publish(harness, responder)
    reply = await harness.get(Reply, approved.id)
    assert (reply.state, reply.error, reply.due_at) == ("approved", "slow down", harness.now + timedelta(seconds=120))
    harness.advance(seconds=119)
    await _publish(harness, responder)
    assert responder.calls == 1
    harness.advance(seconds=1)
    await _publish(harness, responder)
    assert (await harness.get(Reply, approved.id)).state == "published"


async def test_a_rejected_reply_returns_to_its_manager_with_the_reason_and_can_be_retried(
    harness: Harness, approved: Reply, responder: FakeResponder
):
    ana = harness.member("ana")
    responder.errors_before = [Rejected("the post was deleted")]
    harness.advance(seconds=10)
    await _publish(harness, responder)
    reply, case = await harness.get(Reply, approved.id), await harness.get(Case, approved.case_id)
    assert (reply.state, reply.error) == ("failed", "the post was deleted")
    assert (case.state, case.claimed_by) == ("claimed", ana)
    await harness.do(approvals.publish_again, approved.id, ana)
    harness.advance(seconds=10)
    await _publish(harness, responder)
    assert (await harness.get(Reply, approved.id)).state == "published"


async def test_a_rejected_reply_cannot_be_marked_as_published(
    harness: Harness, approved: Reply, responder: FakeResponder
):
    responder.errors_before = [Rejected("too long")]
    harness.advance(seconds=10)
    await _publish(harness, responder)
    with pytest.raises(Refused, match="The platform rejected this reply"):
        await harness.do(approvals.mark_published, approved.id, harness.member("ana"))


async def test_a_revoked_token_fails_the_reply_with_the_fix(
    harness: Harness, approved: Reply, responder: FakeResponder
):
    responder.errors_before = [Unauthorized("The token was revoked", "Make a new one in the settings.")]
    harness.advance(seconds=10)
    await _publish(harness, responder)
    assert "Make a new one" in str((await harness.get(Reply, approved.id)).error)


async def test_a_reply_whose_connection_does_not_run_fails_with_the_reason(harness: Harness, approved: Reply):
    harness.advance(minutes=5)
    fail = sending.fail_undeliverable
    assert await fail(harness.store, harness.configuration, harness.now, ["square"]) == 0
    blocked = {"square": "The token was revoked. Make a new one."}
    assert await fail(harness.store, harness.configuration, harness.now, ["other"], blocked) == 1
    assert (await harness.get(Reply, approved.id)).error == blocked["square"]
    assert (await harness.get(Case, approved.case_id)).state == "claimed"


async def test_after_the_last_try_the_reply_fails(harness: Harness, approved: Reply, responder: FakeResponder):
    responder.errors_before = [Unavailable("down")] * 20
    for _ in range(20):
        harness.advance(hours=1)
        await _publish(harness, responder)
    assert (await harness.get(Reply, approved.id)).state == "failed"
    assert responder.calls == sending.MAX_TRIES


async def test_a_rejected_lookup_leaves_the_reply_to_a_member(harness: Harness, approved: Reply):
    class RejectingResponder(FakeResponder):
        async def find(self, reply: Outgoing) -> LookupResult:
            raise Rejected("Missing Access")

    responder = RejectingResponder()
    responder.errors_after = [Uncertain("connection lost")]
    harness.advance(seconds=10)
    await _publish(harness, responder)
    harness.advance(minutes=1)
    await _publish(harness, responder)
    assert (await harness.get(Reply, approved.id)).state == "unknown"


async def test_a_spent_budget_fails_the_reply_at_once(harness: Harness, approved: Reply, responder: FakeResponder):
    responder.errors_before = [Paused("the month's budget is spent", "Raise it.", 1e6)]
    harness.advance(seconds=10)
    await _publish(harness, responder)
    reply = await harness.get(Reply, approved.id)
    assert (reply.state, reply.error) == ("failed", "the month's budget is spent. Raise it.")


@pytest.mark.parametrize("deleted", [False, True])
async def test_a_post_that_changed_after_the_approval_must_be_reviewed_again(
    harness: Harness, responder: FakeResponder, deleted: bool
):
    post = harness.post("Ferroviola in ritardo (-)", "rita")
    await harness.receive(post)
    await harness.analyze()
    [case] = await harness.cases()
    ana = harness.member("ana")
    reply = await harness.do(replies.save_draft, case.id, ana, "Grazie, siamo d'accordo con Lei!")
    await harness.do(approvals.approve, reply.id, reply.revision, ana)
    harness.advance(seconds=5)
    async with harness.store.writing() as session:
        if deleted:
            deletion = Deletion(platform="square", native_id=post.native_id)
            await erasure.erase_deleted(session, deletion, harness.now)
        else:
            edited = msgspec.structs.replace(post, text="Ferroviola investe i clienti (-)")
            await mentions.write_edit(session, "square", MatchedPost(edited, ()), harness.now)
    harness.advance(seconds=5)
    await _publish(harness, responder)
    assert responder.calls == 0
    failed = await harness.get(Reply, reply.id)
    assert (failed.state, (await harness.get(Case, case.id)).claimed_by) == ("failed", ana)
    assert "deleted" in failed.error if deleted else "edited" in failed.error
    await harness.do(approvals.publish_again, reply.id, ana)
    harness.advance(seconds=10)
    await _publish(harness, responder)
    assert responder.calls == (0 if deleted else 1)


async def test_a_failed_reply_is_not_published_beside_a_newer_one(
    harness: Harness, approved: Reply, responder: FakeResponder
):
    ana = harness.member("ana")
    responder.errors_before = [Rejected("too long")]
    harness.advance(seconds=10)
    await _publish(harness, responder)
    newer = await harness.do(replies.save_draft, approved.case_id, ana, "Ci scusiamo.")
    await harness.do(approvals.approve, newer.id, newer.revision, ana)
    harness.advance(seconds=10)
    await _publish(harness, responder)
    await harness.do(case_actions.reopen, approved.case_id, ana)
    await harness.do(case_actions.claim, approved.case_id, ana)
    with pytest.raises(Refused, match="newer reply"):
        await harness.do(approvals.publish_again, approved.id, ana)


async def test_a_retry_needs_as_many_approvals_as_the_queue_requires_now(
    harness: Harness, approved: Reply, responder: FakeResponder
):
    ana = harness.member("ana")
    responder.errors_before = [Rejected("too long")]
    harness.advance(seconds=10)
    await _publish(harness, responder)
    team = (member for member in CONFIGURATION.members if member.slug in ("ana", "bruno"))
    approvers = tuple(msgspec.structs.replace(member, role="approver") for member in team)
    await harness.apply(ConfigurationFile(members=approvers))
    await harness.change_queue("trains", approvals=1)
    await harness.do(approvals.publish_again, approved.id, ana)
    harness.advance(seconds=10)
    await _publish(harness, responder)
    assert (await harness.get(Reply, approved.id)).state == "proposed"
    assert not responder.published
