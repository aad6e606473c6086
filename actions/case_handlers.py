"""Handlers of actions on cases and alerts."""

from collections.abc import Sequence
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

from actions.forms import AlertForm, AssignForm, SnoozeForm
from actions.spec import ActionRequest
from cards.outcome import Choice, Outcome
from languages import mark
from triage import alerts, case_actions, labels
from triage.permissions import get_visible_case


async def assign(request: ActionRequest, form: AssignForm) -> Outcome:
    await case_actions.assign(request.context, request.case_id, request.member_id, form.to, form.note)
    name = labels.member_name(form.to, request.context.configuration, request.t)
    return request.done(mark("Assigned to {member}"), member=name)


async def assignees(request: ActionRequest) -> Sequence[Choice]:
    case = await get_visible_case(request.context, request.case_id, request.member_id)
    brand = request.context.brand(case).slug
    members = request.context.configuration.members
    others = [member for number, member in members if number != request.member_id and member.can_see(brand)]
    return [Choice(label=member.name, verb="assign", text=member.slug) for member in others]


async def snooze(request: ActionRequest, form: SnoozeForm) -> Outcome:
    until = request.context.now + timedelta(minutes=form.minutes)
    await case_actions.snooze(request.context, request.case_id, request.member_id, until)
    return request.done(mark("Snoozed until {until}"), until=request.t.moment(until, request.member.zone))


async def snooze_lengths(request: ActionRequest) -> Sequence[Choice]:
    """An hour, three hours, tomorrow morning in the member's zone; as minutes from now."""
    now, t = request.context.now, request.t
    local = now.astimezone(ZoneInfo(request.member.zone))
    morning = datetime.combine(local.date() + timedelta(days=1), time(9), local.tzinfo)
    until_morning = int((morning.astimezone(UTC) - now).total_seconds() // 60)
    lengths = ((t("1 hour"), 60), (t("3 hours"), 180), (t("Tomorrow at 9"), until_morning))
    return [Choice(label=label, verb="snooze", text=str(minutes)) for label, minutes in lengths]


async def dismissals(request: ActionRequest) -> Sequence[Choice]:
    return [Choice(label=request.t(label), verb="dismiss", text=code) for code, label in labels.DISMISSALS.items()]


async def sentiments(request: ActionRequest) -> Sequence[Choice]:
    case = await get_visible_case(request.context, request.case_id, request.member_id)
    return [
        Choice(label=request.t(label), verb="correct", text=code, current=code == case.sentiment)
        for code, label in labels.SENTIMENT.items()
    ]


async def mute_alert(request: ActionRequest, form: AlertForm) -> Outcome:
    muted = await alerts.mute(request.context, form.alert, request.member_id)
    unmute = Choice(label=request.t(mark("Unmute")), verb="unmute_alert", text=str(form.alert))
    until = request.t.moment(muted.until, request.member.zone)
    return Outcome(message=request.t(mark("Muted until {until}"), until=until), choices=(unmute,), case=request.case)


async def unmute_alert(request: ActionRequest, form: AlertForm) -> Outcome:
    await alerts.unmute(request.context, form.alert, request.member_id)
    return request.done(mark("Alert unmuted"))
