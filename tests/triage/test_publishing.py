import contextlib
from datetime import timedelta

import msgspec
import pytest
from conftest import CONTENTS, House

from models.case import Case, Reply
from models.catalogue import Contents
from models.errors import Paused, Refused, Rejected, Unauthorized, Unavailable, Uncertain
from models.post import Deletion
from models.reply import Address, Found, Outgoing
from store import mentions
from store.mentions import Kept
from triage import actions, publishing, replying
from triage.publishing import Mouth


class Platform:
    """A far side that can do each wrong, and remembers what it published by key."""

    name = "square"

    def __init__(self) -> None:
        self.published: dict[str, str] = {}
        self.calls = 0
        self.fails: list[Exception] = []
        self.fails_after: list[Exception] = []
        self.can_tell = True

    async def publish(self, reply: Outgoing) -> Address:
        self.calls += 1
        if self.fails:
            raise self.fails.pop(0)
        assert reply.key not in self.published, "said twice"
        self.published[reply.key] = reply.text
        if self.fails_after:
            raise self.fails_after.pop(0)
        return Address(native_id=f"r{self.calls}", url=f"http://square.example/posts/r{self.calls}")

    async def find(self, reply: Outgoing) -> Found:
        if not self.can_tell:
            return "cannot tell"
        return Address(native_id="found") if reply.key in self.published else "none"


@pytest.fixture
async def approved(house: House) -> Reply:
    case = await house.case()
    ana = house.member("ana")
    reply = await house.do(replying.draft, case.id, ana, "Ci scusiamo molto.")
    return await house.do(replying.approve, reply.id, reply.revision, ana)


async def speak(house: House, platform: Platform) -> None:
    with contextlib.suppress(Unavailable, Unauthorized):
        await Mouth(house.store, platform).speak(house.catalogue, house.now)


async def test_nothing_is_said_in_the_ten_seconds_of_undo(house: House, approved: Reply):
    platform = Platform()
    house.later(seconds=9)
    await speak(house, platform)
    assert platform.calls == 0
    house.later(seconds=1)
    await speak(house, platform)
    reply = await house.get(Reply, approved.id)
    case = await house.get(Case, approved.case_id)
    assert (reply.state, reply.url) == ("published", "http://square.example/posts/r1")
    assert (case.state, case.first_answered_at) == ("answered", house.now)


async def test_undo_after_it_was_sent_says_so(house: House, approved: Reply):
    house.later(seconds=10)
    await speak(house, Platform())
    with pytest.raises(Refused, match="has been sent already"):
        await house.do(replying.undo, approved.id, house.member("ana"))


async def test_a_crash_after_the_platform_took_it_finds_it_and_does_not_say_it_twice(house: House, approved: Reply):
    platform = Platform()
    platform.fails_after = [RuntimeError("kill -9")]
    house.later(seconds=10)
    with pytest.raises(RuntimeError):
        await speak(house, platform)
    assert (await house.get(Reply, approved.id)).state == "sending"
    mouth = Mouth(house.store, platform)
    await mouth.doubt_all(house.now)
    house.later(seconds=15)
    await mouth.speak(house.catalogue, house.now)
    reply = await house.get(Reply, approved.id)
    assert (reply.state, reply.native_id, platform.calls) == ("published", "found", 1)


async def test_a_crash_before_the_platform_heard_says_it_once(house: House, approved: Reply):
    platform = Platform()
    platform.fails = [RuntimeError("kill -9")]
    house.later(seconds=10)
    with pytest.raises(RuntimeError):
        await speak(house, platform)
    mouth = Mouth(house.store, platform)
    await mouth.doubt_all(house.now)
    house.later(seconds=15)
    await mouth.speak(house.catalogue, house.now)
    await mouth.speak(house.catalogue, house.now)
    assert (await house.get(Reply, approved.id)).state == "published"
    assert len(platform.published) == 1


async def test_a_voice_that_begins_anew_does_not_look_before_a_call_that_broke_off_has_arrived(
    house: House, approved: Reply
):
    class Late(Platform):
        arriving: Outgoing | None = None

        async def publish(self, reply: Outgoing) -> Address:
            self.calls += 1
            self.arriving = reply
            raise Uncertain("timed out")

    platform = Late()
    house.later(seconds=10)
    for _ in range(3):  # the supervisor begins the voice anew after every Uncertain
        mouth = Mouth(house.store, platform)
        await mouth.doubt_all(house.now)
        with contextlib.suppress(Uncertain):
            await mouth.speak(house.catalogue, house.now)
        house.later(seconds=1)
    assert platform.arriving
    platform.published[platform.arriving.key] = platform.arriving.text
    house.later(seconds=15)
    await speak(house, platform)
    assert (await house.get(Reply, approved.id)).state == "published"
    assert platform.calls == 1


async def test_where_the_platform_cannot_tell_a_member_is_asked(house: House, approved: Reply):
    platform = Platform()
    platform.fails_after, platform.can_tell = [Uncertain("cut off")], False
    house.later(seconds=10)
    await speak(house, platform)
    house.later(seconds=20)
    await speak(house, platform)
    assert (await house.get(Reply, approved.id)).state == "unknown"
    for _ in range(5):
        house.later(minutes=10)
        await speak(house, platform)
    assert platform.calls == 1
    await house.do(replying.settle, approved.id, house.member("ana"), published=True)
    assert (await house.get(Reply, approved.id)).state == "published"
    assert (await house.get(Case, approved.case_id)).state == "answered"


async def test_a_member_who_does_not_find_it_there_has_it_sent_again(house: House, approved: Reply):
    platform = Platform()
    platform.fails, platform.can_tell = [Uncertain("cut off")], False
    house.later(seconds=10)
    await speak(house, platform)
    house.later(seconds=20)
    await speak(house, platform)
    await house.do(replying.settle, approved.id, house.member("bruno"), published=False)
    house.later(seconds=10)
    await speak(house, platform)
    assert (await house.get(Reply, approved.id)).state == "published"


async def test_a_call_that_broke_off_is_looked_for_and_not_repeated(house: House, approved: Reply):
    platform = Platform()
    platform.fails_after = [Uncertain("connection reset")]
    house.later(seconds=10)
    await speak(house, platform)
    await speak(house, platform)
    assert (await house.get(Reply, approved.id)).state == "sending"
    house.later(seconds=15)
    await speak(house, platform)
    assert (await house.get(Reply, approved.id)).state == "published"
    assert platform.calls == 1


async def test_unavailable_waits_as_long_as_asked_and_then_says_it(house: House, approved: Reply):
    platform = Platform()
    platform.fails = [Unavailable("slow down", retry_after=120)]
    house.later(seconds=10)
    await speak(house, platform)
    reply = await house.get(Reply, approved.id)
    assert (reply.state, reply.error, reply.due_at) == ("approved", "slow down", house.now + timedelta(seconds=120))
    house.later(seconds=119)
    await speak(house, platform)
    assert platform.calls == 1
    house.later(seconds=1)
    await speak(house, platform)
    assert (await house.get(Reply, approved.id)).state == "published"


async def test_rejected_goes_back_to_its_manager_with_the_reason_and_can_be_tried_again(house: House, approved: Reply):
    platform = Platform()
    platform.fails = [Rejected("the post was deleted")]
    house.later(seconds=10)
    await speak(house, platform)
    reply, case = await house.get(Reply, approved.id), await house.get(Case, approved.case_id)
    assert (reply.state, reply.error) == ("failed", "the post was deleted")
    assert (case.state, case.claimed_by) == ("claimed", house.member("ana"))
    await house.do(replying.settle, approved.id, house.member("ana"), published=False)
    house.later(seconds=10)
    await speak(house, platform)
    assert (await house.get(Reply, approved.id)).state == "published"


async def test_a_revoked_token_fails_the_reply_with_the_step_to_take(house: House, approved: Reply):
    platform = Platform()
    platform.fails = [Unauthorized("The token was revoked", "Make a new one in the settings.")]
    house.later(seconds=10)
    await speak(house, platform)
    assert "Make a new one" in str((await house.get(Reply, approved.id)).error)


async def test_a_reply_for_a_connection_that_is_gone_does_not_wait_for_ever(house: House, approved: Reply):
    house.later(minutes=5)
    assert await publishing.fail_unspoken(house.store, house.catalogue, house.now, ["square"]) == 0
    mute = {"square": "The token was revoked. Make a new one."}
    assert await publishing.fail_unspoken(house.store, house.catalogue, house.now, ["other"], mute) == 1
    assert (await house.get(Reply, approved.id)).error == mute["square"]
    assert (await house.get(Case, approved.case_id)).state == "claimed"


async def test_after_many_tries_the_manager_is_told(house: House, approved: Reply):
    platform = Platform()
    platform.fails = [Unavailable("down")] * 20
    for _ in range(20):
        house.later(hours=1)
        await speak(house, platform)
    assert (await house.get(Reply, approved.id)).state == "failed"
    assert platform.calls == publishing.MAX_TRIES


async def test_a_place_that_is_closed_to_us_is_left_to_a_human_and_blocks_nobody(house: House, approved: Reply):
    class Closed(Platform):
        async def find(self, reply: Outgoing) -> Found:
            raise Rejected("Missing Access")

    platform = Closed()
    platform.fails_after = [Uncertain("broken")]
    house.later(seconds=10)
    await speak(house, platform)
    house.later(minutes=1)
    await speak(house, platform)
    assert (await house.get(Reply, approved.id)).state == "unknown"


async def test_a_budget_that_is_spent_gives_the_reply_back_at_once(house: House, approved: Reply):
    platform = Platform()
    platform.fails = [Paused("the month's budget is spent", "Raise it.", 1e6)]
    house.later(seconds=10)
    await speak(house, platform)
    reply = await house.get(Reply, approved.id)
    assert (reply.state, reply.error) == ("failed", "the month's budget is spent. Raise it.")


@pytest.mark.parametrize("gone", [False, True])
async def test_a_post_that_changed_after_the_yes_is_looked_at_again(house: House, gone: bool):
    post = house.post("Ferroviola in ritardo (-)", "rita")
    await house.hear(post)
    await house.read()
    [case] = await house.cases()
    ana, platform = house.member("ana"), Platform()
    reply = await house.do(replying.draft, case.id, ana, "Grazie, siamo d'accordo con Lei!")
    await house.do(replying.approve, reply.id, reply.revision, ana)
    house.later(seconds=5)
    async with house.store.writing() as session:
        if gone:
            await mentions.empty(session, Deletion(platform="square", native_id=post.native_id), house.now)
        else:
            changed = msgspec.structs.replace(post, text="Ferroviola investe i clienti (-)")
            await mentions.write_edit(session, "square", Kept(changed, ()), house.now)
    house.later(seconds=5)
    await speak(house, platform)
    assert platform.calls == 0
    again = await house.get(Reply, reply.id)
    assert (again.state, (await house.get(Case, case.id)).claimed_by) == ("failed", ana)
    assert "deleted" in again.error if gone else "edited" in again.error
    await house.do(replying.settle, reply.id, ana, published=False)
    house.later(seconds=10)
    await speak(house, platform)
    assert platform.calls == (0 if gone else 1)


async def test_an_old_reply_that_failed_is_not_said_beside_a_newer_one(house: House, approved: Reply):
    ana, platform = house.member("ana"), Platform()
    platform.fails = [Rejected("too long")]
    house.later(seconds=10)
    await speak(house, platform)
    newer = await house.do(replying.draft, approved.case_id, ana, "Ci scusiamo.")
    await house.do(replying.approve, newer.id, newer.revision, ana)
    house.later(seconds=10)
    await speak(house, platform)
    await house.do(actions.reopen, approved.case_id, ana)
    await house.do(actions.claim, approved.case_id, ana)
    with pytest.raises(Refused, match="newer reply"):
        await house.do(replying.settle, approved.id, ana, published=False)


async def test_trying_again_wants_as_many_yeses_as_the_queue_does_now(house: House, approved: Reply):
    ana, platform = house.member("ana"), Platform()
    platform.fails = [Rejected("too long")]
    house.later(seconds=10)
    await speak(house, platform)
    team = (m for m in CONTENTS.members if m.slug in ("ana", "bruno"))
    await house.apply(Contents(members=tuple(msgspec.structs.replace(m, role="approver") for m in team)))
    await house.change_queue("trains", approvals=1)
    await house.do(replying.settle, approved.id, ana, published=False)
    house.later(seconds=10)
    await speak(house, platform)
    assert (await house.get(Reply, approved.id)).state == "proposed"
    assert not platform.published
