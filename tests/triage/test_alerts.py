from datetime import timedelta

import pytest
from conftest import House
from sqlalchemy import select

from models.case import Alert, AlertMute, Case
from models.catalogue import Chat
from models.desk import CardPost
from models.errors import Refused
from triage import alerts
from triage.viewing import AlertView, view

LEGAL = "Ferroviola, domani sento il mio avvocato (-)"


async def _grave(house: House, count: int, text: str = LEGAL) -> None:
    for n in range(count):
        await house.hear(house.post(f"{text} {n}", author=f"rita{len(house.catalogue.queues._by_id)}{text[:12]}{n}"))
        await house.read()


async def _shown(house: House) -> list[AlertView]:
    async with house.store.reading() as session:
        posts = await session.scalars(select(CardPost).where(CardPost.subject == "alert").order_by(CardPost.id))
        found = [await view(house.turn(session), post, "telegram") for post in posts]
    return [one[0] for one in found if one is not None and isinstance(one[0], AlertView)]


async def _with_a_chat(house: House) -> None:
    await house.change_queue("trains", chats=(Chat(desk="tg", chat="-1"),))


async def test_a_flood_is_three_cards_and_a_count_and_nothing_is_silent(house: House):
    await _with_a_chat(house)
    await _grave(house, 46)
    shown = await _shown(house)
    assert [one.others for one in shown] == [0, 0, 43]
    assert len(shown[-1].worst) == 3
    assert len(await house.all(Alert)) == 46
    house.later(minutes=11)
    await house.hear(house.post(f"{LEGAL} di nuovo", author="nuova"))
    await house.read()
    assert len(await _shown(house)) == 4


async def test_a_threat_is_not_lost_in_a_flood_of_lawyers(house: House):
    await _with_a_chat(house)
    await _grave(house, 10)
    await _grave(house, 1, "Ferroviola vi brucio gli autobus (-)")
    assert [one.reason.partition(":")[0] for one in await _shown(house)][-1] == "threat"


async def test_a_muted_pattern_rings_no_more_counts_what_it_kept_quiet_and_ends(house: House):
    await _with_a_chat(house)
    await _grave(house, 1)
    case = (await house.all(Case))[0]
    pattern = (await house.all(Alert))[0].pattern
    assert pattern == "legal:avvocato"
    await house.do(alerts.mute, case.id, house.member("ana"), pattern)
    await house.hear(house.post(LEGAL, author="seconda"), house.post("Ferroviola vi denuncio (-)", author="terza"))
    await house.read()
    assert len(await _shown(house)) == 2  # the first, and the one in other words
    assert [m.silenced for m in await house.all(AlertMute)] == [1]
    assert len(await house.all(Case)) == 3
    house.later(days=8)
    await house.hear(house.post(LEGAL, author="quarta"))
    await house.read()
    assert len(await _shown(house)) == 3


async def test_what_was_muted_by_mistake_rings_again(house: House):
    await _with_a_chat(house)
    await _grave(house, 1)
    case = (await house.all(Case))[0]
    await house.do(alerts.mute, case.id, house.member("ana"), "legal:avvocato")
    await house.do(alerts.unmute, case.id, house.member("bruno"), "legal:avvocato")
    house.later(minutes=20)
    await house.hear(house.post(LEGAL, author="seconda"))
    await house.read()
    assert len(await _shown(house)) == 2
    with pytest.raises(Refused):
        await house.do(alerts.mute, case.id, house.member("piero"), "legal:avvocato")


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("Ferroviola rimborsate su IT60 X054 2811 1010 0000 0123 456 (-)", "exposed"),
        ("Ferroviola, la mia carta 4111 1111 1111 1111 addebitata due volte (-)", "exposed"),
        ("Ferroviola ordine 4111 1111 1111 1112 mai arrivato (-)", None),
        ("Ferroviola, CF RSSMRA85T10A562S, aspetto da mesi (-)", "exposed"),
        ("Ferroviola bilet pe CNP 1960523123457 (-)", "exposed"),
        ("Ferroviola AWB 1960523123458 (-)", None),
    ],
)
async def test_personal_data_in_public_is_grave_and_is_not_repeated(house: House, text: str, kind: str | None):
    case = await house.case(text)
    assert case.grave == kind
    assert [a.reason for a in await house.all(Alert)] == ([kind] if kind else [])


async def test_what_very_many_read_is_grave_when_it_is_bad(house: House):
    loud = await house.case("Ferroviola, che servizio pessimo (-)", author="celebre", followers=250_000)
    assert (loud.grave, (await house.all(Alert))[0].reason) == ("loud", "loud: celebre")
    quiet = await house.case("Ferroviola, che servizio pessimo davvero (-)", author="pochi", followers=80)
    assert quiet.grave is None


async def test_late_cases_of_one_morning_are_not_a_hundred_messages(house: House):
    from triage import clock

    await _with_a_chat(house)
    for n in range(20):
        await house.hear(house.post(f"Ferroviola parola{n} altra{n} cosa{n} ferma{n} treno{n} (-)", author=f"a{n}"))
    await house.read()
    house.later(minutes=61)
    await house.do(clock.tick)
    shown = await _shown(house)
    assert [one.others for one in shown] == [0, 0, 17]
    assert house.now - shown[0].card.heard_at == timedelta(minutes=61)
