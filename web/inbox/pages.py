"""The list of cases, and one case beside it."""

from typing import Any

from aiohttp import web

from store import cases, connection_status
from web.inbox.case_values import case_values
from web.rendering import page
from web.viewer import VIEWER, Viewer, is_fragment


async def inbox(request: web.Request) -> web.Response:
    return page(request, "inbox/inbox.html", case=None, **await _list_values(request))


async def case(request: web.Request) -> web.Response:
    number = int(request.match_info["case"])
    values = await case_values(request[VIEWER], number)
    if is_fragment(request):
        return page(request, "inbox/case.html", **values)
    return page(request, "inbox/inbox.html", **{**await _list_values(request), **values})


async def case_list(request: web.Request) -> web.Response:
    return page(request, "inbox/list.html", **await _list_values(request))


async def more_cases(request: web.Request) -> web.Response:
    """The next rows of a list."""
    return page(request, "inbox/rows.html", **await _list_values(request))


async def case_details(request: web.Request) -> web.Response:
    return page(request, "inbox/details.html", **await case_values(request[VIEWER], int(request.match_info["case"])))


async def case_editor(request: web.Request) -> web.Response:
    return page(request, "inbox/editor.html", **await case_values(request[VIEWER], int(request.match_info["case"])))


async def next_case(request: web.Request) -> web.Response:
    """Goes to the most urgent unclaimed case."""
    viewer = request[VIEWER]
    async with viewer.application.store.reading() as session:
        number = await cases.next_case(session, viewer.brands)
    raise web.HTTPSeeOther(f"/cases/{number}" if number else "/")


async def _list_values(request: web.Request) -> dict[str, Any]:
    viewer: Viewer = request[VIEWER]
    view = _view(request)
    async with viewer.application.store.reading() as session:
        query = request.query
        summaries = await cases.list_cases(
            *(session, view, viewer.brands, viewer.member_id, viewer.now),
            after=query.get("after", ""),
            until=query.get("until", ""),
        )
        last = summaries[-1].key if summaries else ""
        behind = await cases.list_cases(
            *(session, view, viewer.brands, viewer.member_id, viewer.now), limit=1, after=last
        )
        counts = await cases.counts(session, viewer.brands, viewer.member_id, viewer.now)
        connections = await connection_status.all_connections(session)
    return {
        "summaries": summaries,
        "more": last if summaries and behind else "",
        "counts": counts,
        "view": view,
        "down": [connection for connection in connections if connection.health in connection_status.DOWN],
        "configuration": viewer.configuration,
    }


def _view(request: web.Request) -> cases.InboxView:
    name = request.query.get("view", "queue")
    return next((view for view in cases.VIEWS if view == name), "queue")
