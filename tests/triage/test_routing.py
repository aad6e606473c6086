"""Which queue a case goes to."""

from conftest import Harness


async def test_a_case_goes_to_the_more_specific_queue(harness: Harness):
    await harness.case("Ferroviola e varză (-)", author="ion", language="ro")
    await harness.case("Ferroviola in ritardo (-)", author="rita", language="it")
    queues = [harness.configuration.queues[case.queue_id].slug for case in await harness.cases()]
    assert queues == ["trains-ro", "trains"]


async def test_a_brand_without_a_queue_still_gets_its_case(harness: Harness):
    await harness.receive(harness.post("panegrano ammuffito (-)"), brand="panegrano")
    await harness.analyze()
    [case] = await harness.cases()
    assert case.queue_id is None
