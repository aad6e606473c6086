"""The lines and the chart of a digest."""

from datetime import UTC, date, datetime, timedelta

import pytest
from conftest import Harness

from insights import charts, digests
from insights.periods import containing
from languages import translator
from models.tables.alert import Alert
from publishing import replies
from store.connection_status import Report, save_reports
from triage import alerts, case_actions


async def _lines(harness: Harness, language: str = "en") -> list[str]:
    """Of the day, for all queues of Ferroviola."""
    queue = digests.queue_of_brands(harness.configuration, ["ferroviola"], "Europe/Rome", language)
    period = digests.period_of("day", None, harness.now, "Europe/Rome")
    async with harness.store.reading() as session:
        return await digests.digest(harness.context(session), queue, period, translator(language))


async def test_a_busy_day_has_at_most_twelve_lines(harness: Harness):
    for day in range(7, 0, -1):
        at = harness.now - timedelta(days=day)
        await harness.receive(
            *(harness.post(f"ferroviola {n}", author=f"a{day}{n}", created_at=at, origin="import") for n in range(4))
        )
    for n in range(12):
        text = f"Ferroviola in ritardo, caso {n} diverso davvero {n * 7} (-)"
        await harness.receive(harness.post(text, author=f"b{n}"))
    await harness.receive(harness.post("grazie ferroviola! (+)", author="felice", followers=900))
    await harness.receive(harness.post("Ferroviola preso fuoco (-)", author="grave"))
    await harness.analyze()
    ana = harness.member("ana")
    first = (await harness.cases())[0]
    await harness.do(case_actions.claim, first.id, ana)
    harness.advance(minutes=20)
    await harness.do(replies.mark_answered, first.id, ana)
    down_since = harness.now - timedelta(hours=5)
    reports = [
        Report(role="listener", name="news", platform="feed", health="backing off", since=down_since, reason="down"),
        Report(role="listener", name="square", platform="square", health="connected", since=harness.now),
    ]
    async with harness.store.writing() as session:
        await save_reports(session, reports, harness.now)
    lines = await _lines(harness)
    assert len(lines) <= 12
    assert lines[0] == "Ferroviola · Monday 23 November"
    assert lines[1] == "14 mentions, 13 negative (93%) — usually 4, 0% negative"
    assert lines[2] == "Cases: 13 opened, 1 answered, 0 dismissed, 12 open now"
    assert lines[3] == "First answer: median 20 min, 90 % within 20 min; 1 in time"
    assert "Topics: delay 12" in lines
    assert "More than usual: delay, 12 instead of 0" in lines
    assert sum(line.startswith("To answer: #") for line in lines) == 2, "eleven of one group count as one"
    assert any(line.startswith("Risk: ") and "similar posts" in line for line in lines)
    assert "Highlight: @felice: “grazie ferroviola! (+)”" in lines
    assert lines[-1] == "Sources healthy: 1 of 2; no data from news for 5 hr"


async def test_an_empty_day_is_short_and_does_not_divide_by_zero(harness: Harness):
    assert await _lines(harness) == [
        "Ferroviola · Monday 23 November",
        "0 mentions, 0 negative (0%)",
        "Cases: 0 opened, 0 answered, 0 dismissed, 0 open now",
    ]


@pytest.mark.parametrize(("language", "word"), [("it", "menzioni"), ("ro", "mențiuni"), ("en", "mentions")])
async def test_a_digest_is_in_the_teams_language(harness: Harness, language: str, word: str):
    await harness.case()
    await harness.case(author="b")
    assert word in (await _lines(harness, language))[1]


async def test_muted_alerts_are_reported(harness: Harness):
    text = "Ferroviola, domani sento il mio avvocato (-)"
    await harness.case(text, "prima")
    [alert] = await harness.all(Alert)
    await harness.do(alerts.mute, alert.id, harness.member("ana"))
    for author in ("seconda", "terza", "quarta", "quinta"):
        await harness.case(text, author)
    assert "Muted alerts: legal “avvocato” ×4" in await _lines(harness)


async def test_overloaded_members_are_named(harness: Harness):
    for n in range(4):
        case = await harness.case(f"Ferroviola {n} in ritardo {'abcd'[n] * 9} (-)", f"a{n}")
        await harness.do(case_actions.claim, case.id, harness.member("ana"))
    assert not [line for line in await _lines(harness) if line.startswith("Overloaded")]
    harness.advance(hours=2)
    assert "Overloaded: Ana: 4 claimed, 4 overdue" in await _lines(harness)
    assert len(await _lines(harness)) <= 12


async def test_the_chart_shows_the_negative_share_and_the_usual_one(harness: Harness):
    for day in range(10, 24):
        harness.now = datetime(2026, 11, day, 12, 0, tzinfo=UTC)
        marks = ["(-)", "(-)", "(-)", "(+)"] if day == 23 else ["(-)", "(+)", "(+)", "(+)"]
        for n, mark in enumerate(marks):
            await harness.receive(harness.post(f"Ferroviola {day} {n} {mark}", f"a{day}{n}", created_at=harness.now))
    await harness.analyze()
    queue = harness.configuration.queues[harness.configuration.queues.id_of("trains")]
    async with harness.store.reading() as session:
        context = harness.context(session)
        day = await digests.chart(context, queue, containing("day", date(2026, 11, 23), queue.zone), translator("en"))
        week = await digests.chart(context, queue, containing("week", date(2026, 11, 20), queue.zone), translator("it"))
        empty = await digests.chart(context, queue, containing("month", date(2020, 1, 1), queue.zone), translator("en"))
    assert (day.title, len(day.points), day.period) == ("Trains: 75% negative, usually 25%", 14, 1)
    assert [(point.mentions, point.negative) for point in day.points[-2:]] == [(4, 1), (4, 3)]
    assert (week.period, week.usual) == (7, 0.25)
    assert empty is None
    assert (await charts.png(day)).startswith(b"\x89PNG")
