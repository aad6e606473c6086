"""The pages that only show."""

from datetime import date
from typing import Any, Final

from aiohttp import web
from sqlalchemy import select

from insights import charts, digests
from models.case import Case
from models.catalogue import Queue
from models.mention import Author, AuthorMute, Mention, MentionBrand
from models.source import Source
from store import cases, members, mentions, sources
from triage import replying
from triage.card import Card, card
from triage.desking import snoozes
from triage.turn import Turn
from web.access import COOKIE, set_cookie
from web.live import Live
from web.pages import page, plain_page
from web.visit import HOUSE, VISIT, Visit, is_fragment

routes = web.RouteTableDef()
HTTPS: web.AppKey[bool] = web.AppKey("https", bool)
"""Whether members reach the desk over HTTPS, through a proxy."""
LIVE: web.AppKey[Live] = web.AppKey("live", Live)
KINDS: Final = ("day", "week", "month")


@routes.get("/")
@routes.get("/cases/{case:\\d{1,15}}")
async def desk(request: web.Request) -> web.Response:
    """The list, and one case beside it."""
    visit = request[VISIT]
    number = int(request.match_info.get("case", 0)) or None
    if number and is_fragment(request):
        return page(request, "_case.html", **await case_values(visit, number))
    values = await list_values(visit, view_of(request))
    values |= await case_values(visit, number) if number else {"card": None}
    return page(request, "desk.html", **values)


@routes.get("/list")
async def case_list(request: web.Request) -> web.Response:
    return page(request, "_list.html", **await list_values(request[VISIT], view_of(request)))


@routes.get("/cases/{case:\\d{1,15}}/view")
async def case_view(request: web.Request) -> web.Response:
    return page(request, "_view.html", **await case_values(request[VISIT], int(request.match_info["case"])))


@routes.get("/cases/{case:\\d{1,15}}/editor")
async def case_editor(request: web.Request) -> web.Response:
    return page(request, "_editor.html", **await case_values(request[VISIT], int(request.match_info["case"])))


@routes.get("/next")
async def next_case(request: web.Request) -> web.Response:
    """Whatever is the most pressing."""
    visit = request[VISIT]
    async with visit.house.store.reading() as session:
        number = await cases.next_case(session, visit.brands)
    raise web.HTTPSeeOther(f"/cases/{number}" if number else "/")


@routes.get("/mentions")
async def mention_list(request: web.Request) -> web.Response:
    visit = request[VISIT]
    words = request.query.get("q", "").strip()[:200]
    async with visit.house.store.reading() as session:
        found = await mentions.search(session, words, visit.brands) if words else None
        if found is None:
            found = await mentions.newest(session, visit.brands)
    return page(request, "mentions.html", words=words, found=found, catalogue=visit.catalogue)


@routes.get("/digest")
async def digest(request: web.Request) -> web.Response:
    visit, kind = request[VISIT], _kind(request)
    period = digests.period_of(kind, _day(request.query.get("date", "")), visit.now, visit.member.zone)
    async with visit.house.store.reading() as session:
        lines = await digests.digest(visit.turn(session), _all_of(visit), period, visit.t)
    return page(
        request, "digest.html", lines=lines, kind=kind, kinds=KINDS, earlier=period.before().first, day=period.first
    )


@routes.get("/digest/chart.png")
async def chart(request: web.Request) -> web.Response:
    visit = request[VISIT]
    period = digests.period_of(_kind(request), _day(request.query.get("date", "")), visit.now, visit.member.zone)
    async with visit.house.store.reading() as session:
        found = await digests.chart(visit.turn(session), _all_of(visit), period, visit.t)
    if found is None:
        raise web.HTTPNotFound(text="Nothing was said.\n")
    return web.Response(body=await charts.png(found), content_type="image/png", headers={"Cache-Control": "no-store"})


def _kind(request: web.Request) -> str:
    kind = request.query.get("period", "day")
    return kind if kind in KINDS else "day"


def _all_of(visit: Visit) -> Queue:
    """All that a member sees, as one queue."""
    slugs = [spec.slug for _, spec in visit.catalogue.brands if visit.member.sees(spec.slug)]
    return digests.whole(visit.catalogue, slugs, visit.member.zone, visit.member.language)


def _day(text: str) -> date | None:
    try:
        day = date.fromisoformat(text)
    except ValueError:
        return None
    return day if 1990 <= day.year < 9000 else None


@routes.get("/sources")
async def source_list(request: web.Request) -> web.Response:
    visit = request[VISIT]
    async with visit.house.store.reading() as session:
        known = await sources.all_sources(session)
    return page(request, "sources.html", sources=known)


@routes.get("/me")
async def me(request: web.Request) -> web.Response:
    return await me_page(request)


async def me_page(request: web.Request, problem: str = "") -> web.Response:
    visit = request[VISIT]
    async with visit.house.store.reading() as session:
        known = await members.sessions(session, visit.member_id, visit.now)
    return page(request, "me.html", sessions=known, problem=problem)


@routes.get("/events")
async def events(request: web.Request) -> web.StreamResponse:
    return await request.app[LIVE].events(request)


@routes.get("/healthz")
async def healthz(request: web.Request) -> web.Response:
    """For whatever watches over the program: 200 while the database answers; names no brand and no member."""
    async with request.app[HOUSE].store.reading() as session:
        states = list(await session.scalars(select(Source.health).where(Source.health != "off")))
    return web.json_response({"ok": True, "sources": len(states), "away": sum(state != "ok" for state in states)})


@routes.get("/enter/{token}")
async def door(request: web.Request) -> web.Response:
    """Opening the link uses nothing up: chats open links too, to draw a preview."""
    house = request.app[HOUSE]
    async with house.store.reading() as session:
        good = await members.link_is_good(session, request.match_info["token"], house.now())
    return plain_page("enter.html", good=good)


@routes.post("/enter/{token}")
async def enter(request: web.Request) -> web.Response:
    house = request.app[HOUSE]
    async with house.store.writing() as session:
        key = await members.enter(session, request.match_info["token"], house.now())
    if key is None:
        return plain_page("enter.html", good=False)
    response = web.HTTPSeeOther("/")
    set_cookie(response, key, secure=request.secure or request.app[HTTPS])
    raise response


@routes.post("/leave")
async def leave(request: web.Request) -> web.Response:
    """Ends this session, or the one named, or with `all` every one of the member."""
    visit = request[VISIT]
    form = await request.post()
    which = None if form.get("all") else str(form.get("session") or visit.session_hash)
    async with visit.house.store.writing() as session:
        await members.revoke(session, visit.member_id, visit.now, which)
    response = web.HTTPSeeOther("/me")
    if which in (None, visit.session_hash):
        response.del_cookie(COOKIE)
    raise response


def view_of(request: web.Request) -> cases.View:
    wanted = request.query.get("view", "queue")
    return next((view for view in cases.VIEWS if view == wanted), "queue")


async def list_values(visit: Visit, view: cases.View) -> dict[str, Any]:
    async with visit.house.store.reading() as session:
        lines = await cases.listing(session, view, visit.brands, visit.member_id, visit.now)
        counts = await cases.counts(session, visit.brands, visit.member_id, visit.now)
        away = [s for s in await sources.all_sources(session) if s.health in sources.AWAY]
    return {"lines": lines, "counts": counts, "view": view, "away": away, "catalogue": visit.catalogue}


async def case_values(visit: Visit, number: int) -> dict[str, Any]:
    """Everything the case page shows; a case that the member may not see is as good as none."""
    async with visit.house.store.reading() as session:
        case = await session.get(Case, number)
        if case is None or case.brand_id not in visit.brands:
            raise web.HTTPNotFound(text="There is no such case that you can see.\n")
        turn = visit.turn(session)
        shown = await card(turn, number, suggests=True)
        storm = await cases.same_storm(session, case)
        earlier = await cases.earlier_of_author(session, case)
        muted = await session.get(AuthorMute, (case.brand_id, case.author_id)) is not None
        others = [
            member
            for n, member in visit.catalogue.members
            if n != visit.member_id and member.sees(turn.brand(case).slug)
        ]
    return {
        "card": shown,
        "brand": turn.brand(case),
        "storm": storm,
        "earlier": earlier,
        "muted": muted,
        "others": others,
        "catalogue": visit.catalogue,
        "mine": shown.holder == visit.member_id,
        "draft": shown.draft_of(visit.member_id),
        "may_second": _may_second(visit, turn, case, shown),
        "editor_key": editor_key(shown, visit.member_id),
        "snoozes": snoozes(visit.now, visit.member, visit.t),
        "longest": turn.checker.of(turn.brand(case).publish.get(case.platform, "")).longest,
    }


def _may_second(visit: Visit, turn: Turn, case: Case, shown: Card) -> bool:
    """Whether this member's yes is one of those that a reply waits for, and not yet given."""
    waits = shown.proposal
    if waits is None or visit.member_id in waits.said_yes or visit.member_id == waits.author:
        return False
    return visit.member_id in replying.able(turn, case)


def editor_key(shown: Card, member: int) -> str:
    """Changes when the editor must be drawn anew; not while somebody merely types, or the post gets another reply."""
    reply = shown.reply
    yes = len(reply.said_yes) if reply else 0
    return (
        f"{shown.case}.{shown.state}.{shown.holder == member}.{reply.id if reply else 0}.{reply.state if reply else ''}"
        f".{yes}.{reply.revision if reply and reply.state == 'proposed' else 0}"
    )


async def known_mention(visit: Visit, url: str) -> tuple[Mention, Author] | None:
    """The mention at a permalink, if it was heard for a brand of the member's: others may have heard it in a closed group."""
    async with visit.house.store.reading() as session:
        row = (
            await session.execute(
                select(Mention, Author)
                .join(Author, Author.id == Mention.author_id)
                .join(MentionBrand, MentionBrand.mention_id == Mention.id)
                .where((Mention.url == url) | (Mention.native_id == url), MentionBrand.brand_id.in_(visit.brands))
                .limit(1)
            )
        ).first()
    return (row[0], row[1]) if row else None
