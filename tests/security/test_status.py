"""The state of a connection, and what its far side says, is for those whose brands it serves."""

import msgspec
import pytest
from conftest import NOW, Harness
from web_desk import Desk

from models.configuration import ConfigurationFile
from models.tables.connection_status import Role
from store.connection_status import Report, save_reports

REASON = "401: account panegrano-clinic@mail.example is locked"
PAGES = ["/", "/list", "/status", "/mentions", "/digest", "/open", "/me", "/list/more"]
ROLES: tuple[Role, ...] = ("listener", "responder", "desk")


@pytest.fixture
async def panegranos(desk: Desk, harness: Harness) -> Desk:
    """A connection of panegrano's that is down in every role; Ana and Lidia see ferroviola alone."""
    desk.application.owners["clinic-of-panegrano"] = "panegrano"
    reports = [
        Report(role=role, name="clinic-of-panegrano", platform="feed", health="needs you", since=NOW, reason=REASON)
        for role in ROLES
    ]
    async with harness.store.writing() as session:
        await save_reports(session, reports, NOW)
    for slug in ("ana", "lidia"):
        entry = harness.configuration.members.by_slug(slug)
        assert entry is not None
        await harness.apply(ConfigurationFile(members=(msgspec.structs.replace(entry[1], brands=("ferroviola",)),)))
    return desk


async def page(desk: Desk, member: str, path: str) -> str:
    async with (await desk.sign_in(member)).get(path) as response:
        assert response.status == 200
        return await response.text()


@pytest.mark.parametrize("path", PAGES)
@pytest.mark.parametrize("member", ["ana", "lidia"])
async def test_no_page_names_a_connection_of_another_brand(panegranos: Desk, member: str, path: str):
    text = await page(panegranos, member, path)
    assert "clinic-of-panegrano" not in text
    assert "mail.example" not in text


async def test_whose_connection_it_is_sees_that_it_is_down(panegranos: Desk):
    assert "clinic-of-panegrano" in await page(panegranos, "piero", "/status")


@pytest.mark.parametrize("path", PAGES)
async def test_what_a_far_side_says_is_for_leads(panegranos: Desk, path: str):
    assert "mail.example" not in await page(panegranos, "piero", path)


async def test_the_health_check_names_no_connection(panegranos: Desk):
    async with panegranos.browser().get("/healthz") as response:
        text = await response.text()
    assert "clinic" not in text
    assert "mail.example" not in text


@pytest.mark.parametrize("member", ["ana", "piero"])
async def test_only_a_lead_retries_what_was_set_aside(panegranos: Desk, member: str):
    browser = await panegranos.sign_in(member)
    async with browser.post("/status/retry/1", allow_redirects=False) as response:
        assert response.status == 403
