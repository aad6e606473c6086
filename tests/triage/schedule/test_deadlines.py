"""What happens by itself when its time comes."""

from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from conftest import Harness

from models.configuration import Absence, ConfigurationFile, Member
from models.errors import Refused
from models.tables.alert import Alert
from models.tables.case import Case, CaseEvent, EventDetail
from publishing import replies
from triage import case_actions
from triage.schedule import deadlines


async def test_a_claim_expires(harness: Harness):
    case = await harness.case()
    await harness.do(case_actions.claim, case.id, harness.member("ana"))
    harness.advance(minutes=29)
    assert await harness.do(deadlines.run_due) == 0
    harness.advance(minutes=1)
    assert await harness.do(deadlines.run_due) == 1
    case = await harness.get(Case, case.id)
    assert (case.state, case.claimed_by) == ("waiting", None)


async def test_a_snooze_ends(harness: Harness):
    case = await harness.case()
    await harness.do(case_actions.snooze, case.id, harness.member("ana"), harness.now + timedelta(minutes=45))
    harness.advance(minutes=44)
    await harness.do(deadlines.run_due)
    assert (await harness.get(Case, case.id)).state == "snoozed"
    harness.advance(minutes=1)
    await harness.do(deadlines.run_due)
    assert (await harness.get(Case, case.id)).state == "waiting"


async def test_an_overdue_case_notifies_each_step_of_the_chain_once(harness: Harness):
    case = await harness.case()
    for _ in range(400):
        harness.advance(minutes=1)
        await harness.do(deadlines.run_due)
    assert [(alert.kind, alert.notified) for alert in await harness.all(Alert)] == [
        ("overdue", ("ana",)),
        ("overdue", ("lidia",)),
        ("overdue", ("ana", "bruno", "lidia")),
    ]
    events = [event for event in await harness.all(CaseEvent) if event.kind == "overdue"]
    assert [round((event.at - case.received_at).total_seconds() / 60) for event in events] == [60, 90, 120]


async def test_an_answered_case_is_never_overdue(harness: Harness):
    case = await harness.case()
    ana = harness.member("ana")
    await harness.do(case_actions.claim, case.id, ana)
    await harness.do(replies.mark_answered, case.id, ana)
    harness.advance(hours=5)
    await harness.do(deadlines.run_due)
    assert await harness.all(Alert) == []


async def test_running_twice_does_nothing_twice(harness: Harness):
    await harness.case()
    harness.advance(minutes=61)
    assert await harness.do(deadlines.run_due) == 1
    assert await harness.do(deadlines.run_due) == 0


async def test_only_the_first_case_of_a_duplicate_group_is_overdue(harness: Harness):
    for n in range(4):
        await harness.receive(
            harness.post(f"Ferroviola ferma da due ore a Bologna, nessuno dice niente {n} (-)", author=f"a{n}")
        )
    await harness.analyze()
    harness.advance(minutes=61)
    await harness.do(deadlines.run_due)
    assert len(await harness.all(Alert)) == 1


def _absent_today(harness: Harness, slug: str, cover: str = "") -> Member:
    today = harness.now.date()
    member = harness.configuration.members[harness.member(slug)]
    return msgspec.structs.replace(member, absences=(Absence(first=today, last=today, cover=cover),))


async def test_the_cases_of_an_absent_member_go_to_their_cover_or_back_to_the_queue(harness: Harness):
    covered = await harness.case()
    uncovered = await harness.case(author="ugo")
    await harness.do(case_actions.claim, covered.id, harness.member("ana"))
    await harness.do(case_actions.claim, uncovered.id, harness.member("bruno"))
    absent = (_absent_today(harness, "ana", cover="lidia"), _absent_today(harness, "bruno"))
    await harness.apply(ConfigurationFile(members=absent))
    async with harness.store.reading() as session:
        assert await deadlines.is_anything_due(session, harness.configuration, harness.now)
    await harness.do(deadlines.run_due)
    assert (await harness.get(Case, covered.id)).claimed_by == harness.member("lidia")
    assert (await harness.get(Case, uncovered.id)).state == "waiting"
    events = [event for event in await harness.all(CaseEvent) if event.kind in ("reassigned", "returned")]
    assert [(event.kind, event.detail) for event in events] == [
        ("reassigned", EventDetail(to="lidia", absent="ana")),
        ("returned", EventDetail(absent="bruno")),
    ]


async def test_a_case_cannot_be_assigned_to_an_absent_member(harness: Harness):
    await harness.apply(ConfigurationFile(members=(_absent_today(harness, "ana"),)))
    case = await harness.case()
    with pytest.raises(Refused, match="Ana is away until"):
        await harness.do(case_actions.assign, case.id, harness.member("lidia"), "ana")


async def test_an_overdue_case_records_who_was_unavailable(harness: Harness):
    await harness.apply(ConfigurationFile(members=(_absent_today(harness, "ana"),)))
    await harness.case()
    harness.advance(minutes=61)
    await harness.do(deadlines.run_due)
    event = (await harness.all(CaseEvent))[-1]
    detail = EventDetail(notified=("lidia",), unavailable=("ana",), escalation_level=2)
    assert (event.kind, event.detail) == ("overdue", detail)
    harness.advance(minutes=31)
    assert harness.now - timedelta(minutes=92) == datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
    await harness.do(deadlines.run_due)
    assert (await harness.all(Alert))[-1].notified == ("bruno", "lidia")
