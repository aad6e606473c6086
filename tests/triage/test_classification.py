"""In which order mentions are analyzed, and which of them may open cases."""

from datetime import timedelta

from conftest import Harness

from models.tables.alert import Alert


async def test_imports_open_no_cases_and_backfill_only_recent_ones(harness: Harness):
    old = harness.now - timedelta(hours=30)
    await harness.receive(
        harness.post("ferroviola incendio (-)", author="a", origin="import"),
        harness.post("ferroviola (-)", author="b", origin="backfill", created_at=old),
        harness.post("ferroviola male (-)", author="c", origin="backfill"),
    )
    await harness.analyze()
    assert len(await harness.cases()) == 1
    assert await harness.all(Alert) == []


async def test_live_mentions_are_analyzed_before_a_long_backlog(harness: Harness):
    await harness.receive(*(harness.post(f"ferroviola {n}", origin="import") for n in range(400)))
    await harness.receive(harness.post("ferroviola adesso (-)"))
    await harness.classification.analyze_batch(harness.configuration, harness.now)
    assert len(await harness.cases()) == 1
