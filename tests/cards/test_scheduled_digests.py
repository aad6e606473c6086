"""When digests are written: at the queue's local time, each once."""

from datetime import UTC, datetime

from conftest import Harness

from cards import scheduled_digests
from models.configuration import Chat
from models.tables.card_placement import CardPlacement
from models.tables.digest import Digest

CHATS = (Chat(desk="telegram", chat="-1"),)


async def _write_due(harness: Harness) -> int:
    async with harness.store.reading() as session:
        if not await scheduled_digests.is_any_due(session, harness.configuration, harness.now):
            return 0
    return await harness.do(scheduled_digests.write_due)


async def test_the_daily_digest_is_written_once_at_the_local_hour(harness: Harness):
    await harness.change_queue("trains", chats=CHATS, digest_at="08:30", language="it")
    harness.now = datetime(2026, 11, 24, 7, 29, tzinfo=UTC)  # 08:29 in Rome
    assert await _write_due(harness) == 0
    harness.advance(minutes=1)
    assert await _write_due(harness) == 1
    assert await _write_due(harness) == 0
    [digest] = await harness.all(Digest)
    assert (digest.first_day, digest.lines[0]) == ("2026-11-23", "Trains · lunedì 23 novembre")
    placements = await harness.all(CardPlacement)
    assert [(placement.subject, placement.chat) for placement in placements] == [("digest", "-1")]


async def test_the_local_hour_stays_the_same_over_a_clock_change(harness: Harness):
    await harness.change_queue("trains", chats=CHATS, digest_at="08:30")
    for day, hour in ((28, 7), (29, 6), (30, 6)):  # 08:30 is 07:30 UTC before 29 March 2026, 06:30 after
        harness.now = datetime(2026, 3, day, hour, 29, tzinfo=UTC)
        assert await _write_due(harness) == 0
        harness.advance(minutes=1)
        assert await _write_due(harness) == (2 if day == 30 else 1)  # on a Monday also the week's


async def test_weekly_and_monthly_digests_are_written_once_after_their_period(harness: Harness):
    await harness.change_queue("trains", chats=CHATS, language="it")
    for day in range(23, 32):  # June 2026 starts on a Monday
        harness.now = datetime(2026, 5, day, 7, 0, tzinfo=UTC)
        await _write_due(harness)
        assert await _write_due(harness) == 0
    harness.now = datetime(2026, 6, 1, 7, 0, tzinfo=UTC)
    assert await _write_due(harness) == 3
    longer = [digest for digest in await harness.all(Digest) if digest.period != "day"]
    assert [(digest.period, digest.first_day) for digest in longer] == [
        ("week", "2026-05-18"),
        ("week", "2026-05-25"),
        ("month", "2026-05-01"),
    ]


async def test_a_program_started_in_the_evening_does_not_write_the_morning_digest(harness: Harness):
    await harness.change_queue("trains", chats=CHATS)
    harness.now = datetime(2026, 11, 24, 18, 0, tzinfo=UTC)
    assert await _write_due(harness) == 0
