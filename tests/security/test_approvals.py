"""Ten seconds by two clocks, and nobody decides alone that one pair of eyes is enough."""

from collections.abc import Sequence

import msgspec
import pytest
from conftest import Harness, MarkReader

from actions.perform import perform_chat_action
from models.configuration import ConfigurationFile, Member
from models.errors import Refused
from models.outgoing import Address, LookupResult, Outgoing
from models.sentiment import Reading
from models.tables.action import Action
from models.tables.case import Case
from models.tables.reply import Reply
from publishing import approvals, bulk_reply, replies, undo
from publishing.sending import ReplyPublisher
from store import sessions
from triage import case_actions

TEXT = "Ci scusiamo, ecco: https://ferroviola.example/aiuto"
CRISIS = "#boicottaFerroviola diventi virale, condividete (-)"


class CrisisReader(MarkReader):
    """Reads a call to boycott as a crisis, as the classifier does."""

    def read(self, texts: Sequence[str], tags: Sequence[str | None], *_: object) -> list[Reading]:
        readings = super().read(texts, tags)
        return [
            msgspec.structs.replace(reading, intent="crisis") if "boicotta" in text else reading
            for text, reading in zip(texts, readings, strict=True)
        ]


class Responder:
    name = "square"

    def __init__(self) -> None:
        self.published: list[str] = []

    async def publish(self, reply: Outgoing) -> Address:
        self.published.append(reply.text)
        return Address(native_id="r1", url="http://square.example/r1")

    async def find(self, _reply: Outgoing) -> LookupResult:
        return "none"


async def draft(harness: Harness, post: str, member: str = "ana", author: str = "rita") -> tuple[Case, Reply]:
    case = await harness.case(post, author)
    await harness.do(case_actions.claim, case.id, harness.member(member))
    return case, await harness.do(replies.save_draft, case.id, harness.member(member), TEXT)


async def approve(harness: Harness, reply: Reply, member: str = "ana") -> str:
    """The state of the reply after this member has approved it as it is now."""
    reply = await harness.get(Reply, reply.id)
    await harness.do(approvals.approve, reply.id, reply.revision, harness.member(member))
    return (await harness.get(Reply, reply.id)).state


# Two clocks (F24).


class Clocks:
    """The wall clock is the harness's; this is the other one."""

    def __init__(self, harness: Harness) -> None:
        self.harness = harness
        self.monotonic = 1_000.0
        self.responder = Responder()
        self.publisher = ReplyPublisher(harness.store, self.responder, lambda: self.monotonic)

    async def pass_seconds(self, seconds: float, wall: float | None = None) -> int:
        """How many replies went out until then."""
        self.monotonic += seconds
        self.harness.advance(seconds=seconds if wall is None else wall)
        await self.publisher.publish_due(self.harness.configuration, self.harness.now)
        return len(self.responder.published)


async def test_a_wall_clock_that_jumps_a_day_ahead_publishes_nothing_at_once(harness: Harness):
    _, reply = await draft(harness, "Ferroviola in ritardo (-)")
    clocks = Clocks(harness)
    assert await approve(harness, reply) == "approved"
    assert await clocks.pass_seconds(0.5, wall=86_400) == 0
    assert await clocks.pass_seconds(8, wall=8) == 0
    await harness.do(undo.undo, reply.id, harness.member("ana"))
    assert await clocks.pass_seconds(60) == 0
    assert (await harness.get(Reply, reply.id)).state == "draft"


async def test_it_goes_out_once_both_clocks_have_counted_ten(harness: Harness):
    _, reply = await draft(harness, "Ferroviola in ritardo (-)")
    clocks = Clocks(harness)
    assert await approve(harness, reply) == "approved"
    assert await clocks.pass_seconds(0) == 0
    assert await clocks.pass_seconds(9.5) == 0
    assert await clocks.pass_seconds(1) == 1


async def test_a_program_that_starts_again_counts_anew(harness: Harness):
    _, reply = await draft(harness, "Ferroviola in ritardo (-)")
    assert await approve(harness, reply) == "approved"
    clocks = Clocks(harness)
    assert await clocks.pass_seconds(0.1, wall=3_600) == 0
    assert await clocks.pass_seconds(10.1) == 1


async def test_approved_again_it_can_be_undone_for_ten_seconds_again(harness: Harness):
    _, reply = await draft(harness, "Ferroviola in ritardo (-)")
    clocks = Clocks(harness)
    await approve(harness, reply)
    assert await clocks.pass_seconds(0) == 0
    assert await clocks.pass_seconds(9) == 0
    await harness.do(undo.undo, reply.id, harness.member("ana"))
    assert await approve(harness, reply) == "approved"
    assert await clocks.pass_seconds(5, wall=86_400) == 0, "the fourteen seconds since the first time do not count"


async def test_a_wall_clock_that_jumps_back_makes_no_link_live_longer(harness: Harness):
    async with harness.store.writing() as session:
        token = await sessions.create_link(session, harness.member("ana"), harness.now)
    harness.advance(hours=-24)
    async with harness.store.writing() as session:
        assert not await sessions.is_link_valid(session, token, harness.now)
        assert await sessions.sign_in(session, token, harness.now) is None


# Who decides how many eyes are needed (F29, DECISIONS 4).


@pytest.fixture
async def team(harness: Harness) -> Harness:
    """A crisis needs a second yes, by Dora or Elio."""
    approvers = tuple(Member(slug=slug, name=slug.title(), role="approver") for slug in ("dora", "elio"))
    await harness.apply(ConfigurationFile(members=approvers))
    await harness.change_queue("trains", team=("ana", "bruno", "lidia", "dora", "elio"), risky_approvals=1)
    await harness.change_queue("trains-ro", team=("ana", "dora", "elio"))
    harness.classification.reader = CrisisReader()
    return harness


async def correct(harness: Harness, case: Case, sentiment: str, member: str = "ana") -> None:
    await harness.do(case_actions.correct, case.id, harness.member(member), sentiment)


async def test_a_crisis_waits_for_a_second_yes(team: Harness):
    case, reply = await draft(team, CRISIS)
    assert (await team.get(Case, case.id)).intent == "crisis"
    assert await approve(team, reply) == "proposed"


@pytest.mark.parametrize(
    "steps",
    [
        ("positive",),
        ("neutral",),
        ("neutral", "positive"),
        ("positive", "negative"),
        ("positive", "negative", "neutral"),
    ],
    ids=str,
)
@pytest.mark.parametrize("post", [CRISIS, f"{CRISIS} chiamo il mio avvocato"], ids=["a crisis", "a grave one"])
async def test_whoever_corrects_the_reading_does_not_publish_alone(team: Harness, post: str, steps: tuple[str, ...]):
    case, reply = await draft(team, post)
    for sentiment in steps:
        await correct(team, case, sentiment)
    assert await approve(team, reply) == "proposed"


async def test_nor_does_who_corrected_it_before_claiming_it(team: Harness):
    case = await team.case(CRISIS)
    await correct(team, case, "positive")
    await team.do(case_actions.claim, case.id, team.member("ana"))
    reply = await team.do(replies.save_draft, case.id, team.member("ana"), TEXT)
    assert await approve(team, reply) == "proposed"


async def test_nor_does_who_corrected_it_and_gave_it_away_and_took_it_back(team: Harness):
    case, reply = await draft(team, CRISIS)
    await correct(team, case, "positive")
    await team.do(case_actions.release, case.id, team.member("ana"))
    await team.do(case_actions.claim, case.id, team.member("ana"))
    assert await approve(team, reply) == "proposed"


async def test_nor_does_who_dismissed_and_reopened_it(team: Harness):
    case, reply = await draft(team, CRISIS)
    await correct(team, case, "positive")
    await team.do(case_actions.dismiss, case.id, team.member("ana"), "spam")
    await team.do(case_actions.reopen, case.id, team.member("ana"))
    await team.do(case_actions.claim, case.id, team.member("ana"))
    reply = await team.do(replies.save_draft, case.id, team.member("ana"), TEXT)
    assert await approve(team, reply) == "proposed"


async def test_nor_after_the_author_wrote_again(team: Harness):
    """A newer, harmless mention in the same thread is the one that is read."""
    await team.receive(team.post(CRISIS, thread="t", native_id="p1"))
    await team.analyze()
    await team.do(case_actions.claim, 1, team.member("ana"))
    await correct(team, (await team.cases())[0], "positive")
    await team.receive(team.post("Ferroviola vi ringrazio (+)", thread="t", native_id="p2"))
    await team.analyze()
    reply = await team.do(replies.save_draft, 1, team.member("ana"), TEXT)
    assert await approve(team, reply) == "proposed"


async def test_the_correction_alone_was_enough_once_and_two_are_always(team: Harness):
    case, reply = await draft(team, CRISIS)
    await correct(team, case, "positive")
    assert await approve(team, reply) == "proposed"
    assert await approve(team, reply, "dora") == "approved"


async def test_who_corrected_it_does_not_count_as_the_second(team: Harness):
    """DECISIONS 4: who changes what decides how many eyes are needed does not count among them."""
    case, reply = await draft(team, CRISIS)
    await correct(team, case, "positive", "dora")
    assert await approve(team, reply) == "proposed"
    refused = False
    try:
        state = await approve(team, reply, "dora")
    except Refused:
        refused, state = True, ""
    assert refused or state == "proposed"
    assert await approve(team, reply, "elio") == "approved"


async def test_a_bulk_reply_needs_as_many_eyes(team: Harness):
    await team.receive(team.post(CRISIS, "rita"), team.post(CRISIS, "ugo"))
    await team.analyze()
    for case in await team.cases():
        await correct(team, case, "positive")
        try:
            await team.do(bulk_reply.answer, case.id, team.member("ana"), TEXT)
        except Refused:
            continue
    assert "approved" not in [reply.state for reply in await team.all(Reply)]


# Who sees what an approver made of a proposal (F26).


async def test_a_proposal_that_its_approver_rewrote_is_kept_in_both_versions_with_their_names(team: Harness):
    from cards.case_view import case_view

    case, reply = await draft(team, CRISIS)
    assert await approve(team, reply) == "proposed"
    proposed = await team.get(Reply, reply.id)
    other = "Testo del tutto diverso. https://ferroviola.example"
    await team.do(approvals.amend, reply.id, proposed.revision, team.member("dora"), other)
    with pytest.raises(Refused):
        await team.do(approvals.approve, reply.id, proposed.revision, team.member("elio"))
    async with team.store.reading() as session:
        view = await case_view(team.context(session), case.id)
    versions = [(version.member_id, version.text) for version in view.replies[0].versions]
    assert (team.member("ana"), TEXT) in versions
    assert view.replies[0].text == other


# Who may say yes (DECISIONS 1): a member, and nobody else.


@pytest.mark.parametrize("who", ["999", "", "0", "-1", "ana", "11 ", "11\u0000"])
async def test_no_stranger_on_a_chat_approves(harness: Harness, who: str):
    _, reply = await draft(harness, "Ferroviola in ritardo (-)")
    action = Action(native_id="1", verb="approve", who=who, chat="1", case=1, reply=reply.id, revision=reply.revision)
    async with harness.store.writing() as session:
        await perform_chat_action(harness.context(session), "telegram", "telegram", action)
    assert (await harness.get(Reply, reply.id)).state == "draft"


async def test_a_member_who_left_approves_nothing(team: Harness):
    _, reply = await draft(team, CRISIS)
    await approve(team, reply)
    await team.apply(ConfigurationFile(members=(Member(slug="dora", name="Dora", role="approver", archived=True),)))
    with pytest.raises(Refused):
        await approve(team, reply, "dora")
    assert (await team.get(Reply, reply.id)).due_at is None
