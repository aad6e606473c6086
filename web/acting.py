"""The forms of the web desk: each is one action of triage/actions.py or replying.py, and shows the case as it is afterwards."""

from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from types import MappingProxyType
from typing import Any, Final, get_args
from urllib.parse import urlsplit

from aiohttp import web
from sqlalchemy import select

from models.case import Case, Reply
from models.errors import Refused
from models.mention import Author, Mention, Sentiment
from models.post import Post, PostAuthor
from models.text import web_address
from store import cases
from store.mentions import Concern, Kept, write_posts
from triage import actions, guards, oneself, replying, together
from triage.checks import Finding
from triage.replying import to_check
from triage.turn import Turn
from web.looking import case_values, known_mention, me_page
from web.pages import page, toast
from web.visit import VISIT, Find, Visit, is_fragment

routes = web.RouteTableDef()
FIND: web.AppKey[Find] = web.AppKey("find", Find)  # type: ignore[arg-type]

BY_HAND: Final = "by hand"
MAX_SNOOZE: Final = 10_000_000
"""Minutes; far beyond what triage allows, and not beyond the calendar."""
Form = dict[str, str]
Does = Callable[[Turn, int, int, Form], Awaitable[Any]]
"""(turn, case, member, form)"""


def _(message: str) -> str:
    return message


async def _claim(turn: Turn, case: int, member: int, _form: Form) -> None:
    await actions.claim(turn, case, member)


async def _release(turn: Turn, case: int, member: int, _form: Form) -> None:
    await actions.release(turn, case, member)


async def _assign(turn: Turn, case: int, member: int, form: Form) -> None:
    await actions.assign(turn, case, member, form.get("to", ""), form.get("note", ""))


async def _snooze(turn: Turn, case: int, member: int, form: Form) -> None:
    minutes = _digits(form.get("minutes", ""))
    if minutes is None:
        raise Refused(_("Say for how long."))
    await actions.snooze(turn, case, member, turn.now + timedelta(minutes=min(minutes, MAX_SNOOZE)))


async def _dismiss(turn: Turn, case: int, member: int, form: Form) -> None:
    await actions.dismiss(turn, case, member, form.get("reason", ""))


async def _escalate(turn: Turn, case: int, member: int, form: Form) -> None:
    await actions.escalate(turn, case, member, form.get("reason", ""))


async def _note(turn: Turn, case: int, member: int, form: Form) -> None:
    await actions.note(turn, case, member, form.get("text", ""))


async def _reopen(turn: Turn, case: int, member: int, _form: Form) -> None:
    await actions.reopen(turn, case, member)


async def _correct(turn: Turn, case: int, member: int, form: Form) -> None:
    sentiment, mention = form.get("sentiment", ""), form.get("mention", "")
    if sentiment not in get_args(Sentiment):
        raise Refused(_("Choose negative, neutral or positive."))
    await actions.correct(turn, case, member, sentiment, _digits(mention))  # type: ignore[arg-type]


async def _mute(turn: Turn, case: int, member: int, form: Form) -> None:
    await actions.mute(turn, case, member, muted=form.get("muted", "true") == "true")


async def _undo(turn: Turn, _case: int, member: int, form: Form) -> None:
    await replying.undo(turn, _number(form, "reply"), member)


async def _send_back(turn: Turn, _case: int, member: int, form: Form) -> None:
    await replying.send_back(turn, _number(form, "reply"), member, form.get("why", ""))


async def _again(turn: Turn, _case: int, member: int, form: Form) -> None:
    await replying.settle(turn, _number(form, "reply"), member, published=False)


async def _found(turn: Turn, _case: int, member: int, form: Form) -> None:
    await replying.settle(turn, _number(form, "reply"), member, published=True)


async def _by_hand(turn: Turn, case: int, member: int, form: Form) -> None:
    if form.get("text", "").strip():
        await replying.draft(turn, case, member, form["text"])
    await replying.answered_by_hand(turn, case, member, web_address(form.get("url", "")))


def _number(form: Form, key: str) -> int:
    number = _digits(form.get(key, ""))
    if number is None:
        raise Refused(_("This cannot be done now: the case has moved on. Look at it again."))
    return number


def _digits(text: str) -> int | None:
    """A number as our own forms write it: plain digits, and no more than a row's number has."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 16 else None


_DOES: Final[dict[str, tuple[Does, str]]] = {
    "claim": (_claim, _("It is yours.")),
    "release": (_release, _("It is back in the queue.")),
    "assign": (_assign, _("Handed over.")),
    "snooze": (_snooze, _("It sleeps.")),
    "dismiss": (_dismiss, _("Dismissed.")),
    "escalate": (_escalate, _("Escalated.")),
    "note": (_note, _("Noted, among us.")),
    "reopen": (_reopen, _("It is open again.")),
    "correct": (_correct, _("Thank you, corrected.")),
    "mute": (_mute, _("Done.")),
    "undo": (_undo, _("Taken back. The draft is as it was.")),
    "send-back": (_send_back, _("Sent back.")),
    "again": (_again, _("It is tried again in ten seconds.")),
    "found": (_found, _("Answered.")),
    "by-hand": (_by_hand, _("Answered.")),
}


@routes.post("/cases/{case:\\d{1,15}}/draft")
async def draft(request: web.Request) -> web.Response:
    """Keeps what is typed, and shows what the checks say of it."""
    visit, number = request[VISIT], int(request.match_info["case"])
    form = await _form(request)
    try:
        async with visit.house.store.writing() as session:
            turn = visit.turn(session)
            reply = await _draft(turn, number, visit.member_id, form)
            findings = await _findings(turn, reply)
    except Refused as refusal:
        return toast(web.Response(status=204), refusal.said(visit.t), refused=True)
    findings += await _proofread(visit, reply)
    can = turn.checker.of(reply.connection)
    return page(
        request, "_checks.html", findings=findings, length=can.length(reply.text), longest=can.longest, saved=True
    )


@routes.get("/cases/{case:\\d{1,15}}/remarks")
async def remarks(request: web.Request) -> web.Response:
    """What the checks say of a reply that waits for another's yes."""
    visit = request[VISIT]
    async with visit.house.store.reading() as session:
        turn = visit.turn(session)
        try:
            case = await guards.seen(turn, int(request.match_info["case"]), visit.member_id)
        except Refused as refusal:
            raise web.HTTPNotFound(text=refusal.said(visit.t)) from None
        reply = await replying.proposal(turn, case.id)
        findings = await _findings(turn, reply) if reply else []
    findings += await _proofread(visit, reply)
    can, text = turn.checker.of(reply.connection if reply else ""), reply.text if reply else ""
    return page(request, "_checks.html", findings=findings, length=can.length(text), longest=can.longest, saved=True)


@routes.post("/cases/{case:\\d{1,15}}/approve")
async def approve(request: web.Request) -> web.Response:
    """Approves exactly the text that stands in the editor, once every remark on it has been seen.

    `seen` lists the kinds of remarks that were on the page: a new one is shown first, and the text is kept.
    """
    visit, number = request[VISIT], int(request.match_info["case"])
    form = await _form(request)
    sentence, refused = visit.t(_("Approved. It goes out in ten seconds; until then you can take it back.")), False
    try:
        async with visit.house.store.writing() as session:
            reply = await _draft(visit.turn(session), number, visit.member_id, form)
        async with visit.house.store.writing() as session:
            turn = visit.turn(session)
            _all_seen(await _findings(turn, reply), form)
            approved = await replying.approve(turn, reply.id, reply.revision, visit.member_id)
            if approved.state == "proposed":
                count = await replying.missing(turn, approved)
                sentence = visit.t(_("It waits for the yes of {count} more."), count=count)
    except Refused as refusal:
        sentence, refused = refusal.said(visit.t), True
    return await _shown(request, number, sentence, refused=refused)


@routes.post("/cases/{case:\\d{1,15}}/second")
async def second(request: web.Request) -> web.Response:
    """A yes to a colleague's reply, changed first or not; the change is kept also where a remark holds the yes back."""
    visit, number = request[VISIT], int(request.match_info["case"])
    form = await _form(request)
    sentence, refused = visit.t(_("You have said yes.")), False
    try:
        reply, revision = _number(form, "reply"), _number(form, "revision")
        async with visit.house.store.writing() as session:
            amended = await replying.amend(visit.turn(session), reply, revision, visit.member_id, form.get("text", ""))
        async with visit.house.store.writing() as session:
            turn = visit.turn(session)
            _all_seen(await _findings(turn, amended), form)
            await replying.approve(turn, reply, amended.revision, visit.member_id)
    except Refused as refusal:
        sentence, refused = refusal.said(visit.t), True
    return await _shown(request, number, sentence, refused=refused)


async def _shown(request: web.Request, number: int, sentence: str, *, refused: bool) -> web.Response:
    """The case as it has become, with what came of the action."""
    if not is_fragment(request):
        raise web.HTTPSeeOther(f"/cases/{number}")
    return toast(page(request, "_case.html", **await case_values(request[VISIT], number)), sentence, refused=refused)


def _all_seen(findings: list[Finding], form: Form) -> None:
    if {finding.kind for finding in findings} - set(form.get("seen", "").split(",")):
        raise Refused(_("Read the remarks under the text, then approve again."))


async def _form(request: web.Request) -> Form:
    try:
        return {key: value for key, value in (await request.post()).items() if isinstance(value, str)}
    except (ValueError, LookupError) as error:
        raise web.HTTPBadRequest(text="This form cannot be read.\n") from error


async def _draft(turn: Turn, case: int, member: int, form: Form) -> Reply:
    return await replying.draft(turn, case, member, form.get("text", ""), form.get("suggestion") or None)


async def _proofread(visit: Visit, reply: Reply | None) -> list[Finding]:
    proofreader = visit.house.proofreader
    return await proofreader.read(reply.text, reply.language) if proofreader and reply else []


async def _findings(turn: Turn, reply: Reply) -> list[Finding]:
    case = await turn.session.get_one(Case, reply.case_id)
    author = await turn.session.get_one(Author, case.author_id)
    return turn.checker.check(await to_check(turn, case, author, reply.text, reply.connection))


@routes.get("/cases/{case:\\d{1,15}}/storm")
async def storm(request: web.Request) -> web.Response:
    """Everybody who says the same, each with what they would be told."""
    return await _storm_page(request)


@routes.post("/cases/{case:\\d{1,15}}/storm")
async def answer_storm(request: web.Request) -> web.Response:
    """Approves the texts that stand on the page under the boxes that are ticked, or dismisses those cases with a reason.

    Each is a turn of its own: where one cannot be done, the others are, and it stands on the page again with the reason.
    """
    visit, form = request[VISIT], await request.post()
    refused: dict[int, tuple[str, str]] = {}
    wanted = [number for ticked in form.getall("case", []) if (number := _digits(str(ticked))) is not None]
    for number in wanted:
        typed = str(form.get(f"text-{number}", ""))
        try:
            async with visit.house.store.writing() as session:
                turn = visit.turn(session)
                if form.get("reason"):
                    await actions.dismiss(turn, number, visit.member_id, str(form["reason"]))
                else:
                    await together.answer(turn, number, visit.member_id, typed)
        except Refused as refusal:
            refused[number] = refusal.said(visit.t), typed
    return await _storm_page(request, done=len(wanted) - len(refused), refused=refused)


async def _storm_page(
    request: web.Request, done: int | None = None, refused: Mapping[int, tuple[str, str]] = MappingProxyType({})
) -> web.Response:
    """`refused` has why, and what was typed."""
    visit, number = request[VISIT], int(request.match_info["case"])
    async with visit.house.store.reading() as session:
        turn = visit.turn(session)
        try:
            found = await together.others(turn, number, visit.member_id)
        except Refused as refusal:
            raise web.HTTPNotFound(text=refusal.said(visit.t)) from None
        case = await session.get_one(Case, number)
        more = len(await cases.same_storm(session, case, limit=1_000)) - len(found)
        wanted = replying.wanted(turn, case)
    return page(request, "storm.html", case=case, found=found, more=more, wanted=wanted, done=done, refused=refused)


@routes.post("/me")
async def change_me(request: web.Request) -> web.Response:
    """When the member is not to be called, or is away; an empty field changes nothing."""
    visit, form = request[VISIT], await _form(request)
    try:
        async with visit.house.store.writing() as session:
            if form.get("quiet"):
                await oneself.be_quiet(visit.turn(session), visit.member_id, form["quiet"])
            if form.get("away"):
                await oneself.be_away(visit.turn(session), visit.member_id, form["away"])
    except Refused as refusal:
        return await me_page(request, refusal.said(visit.t))
    raise web.HTTPSeeOther("/me")


@routes.get("/open")
async def open_form(request: web.Request) -> web.Response:
    return page(request, "open.html", url="", asks=False, problem="", **_choices(request[VISIT]))


@routes.post("/open")
async def open_case(request: web.Request) -> web.Response:
    """A case from a pasted permalink: of a mention that was heard, else of the post the platform gives, else typed in."""
    visit = request[VISIT]
    form = await _form(request)
    url = web_address(form.get("url", "").strip()[:2_000])
    brand = _digits(form.get("brand", ""))
    brand_id = brand if brand in visit.brands else None
    if not url or brand_id is None:
        problem = visit.t(_("Paste the address of a post, and choose a brand."))
        return page(request, "open.html", url=url, asks=False, problem=problem, **_choices(visit))
    known, slug = await known_mention(visit, url), visit.catalogue.brands[brand_id].slug
    post = None if known else await request.app[FIND](url, slug) or _typed(visit, url, form)
    if known is None and post is None:
        return page(request, "open.html", url=url, asks=True, problem="", **_choices(visit))
    try:
        number = await _open(visit, brand_id, known[0].id if known else None, post)
    except Refused as refusal:
        return page(request, "open.html", url=url, asks=False, problem=refusal.said(visit.t), **_choices(visit))
    raise web.HTTPSeeOther(f"/cases/{number}")


def _choices(visit: Visit) -> dict[str, Any]:
    return {"brands": [(number, visit.catalogue.brands[number].name) for number in visit.brands]}


def _typed(visit: Visit, url: str, form: Form) -> Post | None:
    """What the member copied by hand, of a post that no ear can fetch."""
    text, author = form.get("text", "").strip(), form.get("author", "").strip().lstrip("@")
    if not text or not author:
        return None
    host = (urlsplit(url).hostname or "web").removeprefix("www.")
    return Post(
        platform=host, native_id=url, url=url, author=PostAuthor(handle=author), text=text, created_at=visit.now
    )


async def _open(visit: Visit, brand_id: int, mention_id: int | None, post: Post | None) -> int:
    async with visit.house.store.writing() as session:
        turn = visit.turn(session)
        if post is not None:
            concern = Concern(brand_id, BY_HAND, visit.member.name)
            await write_posts(session, BY_HAND, [Kept(post, (concern,))], visit.now)
            mention_id = await session.scalar(
                select(Mention.id).where(Mention.platform == post.platform, Mention.native_id == post.native_id)
            )
        if mention_id is None:
            raise Refused(_("This mention is not known for this brand."))
        return (await actions.open_by_hand(turn, brand_id, mention_id, visit.member_id)).id


@routes.post("/cases/{case:\\d{1,15}}/{verb:[a-z-]+}")
async def act(request: web.Request) -> web.Response:
    """One action; a refusal is shown beside the case as it has become."""
    visit, number, verb = request[VISIT], int(request.match_info["case"]), request.match_info["verb"]
    if verb not in _DOES:
        raise web.HTTPNotFound(text="There is no such action.\n")
    does, done = _DOES[verb]
    form = await _form(request)
    sentence, refused = visit.t(done), False
    try:
        async with visit.house.store.writing() as session:
            await does(visit.turn(session), number, visit.member_id, form)
    except Refused as refusal:
        sentence, refused = refusal.said(visit.t), True
    return await _shown(request, number, sentence, refused=refused)
