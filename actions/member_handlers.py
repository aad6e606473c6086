"""Handlers of what members do for themselves: their cases, the next case, quiet hours, absences, help."""

from actions.forms import AvailabilityForm, NoForm
from actions.spec import ActionRequest
from cards.outcome import Choice, Outcome
from languages import mark
from models.configuration import Member
from models.text import one_line
from store.cases import CaseSummary
from triage import my_cases
from triage.schedule.quiet_hours import add_absence, set_quiet_hours

MAX_TEXT = 120


async def show_help(request: ActionRequest, _form: NoForm) -> Outcome:
    text = mark("Hello {member}. Cases appear here as cards; press a button to act. Commands: mine, next, quiet, away.")
    return request.done(text, member=request.member.name)


async def mine(request: ActionRequest, _form: NoForm) -> Outcome:
    views = await my_cases.summary(request.context, request.member_id)
    heads = {
        "mine": request.t(mark("Your cases: {count}"), count=views["mine"][0]),
        "overdue": request.t(mark("Overdue: {count}"), count=views["overdue"][0]),
        "queue": request.t(mark("In the queue: {count}"), count=views["queue"][0]),
    }
    parts = ["\n".join([heads[view], *map(_line, summaries)]) for view, (_count, summaries) in views.items()]
    return Outcome(message="\n\n".join(parts))


async def next_case(request: ActionRequest, _form: NoForm) -> Outcome:
    summary = await my_cases.next_case(request.context, request.member_id)
    if summary is None:
        return Outcome(message=request.t(mark("No cases waiting")))
    claim = Choice(label=request.t(mark("👀 Claim")), verb="claim", text="")
    return Outcome(message=_line(summary), choices=(claim,), case=summary.case.id)


def _line(summary: CaseSummary) -> str:
    return f"#{summary.case.id} @{summary.author}: {one_line(summary.text, MAX_TEXT)}"


async def quiet_hours(request: ActionRequest, form: AvailabilityForm) -> Outcome:
    if not form.text:
        text = mark("Your quiet hours: {hours}. Change them with a time like 22:00-07:00, or off.")
        return Outcome(message=request.t(text, hours=_hours(request.member) or "—"))
    member = await set_quiet_hours(request.context, request.member_id, form.text)
    if not member.quiet_hours:
        return Outcome(message=request.t(mark("You can be notified at any time")))
    text = mark("Saved. During {hours} you are notified only if nobody else is available.")
    return Outcome(message=request.t(text, hours=_hours(member)))


def _hours(member: Member) -> str:
    return ", ".join(f"{days} {span}" for days, span in member.quiet_hours.items())


async def absence(request: ActionRequest, form: AvailabilityForm) -> Outcome:
    member = request.member
    if form.text:
        member = await add_absence(request.context, request.member_id, form.text)
    days = [
        f"{request.t.long_date(absence.first)} – {request.t.long_date(absence.last)}"
        + (f" → {absence.cover}" if absence.cover else "")
        for absence in member.absences
    ]
    if not days:
        return Outcome(message=request.t(mark("You have no absences")))
    return Outcome(message=request.t(mark("Absences: {days}"), days=", ".join(days)))
