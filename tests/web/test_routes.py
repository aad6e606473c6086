"""Every route, requested without a session, by a member of another brand, and by each role."""

import re
from pathlib import Path

import msgspec
import pytest
from conftest import Harness
from sqlalchemy import func, select

from actions.table import ACTIONS
from models.configuration import ROLES, ConfigurationFile, Role
from models.tables.base import Base
from models.tables.mention import Mention
from web.routes import ROUTES, Route

TEXT = "Ferroviola in ritardo, che vergogna (-)"
PROTECTED = [route for route in ROUTES if route.access != "anyone"]
OF_A_CASE = [route for route in ROUTES if route.access == "case"]
OF_MEMBERS = [route for route in ROUTES if route.access == "member"]
BODY = {
    "text": "ci scusiamo",
    "revision": "1",
    "reply": "1",
    "reason": "spam",
    "brand": "ferroviola",
    "url": "http://square.example/posts/p1",
}


def name(route: Route) -> str:
    return f"{route.method} {route.path}"


def path_of(route: Route, case: int) -> str:
    values = {"case": str(case), "verb": "claim", "mention": "1", "position": "0", "token": "a" * 43, "item": "1"}
    return re.sub(r"\{(\w+)(?::(?:[^{}]|\{[^{}]*\})*)?\}", lambda match: values[match[1]], route.path)


async def rows(harness: Harness) -> dict[str, int]:
    """Table → how many rows it has, members' sessions and the health check's apart."""
    async with harness.store.reading() as session:
        return {
            table.name: await session.scalar(select(func.count()).select_from(table)) or 0
            for table in Base.metadata.sorted_tables
            if table.name not in ("web_session", "login_link", "cursor")
        }


async def status_and_text(browser, route: Route, case: int) -> tuple[int, str]:
    options = {"data": BODY} if route.method == "POST" else {}
    async with browser.request(route.method, path_of(route, case), allow_redirects=False, **options) as response:
        streams = response.headers.get("Content-Type", "").startswith("text/event-stream")
        return response.status, "" if streams else await response.text(errors="replace")


def test_routes_are_registered_in_one_place():
    web = Path(__file__).parents[2] / "web"
    elsewhere = [
        file.name
        for file in web.rglob("*.py")
        if file.name != "routes.py" and re.search(r"add_(routes?|get|post)\(|RouteTableDef", file.read_text())
    ]
    assert elsewhere == ["server.py"]  # calls routes.add_routes, and serves the static files


@pytest.mark.parametrize("route", PROTECTED, ids=name)
async def test_nobody_is_let_in(desk, route: Route):
    case = await desk.harness.case(TEXT)
    before = await rows(desk.harness)
    status, text = await status_and_text(desk.browser(), route, case.id)
    assert status == 401
    assert "ritardo" not in text
    assert await rows(desk.harness) == before


@pytest.mark.parametrize("route", [route for route in ROUTES if route.access == "anyone"], ids=name)
async def test_what_anyone_may_ask_says_nothing_about_cases(desk, route: Route):
    case = await desk.harness.case(TEXT)
    before = await rows(desk.harness)
    status, text = await status_and_text(desk.browser(), route, case.id)
    assert status < 500
    assert "ritardo" not in text
    assert await rows(desk.harness) == before


@pytest.mark.parametrize("route", OF_A_CASE, ids=name)
async def test_another_brands_case_does_not_exist(desk, route: Route):
    case = await desk.harness.case(TEXT)
    before = await rows(desk.harness)
    browser = await desk.sign_in("piero")
    status, text = await status_and_text(browser, route, case.id)
    missing, missing_text = await status_and_text(browser, route, case.id + 1)
    assert (status, text.replace(f" {case.id} ", " N ")) == (missing, missing_text.replace(f" {case.id + 1} ", " N "))
    assert status == 404
    assert await rows(desk.harness) == before


@pytest.mark.parametrize("verb", [spec.verb for spec in ACTIONS.values() if spec.permission is not None])
async def test_no_action_reaches_another_brands_case(desk, verb: str):
    case = await desk.harness.case(TEXT)
    before = await rows(desk.harness)
    browser = await desk.sign_in("piero")
    async with browser.post(f"/cases/{case.id}/actions/{verb}", data=BODY) as response:
        assert response.status == 404
    assert await rows(desk.harness) == before


@pytest.mark.parametrize("route", OF_MEMBERS, ids=name)
async def test_pages_show_a_member_nothing_of_other_brands(desk, route: Route):
    case = await desk.harness.case(TEXT)
    mentions = len(await desk.harness.all(Mention))
    status, text = await status_and_text(await desk.sign_in("piero"), route, case.id)
    assert status < 500
    assert "ritardo" not in text
    assert len(await desk.harness.all(Mention)) == mentions


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("route", PROTECTED, ids=name)
async def test_each_role_of_the_brand_is_let_in(desk, route: Route, role: Role):
    case = await desk.harness.case(TEXT)
    _, ana = desk.harness.configuration.members.by_slug("ana")
    await desk.harness.apply(ConfigurationFile(members=(msgspec.structs.replace(ana, role=role),)))
    status, _ = await status_and_text(await desk.sign_in("ana"), route, case.id)
    assert status < 500
    if route.access == "lead" and role in ("manager", "approver"):
        assert status == 403
        return
    assert status not in (401, 403)
    assert status != 404 or "media" in route.path  # the mention has no image
