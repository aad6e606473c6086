"""A list goes on past a hundred, by a key."""

import re
from datetime import timedelta

import pytest
from conftest import NOW, Harness

from models.tables.case import Case
from store.cases import InboxView, list_cases


async def many(harness: Harness, count: int, **fields: object) -> None:
    first = await harness.case("Ferroviola in ritardo (-)")
    values = {c.key: getattr(first, c.key) for c in Case.__table__.columns if c.key != "id"}
    async with harness.store.writing() as session:
        for n in range(count - 1):
            own = {"thread": f"t{n}", "rank": float(n // 3), "duplicate_group_id": None, **fields}
            moments = {
                name: NOW + timedelta(minutes=n // 2) for name in ("snoozed_until", "ended_at") if name in fields
            }
            session.add(Case(**{**values, **own, **moments}))


@pytest.mark.parametrize(
    ("view", "fields"),
    [
        ("queue", {}),
        ("snoozed", {"state": "snoozed", "snoozed_until": NOW}),
        ("done", {"state": "dismissed", "ended_at": NOW}),
    ],
)
async def test_every_case_is_on_one_page(harness: Harness, view: InboxView, fields: dict[str, object]):
    await many(harness, 230, **fields)
    seen: list[int] = []
    after = ""
    for _ in range(4):
        async with harness.store.reading() as session:
            page = await list_cases(session, view, [harness.brand()], harness.member("ana"), harness.now, after=after)
        if not page:
            break
        seen += [summary.case.id for summary in page]
        after = page[-1].key
    assert len(seen) == len(set(seen)) == (230 if view == "queue" else 229)


async def test_a_list_that_was_opened_page_by_page_is_refreshed_whole(harness: Harness):
    await many(harness, 230)
    arguments = ([harness.brand()], harness.member("ana"), harness.now)
    async with harness.store.reading() as session:
        first = await list_cases(session, "queue", *arguments)
        second = await list_cases(session, "queue", *arguments, after=first[-1].key)
        both = await list_cases(session, "queue", *arguments, until=second[-1].key)
    assert [s.case.id for s in both] == [s.case.id for s in (*first, *second)]


async def test_all_230_are_reached_from_the_page(desk):
    await many(desk.harness, 230)
    browser = await desk.sign_in("ana")
    address, seen = "/", set()
    for _ in range(5):
        async with browser.get(address) as response:
            text = await response.text()
        seen |= set(re.findall(r'data-case="(\d+)"', text))
        more = re.search(r'hx-get="(/list/more[^"]+)"', text)
        if not more:
            break
        address = more[1].replace("&amp;", "&")
    assert len(seen) == 230
