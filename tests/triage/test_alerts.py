"""Alerts: what raises one, grouping, and muting."""

from datetime import timedelta

import pytest
from conftest import Harness
from sqlalchemy import select

from cards.chat_views import AlertView, view_for
from models.configuration import Chat
from models.errors import Refused
from models.tables.alert import Alert, AlertMute
from models.tables.card_placement import CardPlacement
from models.tables.case import Case
from triage import alerts, case_actions
from triage.schedule import deadlines

LEGAL = "Ferroviola, domani sento il mio avvocato (-)"


@pytest.fixture
async def harness(harness: Harness) -> Harness:
    """Alerts are shown in a chat."""
    await harness.change_queue("trains", chats=(Chat(desk="tg", chat="-1"),))
    return harness


async def _open_cases(harness: Harness, count: int, text: str = LEGAL) -> None:
    for n in range(count):
        await harness.receive(harness.post(f"{text} {n}", author=f"{text[:12]}{n}"))
        await harness.analyze()


async def _shown(harness: Harness) -> list[AlertView]:
    async with harness.store.reading() as session:
        placements = await session.scalars(
            select(CardPlacement).where(CardPlacement.subject == "alert").order_by(CardPlacement.id)
        )
        views = [(await view_for(harness.context(session), placement, "telegram")).view for placement in placements]
    return [view for view in views if isinstance(view, AlertView)]


async def test_a_severe_mention_alerts_once_with_the_matched_words(harness: Harness):
    case = await harness.case("Ferroviola: il sedile ha preso fuoco (-)", thread="t1")
    await harness.receive(harness.post("ferroviola ripeto, preso fuoco (-)", thread="t1"))
    await harness.analyze()
    [alert] = await harness.all(Alert)
    assert (alert.kind, alert.case_id, alert.severity, alert.words) == ("severe", case.id, "safety", ("preso fuoco",))


async def test_a_flood_of_alerts_is_three_cards_and_counts_every_alert(harness: Harness):
    await _open_cases(harness, 46)
    shown = await _shown(harness)
    assert [view.others for view in shown] == [0, 0, 43]
    assert len(shown[-1].most_urgent) == 3
    assert len(await harness.all(Alert)) == 46
    harness.advance(minutes=11)
    await harness.receive(harness.post(f"{LEGAL} di nuovo", author="nuova"))
    await harness.analyze()
    assert len(await _shown(harness)) == 4


async def test_a_threat_gets_its_own_card_in_a_flood_of_legal_alerts(harness: Harness):
    await _open_cases(harness, 10)
    await _open_cases(harness, 1, "Ferroviola vi brucio gli autobus (-)")
    assert [view.severity for view in await _shown(harness)][-1] == "threat"


async def test_a_muted_keyword_raises_no_cards_is_counted_and_ends_after_a_week(harness: Harness):
    await _open_cases(harness, 1)
    [alert] = await harness.all(Alert)
    assert (alert.severity, alert.keyword) == ("legal", "avvocato")
    await harness.do(alerts.mute, alert.id, harness.member("ana"))
    await harness.receive(
        harness.post(LEGAL, author="seconda"), harness.post("Ferroviola vi denuncio (-)", author="terza")
    )
    await harness.analyze()
    assert len(await _shown(harness)) == 2  # the first, and the one with another keyword
    assert [mute.muted_count for mute in await harness.all(AlertMute)] == [1]
    assert len(await harness.all(Case)) == 3
    harness.advance(days=8)
    await harness.receive(harness.post(LEGAL, author="quarta"))
    await harness.analyze()
    assert len(await _shown(harness)) == 3


async def test_an_unmuted_keyword_alerts_again(harness: Harness):
    await _open_cases(harness, 1)
    [alert] = await harness.all(Alert)
    await harness.do(alerts.mute, alert.id, harness.member("ana"))
    await harness.do(alerts.unmute, alert.id, harness.member("bruno"))
    harness.advance(minutes=20)
    await harness.receive(harness.post(LEGAL, author="seconda"))
    await harness.analyze()
    assert len(await _shown(harness)) == 2


async def test_a_member_of_another_brand_cannot_mute_or_unmute(harness: Harness):
    await _open_cases(harness, 1)
    [alert] = await harness.all(Alert)
    for change in (alerts.mute, alerts.unmute):
        with pytest.raises(Refused):
            await harness.do(change, alert.id, harness.member("piero"))


async def test_only_severe_alerts_can_be_muted(harness: Harness):
    case = await harness.case()
    await harness.do(case_actions.escalate, case.id, harness.member("ana"), "aiuto")
    [alert] = await harness.all(Alert)
    for number in (alert.id, 999):
        with pytest.raises(Refused, match="cannot be muted"):
            await harness.do(alerts.mute, number, harness.member("ana"))


@pytest.mark.parametrize(
    ("text", "severity"),
    [
        ("Ferroviola rimborsate su IT60 X054 2811 1010 0000 0123 456 (-)", "exposed data"),
        ("Ferroviola, la mia carta 4111 1111 1111 1111 addebitata due volte (-)", "exposed data"),
        ("Ferroviola ordine 4111 1111 1111 1112 mai arrivato (-)", None),
        ("Ferroviola, CF RSSMRA85T10A562S, aspetto da mesi (-)", "exposed data"),
        ("Ferroviola bilet pe CNP 1960523123457 (-)", "exposed data"),
        ("Ferroviola AWB 1960523123458 (-)", None),
    ],
)
async def test_exposed_personal_data_is_severe_and_not_repeated_in_the_alert(
    harness: Harness, text: str, severity: str | None
):
    case = await harness.case(text)
    assert case.severity == severity
    raised = [(alert.severity, alert.words, alert.keyword, alert.text) for alert in await harness.all(Alert)]
    assert raised == ([(severity, (), "", "")] if severity else [])


async def test_a_negative_post_with_a_large_audience_is_severe(harness: Harness):
    large = await harness.case("Ferroviola, che servizio pessimo (-)", author="celebre", followers=250_000)
    [alert] = await harness.all(Alert)
    assert (large.severity, alert.severity, alert.words) == ("high reach", "high reach", ("celebre",))
    small = await harness.case("Ferroviola, che servizio pessimo davvero (-)", author="pochi", followers=80)
    assert small.severity is None


async def test_many_overdue_cases_are_three_cards(harness: Harness):
    for n in range(20):
        await harness.receive(
            harness.post(f"Ferroviola parola{n} altra{n} cosa{n} ferma{n} treno{n} (-)", author=f"a{n}")
        )
    await harness.analyze()
    harness.advance(minutes=61)
    await harness.do(deadlines.run_due)
    shown = await _shown(harness)
    assert [view.others for view in shown] == [0, 0, 17]
    assert harness.now - shown[0].case.received_at == timedelta(minutes=61)


async def test_a_note_that_mentions_a_colleague_notifies_them(harness: Harness):
    case = await harness.case()
    await harness.do(case_actions.add_note, case.id, harness.member("bruno"), "@lidia puoi guardare? e @nessuno no")
    assert [(alert.kind, alert.notified, alert.text) for alert in await harness.all(Alert)] == [
        ("note", ("lidia",), "Bruno: @lidia puoi guardare? e @nessuno no")
    ]
