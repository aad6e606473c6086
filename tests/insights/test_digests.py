from datetime import UTC, date, datetime, timedelta

import pytest
from conftest import House

from insights import charts, digests
from insights.periods import Period, containing
from languages import translator
from models.case import AlertMute
from models.catalogue import Chat
from models.desk import CardPost, Digest
from store.sources import Seen, write
from triage import actions, replying


async def lines(house: House, day: date | None = None, language: str = "en", kind: str = "day") -> list[str]:
    async with house.store.reading() as session:
        turn = house.turn(session)
        queue = digests.whole(house.catalogue, ["ferroviola"], "Europe/Rome", language)
        period = digests.period_of(kind, day, house.now, "Europe/Rome")
        return await digests.digest(turn, queue, period, translator(language))


async def test_a_day_in_at_most_twelve_lines(house: House):
    for day in range(7, 0, -1):
        at = house.now - timedelta(days=day)
        await house.hear(
            *(house.post(f"ferroviola {n}", author=f"a{day}{n}", created_at=at, origin="import") for n in range(4))
        )
    for n in range(12):
        await house.hear(house.post(f"Ferroviola in ritardo, caso {n} diverso davvero {n * 7} (-)", author=f"b{n}"))
    await house.hear(house.post("grazie ferroviola! (+)", author="felice", followers=900))
    await house.hear(house.post("Ferroviola preso fuoco (-)", author="grave"))
    await house.read()
    ana = house.member("ana")
    first = (await house.cases())[0]
    await house.do(actions.claim, first.id, ana)
    house.later(minutes=20)
    await house.do(replying.answered_by_hand, first.id, ana)
    seen = Seen(
        kind="ear",
        name="news",
        platform="feed",
        health="backing off",
        since=house.now - timedelta(hours=5),
        reason="down",
    )
    async with house.store.writing() as session:
        await write(
            session, [seen, Seen(kind="ear", name="square", platform="square", health="ok", since=house.now)], house.now
        )
    said = await lines(house)
    assert len(said) <= 12
    assert said[0] == "Ferroviola · Monday 23 November"
    assert said[1] == "14 mentions, 13 negative (93%) — usually 4, 0% negative"
    assert said[2] == "Cases: 13 opened, 1 answered, 0 dismissed, 12 open now"
    assert said[3] == "First answer: half within 20 min, nine of ten within 20 min; 1 in time"
    assert "About: delay 12" in said
    assert "More than usual: delay, 12 instead of 0" in said
    assert sum(line.startswith("To answer: #") for line in said) == 2, "eleven of one storm are one"
    assert any(line.startswith("Risk: ") and "people say the same" in line for line in said)
    assert "Win: @felice: “grazie ferroviola! (+)”" in said
    assert said[-1] == "Heard well: 1 of 2 sources; news was silent for 5 hr"


async def test_an_empty_day_is_short_and_does_not_divide_by_zero(house: House):
    assert await lines(house) == [
        "Ferroviola · Monday 23 November",
        "0 mentions, 0 negative (0%)",
        "Cases: 0 opened, 0 answered, 0 dismissed, 0 open now",
    ]


@pytest.mark.parametrize(("language", "word"), [("it", "menzioni"), ("ro", "mențiuni"), ("en", "mentions")])
async def test_it_speaks_the_teams_language(house: House, language: str, word: str):
    await house.case()
    await house.case(author="b")
    assert word in (await lines(house, language=language))[1]


@pytest.mark.parametrize(
    ("kind", "day", "hours"),
    [
        ("day", date(2026, 3, 29), 23),
        ("day", date(2026, 10, 25), 25),
        ("day", date(2026, 11, 23), 24),
        ("week", date(2026, 3, 25), 167),
        ("month", date(2026, 2, 10), 28 * 24),
    ],
)
def test_days_weeks_and_months_are_those_on_the_wall(kind, day: date, hours: int):
    period = containing(kind, day, "Europe/Rome")
    assert (period.end - period.start).total_seconds() == hours * 3600


def test_periods_follow_each_other_without_a_gap():
    for kind in ("day", "week", "month"):
        period = containing(kind, date(2026, 12, 31), "Europe/Bucharest")
        for step in range(1, 15):
            assert period.before(step).end == period.before(step - 1).start


async def _due(house: House) -> int:
    async with house.store.reading() as session:
        if not await digests.due(session, house.catalogue, house.now):
            return 0
    async with house.store.writing() as session:
        return await digests.write_due(house.turn(session))


async def test_the_mornings_digest_comes_once_at_the_local_hour(house: House):
    await house.change_queue("trains", chats=(Chat(desk="telegram", chat="-1"),), digest_at="08:30", language="it")
    house.now = datetime(2026, 11, 24, 7, 29, tzinfo=UTC)  # 08:29 in Rome
    assert await _due(house) == 0
    house.later(minutes=1)
    assert await _due(house) == 1
    assert await _due(house) == 0
    [kept] = await house.all(Digest)
    assert (kept.day, kept.lines[0]) == ("2026-11-23", "Trains · lunedì 23 novembre")
    assert [(p.subject, p.chat) for p in await house.all(CardPost)] == [("digest", "-1")]


async def test_across_the_change_of_clocks_it_stays_at_the_same_hour(house: House):
    await house.change_queue("trains", chats=(Chat(desk="telegram", chat="-1"),), digest_at="08:30")
    for day, hour in ((28, 7), (29, 6), (30, 6)):  # 08:30 is 07:30 UTC before 29 March 2026, 06:30 after
        house.now = datetime(2026, 3, day, hour, 29, tzinfo=UTC)
        assert await _due(house) == 0
        house.later(minutes=1)
        assert await _due(house) == (2 if day == 30 else 1)  # a Monday has its week too


async def test_a_week_and_a_month_come_when_they_have_ended_each_once(house: House):
    await house.change_queue("trains", chats=(Chat(desk="telegram", chat="-1"),), language="it")
    for day in range(23, 32):  # June 2026 begins on a Monday
        house.now = datetime(2026, 5, day, 7, 0, tzinfo=UTC)
        await _due(house)
        assert await _due(house) == 0
    house.now = datetime(2026, 6, 1, 7, 0, tzinfo=UTC)
    assert await _due(house) == 3
    kept = [(d.period, d.day) for d in await house.all(Digest) if d.period != "day"]
    assert kept == [("week", "2026-05-18"), ("week", "2026-05-25"), ("month", "2026-05-01")]


async def test_what_is_muted_is_not_forgotten(house: House):
    async with house.store.writing() as session:
        session.add(
            AlertMute(
                brand_id=house.brand(), pattern="legal:avvocato", muted_by=house.member("ana"), muted_at=house.now,
                until=house.now + timedelta(days=7), silenced=4,
            )
        )  # fmt: skip
    async with house.store.reading() as session:
        queue = house.catalogue.queues[house.catalogue.queues.id_of("trains")]
        period = digests.period_of("day", house.now.date(), house.now, queue.zone)
        lines = await digests.digest(house.turn(session), queue, period, translator("en"))
    assert "Muted alerts: legal:avvocato ×4" in lines


async def test_a_program_started_in_the_evening_does_not_send_the_mornings(house: House):
    await house.change_queue("trains", chats=(Chat(desk="telegram", chat="-1"),))
    house.now = datetime(2026, 11, 24, 18, 0, tzinfo=UTC)
    assert await _due(house) == 0


def test_the_whole_is_not_bound_to_a_queue():
    assert Period("day", date(2026, 1, 1), "UTC").end.day == 2


async def test_the_chart_says_how_much_of_what_was_said_was_negative_and_what_is_usual(house: House):
    for day in range(10, 24):
        house.now = datetime(2026, 11, day, 12, 0, tzinfo=UTC)
        signs = ["(-)", "(-)", "(-)", "(+)"] if day == 23 else ["(-)", "(+)", "(+)", "(+)"]
        for n, sign in enumerate(signs):
            await house.hear(house.post(f"Ferroviola {day} {n} {sign}", f"a{day}{n}", created_at=house.now))
    while await house.read():
        pass
    queue = house.catalogue.queues[house.catalogue.queues.id_of("trains")]
    async with house.store.reading() as session:
        turn = house.turn(session)
        period = digests.period_of("day", date(2026, 11, 23), house.now, queue.zone)
        day = await digests.chart(turn, queue, period, translator("en"))
        week = await digests.chart(turn, queue, containing("week", date(2026, 11, 20), queue.zone), translator("it"))
        silent = await digests.chart(
            turn, queue, digests.period_of("month", date(2020, 1, 1), house.now, queue.zone), translator("en")
        )
    assert (day.title, len(day.points), day.period) == ("Trains: 75% negative, usually 25%", 14, 1)
    assert [(point.mentions, point.negative) for point in day.points[-2:]] == [(4, 1), (4, 3)]
    assert (week.period, week.usual) == (7, 0.25)
    assert silent is None
    assert (await charts.png(day)).startswith(b"\x89PNG")


async def test_who_has_taken_too_much_is_named_for_others_to_help(house: House):
    for n in range(4):
        case = await house.case(f"Ferroviola {n} in ritardo {'abcd'[n] * 9} (-)", f"a{n}")
        await house.do(actions.claim, case.id, house.member("ana"))
    assert not [line for line in await lines(house) if line.startswith("Needs help")]
    house.later(hours=2)
    assert "Needs help: Ana holds 4, 4 of them late" in await lines(house)
    assert len(await lines(house)) <= 12
