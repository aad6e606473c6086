"""What the rules find severe opens a case and raises an alert, whatever else stands there and whatever the classifier says."""

import pytest
from conftest import Harness
from sqlalchemy import select

from models.tables.alert import Alert
from models.tables.mention import MentionBrand

SEVERE = {
    "Ferroviola: il treno ha preso fuoco, feriti a bordo! Clicca qui per il video": "safety",
    "Ferroviola mi ammazzo … link in bio": "self-harm",
    "Ferroviola train caught fire, people burning, click here for the video": "safety",
    "Ferroviola: chiamo il mio avvocato, vi denuncio": "legal",
    "Ferroviola: il treno ha preso fuoco! Codice sconto VINCI20, guadagna da casa, seguimi, link in bio": "safety",
    "GRATIS OFFERTA clicca qui ➡️➡️ Ferroviola vi denuncio, sento il mio avvocato": "legal",
}


@pytest.mark.parametrize("mark", ["(+)", "", "(-)"])
@pytest.mark.parametrize("text", SEVERE)
async def test_a_severe_post_opens_a_case_and_an_alert(harness: Harness, text: str, mark: str):
    await harness.receive(harness.post(f"{text} {mark}"))
    await harness.analyze()
    assert [case.severity for case in await harness.cases()] == [SEVERE[text]]
    assert [(alert.kind, alert.severity) for alert in await harness.all(Alert)] == [("severe", SEVERE[text])]


async def test_one_read_as_spam_opens_a_case_all_the_same(harness: Harness):
    await harness.receive(harness.post("Clicca qui per il video, link in bio: Ferroviola ha preso fuoco (+)"))
    await harness.analyze()
    async with harness.store.reading() as session:
        match = (await session.scalars(select(MentionBrand))).one()
    assert match.case_id is not None
    assert len(await harness.all(Alert)) == 1


async def test_spam_without_anything_severe_opens_no_case(harness: Harness):
    await harness.receive(harness.post("Ferroviola clicca qui per il video, link in bio, codice sconto (+)"))
    await harness.analyze()
    assert await harness.cases() == []
