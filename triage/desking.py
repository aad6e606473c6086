"""What an action done on a chat desk comes to, and what is said of it to who did it; how that looks is the desk's own affair."""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime, time, timedelta
from typing import Final, NamedTuple, get_args
from zoneinfo import ZoneInfo

import msgspec
from sqlalchemy import select

from languages import Translator, translator
from models.case import Case, Reply
from models.catalogue import Member
from models.desk import Action, Verb
from models.errors import Refused
from models.mention import Author, Sentiment
from models.text import one_line
from store.cases import Line
from triage import actions, alerts, guards, oneself, replying, together, wording
from triage.card import card
from triage.checks import Finding
from triage.suggestions import Suggestion, suggest
from triage.turn import Turn

READABLE: Final = 2_800
"""Characters that every chat shows whole in one message."""


class Choice(msgspec.Struct, frozen=True, kw_only=True):
    """One of the ways to go on: a label in the member's language, and what pressing it does."""

    label: str
    verb: Verb
    text: str


class Preview(msgspec.Struct, frozen=True, kw_only=True):
    """Exactly what would be published, with what the checks found."""

    case: int
    reply: int
    revision: int
    text: str
    language: str
    findings: tuple[Finding, ...]
    can_publish: bool
    url: str
    wanted: int = 0
    """How many must say yes beside the author."""
    proposed: bool = False
    may_second: bool = False
    """Who looks at it may give one of those."""
    was: str = ""
    """What its author wrote, where an approver has changed it."""
    files_under: tuple[str, ...] = ()
    """Topics that the case gets with the yes."""


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What an action came to. `said` is a sentence for who acted; at most one of the others asks them to go on."""

    said: str = ""
    refused: bool = False
    preview: Preview | None = None
    editor: str | None = None
    """The text to begin from, for a member who wants to write."""
    case: int | None = None
    choices: tuple[Choice, ...] = ()
    suggestions: tuple[Suggestion, ...] = ()


def member_of(turn: Turn, platform: str, action: Action) -> tuple[int, Member] | None:
    """Who acted, if they are one of ours."""
    number = turn.catalogue.member_at(platform, action.who)
    return None if number is None else (number, turn.catalogue.members[number])


async def perform(turn: Turn, platform: str, action: Action) -> tuple[Outcome, Translator]:
    """Does what a member asked for; a refusal is an outcome like any other, in the member's language."""
    found = member_of(turn, platform, action)
    if found is None:
        t = translator("en")
        return Outcome(said=t(_STRANGER, who=action.who), refused=True), t
    number, member = found
    t = translator(member.language)
    try:
        async with turn.session.begin_nested():  # what was begun before a refusal is taken back
            return await _DOES[action.verb](Asked(turn, number, member, action, t)), t
    except Refused as refusal:
        return Outcome(said=refusal.said(t), refused=True, case=action.case), t


def _(message: str) -> str:
    return message


class Asked(NamedTuple):
    """An action with who it is by, and their language."""

    turn: Turn
    by: int
    member: Member
    action: Action
    t: Translator

    @property
    def case(self) -> int:
        if self.action.case is None:
            raise Refused(_NO_CASE)
        return self.action.case

    @property
    def text(self) -> str:
        return self.action.text

    def did(self, message: str, **values: object) -> Outcome:
        return Outcome(said=self.t(message, **values), case=self.action.case)


_STRANGER: Final = _("I only work with members. Ask your lead to add you with the id {who}.")
_NO_CASE: Final = _("This button is too old. Use the one on the newest card.")


async def _claim(asked: Asked) -> Outcome:
    await actions.claim(asked.turn, asked.case, asked.by)
    return asked.did(_("It is yours."))


async def _release(asked: Asked) -> Outcome:
    await actions.release(asked.turn, asked.case, asked.by)
    return asked.did(_("It is back in the queue."))


async def _edit(asked: Asked) -> Outcome:
    """Opens the editor: on a reply that waits for one's yes, on one's own draft, on the best suggestion, else empty."""
    waiting = await _waits_for(asked)
    if waiting is not None:
        return Outcome(editor=waiting.text, case=asked.case)
    case = await actions.claim(asked.turn, asked.case, asked.by)
    known = await asked.turn.session.scalar(
        select(Reply.text).where(Reply.case_id == case.id, Reply.author_id == asked.by, Reply.state == "draft")
    )
    if known is None:
        best = await _suggested(asked, case)
        known = best[0].text if best else ""
    return Outcome(editor=known, case=case.id)


async def _suggest(asked: Asked) -> Outcome:
    """Without a choice, the suggestions; with one, a draft of it to look at."""
    case = await actions.claim(asked.turn, asked.case, asked.by)
    found = await _suggested(asked, case)
    if not found:
        return asked.did(_("There is no saved reply for this. Write one: press Reply."))
    if not asked.text:
        return Outcome(suggestions=tuple(found), case=case.id)
    chosen = next((s for s in found if s.code == asked.text), None)
    if chosen is None:
        raise Refused(_("This suggestion does not fit any more."))
    reply = await replying.draft(asked.turn, case.id, asked.by, chosen.text, chosen.code)
    return Outcome(preview=await preview(asked.turn, reply, asked.by), case=case.id)


async def _suggested(asked: Asked, case: Case) -> list[Suggestion]:
    return await suggest(asked.turn, case, await asked.turn.session.get_one(Author, case.author_id))


async def _waits_for(asked: Asked) -> Reply | None:
    """A colleague's reply to which this member may say yes."""
    reply = await replying.proposal(asked.turn, asked.case)
    case = await asked.turn.session.get(Case, asked.case)
    can = reply is not None and case is not None and replying.may_second(asked.turn, case, reply, asked.by)
    return reply if can else None


async def _draft(asked: Asked) -> Outcome:
    waiting = await _waits_for(asked)
    if waiting is not None:
        reply = await replying.amend(asked.turn, waiting.id, waiting.revision, asked.by, asked.text)
        return Outcome(preview=await preview(asked.turn, reply, asked.by), case=asked.case)
    reply = await replying.draft(asked.turn, asked.case, asked.by, asked.text)
    return Outcome(preview=await preview(asked.turn, reply, asked.by), case=asked.case)


async def preview(turn: Turn, reply: Reply, by: int) -> Preview:
    """A draft as it would be published, for a member to say yes to."""
    case = await turn.session.get_one(Case, reply.case_id)
    author = await turn.session.get_one(Author, case.author_id)
    findings = turn.checker.check(await replying.to_check(turn, case, author, reply.text, reply.connection))
    shown = await card(turn, case.id)
    versions = next(answer.versions for answer in shown.answers if answer.id == reply.id)
    return Preview(
        case=case.id,
        reply=reply.id,
        revision=reply.revision,
        text=reply.text,
        language=case.language,
        findings=tuple(findings),
        can_publish=bool(reply.connection),
        url=shown.latest.url,
        wanted=shown.wanted,
        proposed=reply.state == "proposed",
        may_second=replying.may_second(turn, case, reply, by),
        was=versions[0].text if versions else "",
        files_under=replying.files_under(turn, case, reply),
    )


async def _approve(asked: Asked) -> Outcome:
    """Where others say the same, they are offered the same answer."""
    if asked.action.reply is None or asked.action.revision is None:
        raise Refused(_NO_CASE)
    reply = await replying.approve(asked.turn, asked.action.reply, asked.action.revision, asked.by)
    if reply.state == "proposed":
        said = asked.t(_("It waits for the yes of {count} more."), count=await replying.missing(asked.turn, reply))
    else:
        said = asked.t(_("Approved. It goes out in ten seconds; until then you can take it back."))
    same = [one for one in await together.others(asked.turn, reply.case_id, asked.by) if one.fits]
    more = (
        Choice(
            label=asked.t.count("The same to {n} more", "The same to {n} more", len(same)), verb="answer_storm", text=""
        ),
    )
    return Outcome(said=said, choices=more if same else (), case=reply.case_id)


async def _answer_storm(asked: Asked) -> Outcome:
    """First every text is shown: one in full, and the names that stand in the others in its place; then all are approved."""
    same = [one for one in await together.others(asked.turn, asked.case, asked.by) if one.fits]
    while same and len(_told_to(asked, same)) > READABLE:
        same.pop()
    if not same:
        raise Refused(_("Nobody else says the same any more."))
    seen = together.mark(same)
    if asked.text != seen:
        label = asked.t.count("✅ Approve {n} reply", "✅ Approve {n} replies", len(same))
        yes = Choice(label=label, verb="answer_storm", text=seen)
        return Outcome(said=_told_to(asked, same), choices=(yes,), case=asked.case)
    done = 0
    for one in same:
        with suppress(Refused):  # somebody was first, or the post is gone: the others get their answer all the same
            async with asked.turn.session.begin_nested():
                await together.answer(asked.turn, one.case, asked.by, one.text)
            done += 1
    return asked.did(_("{count} of {all} approved."), count=done, all=len(same))


def _told_to(asked: Asked, same: Sequence[together.Same]) -> str:
    first, *rest = same
    lines = [asked.t(_("Each of {count} would be told this, with their own name:"), count=len(same)), first.text]
    if rest:
        names = ", ".join(f"@{one.author}" for one in rest)
        lines.append(asked.t(_("In place of {name}: {names}"), name=f"@{first.author}", names=names))
    return "\n\n".join(lines)


async def _review(asked: Asked) -> Outcome:
    """A proposed reply as it would be published, for whoever may say yes to it."""
    reply = await replying.proposal(asked.turn, asked.case)
    if reply is None:
        raise Refused(_("Nothing waits for a yes here any more."))
    await guards.seen(asked.turn, asked.case, asked.by)
    return Outcome(preview=await preview(asked.turn, reply, asked.by), case=asked.case)


async def _send_back(asked: Asked) -> Outcome:
    reply = await replying.proposal(asked.turn, asked.case)
    if reply is None:
        raise Refused(_("Nothing waits for a yes here any more."))
    await replying.send_back(asked.turn, reply.id, asked.by, asked.text)
    return asked.did(_("Sent back. Say why in a note."))


async def _mute_alert(asked: Asked) -> Outcome:
    muted = await alerts.mute(asked.turn, asked.case, asked.by, asked.text)
    again = Choice(label=asked.t(_("Let it ring again")), verb="unmute_alert", text=asked.text)
    until = asked.t.moment(muted.until, asked.member.zone)
    return Outcome(said=asked.t(_("Muted until {until}."), until=until), choices=(again,), case=asked.case)


async def _unmute_alert(asked: Asked) -> Outcome:
    await alerts.unmute(asked.turn, asked.case, asked.by, asked.text)
    return asked.did(_("It rings again."))


async def _undo(asked: Asked) -> Outcome:
    reply = await asked.turn.session.scalar(
        select(Reply.id).where(Reply.case_id == asked.case, Reply.state.in_(("proposed", "approved", "sending")))
    )
    if reply is None:
        raise Refused(_("It has been sent already. It can only be deleted on the platform now."))
    await replying.undo(asked.turn, reply, asked.by)
    return asked.did(_("Taken back. The draft is as it was."))


async def _snooze(asked: Asked) -> Outcome:
    if not asked.text:
        return Outcome(case=asked.case, choices=tuple(snoozes(asked.turn.now, asked.member, asked.t)))
    until = asked.turn.now + timedelta(minutes=int(asked.text))
    await actions.snooze(asked.turn, asked.case, asked.by, until)
    return asked.did(_("It sleeps until {until}."), until=asked.t.moment(until, asked.member.zone))


def snoozes(now: datetime, member: Member, t: Translator) -> list[Choice]:
    """An hour, three hours, tomorrow morning on the member's own wall; in minutes from now."""
    here = now.astimezone(ZoneInfo(member.zone))
    morning = datetime.combine(here.date() + timedelta(days=1), time(9), here.tzinfo)
    minutes = int((morning.astimezone(UTC) - now).total_seconds() // 60)
    spans = ((t("1 hour"), 60), (t("3 hours"), 180), (t("Tomorrow at 9"), minutes))
    return [Choice(label=label, verb="snooze", text=str(length)) for label, length in spans]


async def _dismiss(asked: Asked) -> Outcome:
    if not asked.text:
        choices = (
            Choice(label=asked.t(label), verb="dismiss", text=code) for code, label in wording.DISMISSALS.items()
        )
        return Outcome(case=asked.case, choices=tuple(choices))
    await actions.dismiss(asked.turn, asked.case, asked.by, asked.text)
    return asked.did(_("Dismissed."))


async def _escalate(asked: Asked) -> Outcome:
    await actions.escalate(asked.turn, asked.case, asked.by, asked.text)
    return asked.did(_("Escalated."))


async def _assign(asked: Asked) -> Outcome:
    if not asked.text:
        case = await asked.turn.session.get_one(Case, asked.case)
        brand = asked.turn.brand(case).slug
        others = [m for n, m in asked.turn.catalogue.members if n != asked.by and m.sees(brand)]
        return Outcome(
            case=case.id, choices=tuple(Choice(label=m.name, verb="assign", text=m.slug) for m in others[:8])
        )
    await actions.assign(asked.turn, asked.case, asked.by, asked.text)
    return asked.did(_("It is with {member} now."), member=wording.name(asked.text, asked.turn.catalogue, asked.t))


async def _note(asked: Asked) -> Outcome:
    await actions.note(asked.turn, asked.case, asked.by, asked.text)
    return asked.did(_("Noted, among us."))


async def _correct(asked: Asked) -> Outcome:
    if asked.text not in get_args(Sentiment):
        choices = (Choice(label=asked.t(word), verb="correct", text=code) for code, word in wording.SENTIMENT.items())
        return Outcome(case=asked.case, choices=tuple(choices))
    await actions.correct(asked.turn, asked.case, asked.by, asked.text)  # type: ignore[arg-type]
    return asked.did(_("Thank you, corrected."))


async def _mute(asked: Asked) -> Outcome:
    await actions.mute(asked.turn, asked.case, asked.by)
    return asked.did(_("This author opens no more cases."))


async def _reopen(asked: Asked) -> Outcome:
    await actions.reopen(asked.turn, asked.case, asked.by)
    return asked.did(_("It is open again."))


async def _again(asked: Asked) -> Outcome:
    """It is not there: said again."""
    await replying.settle(asked.turn, await _doubtful(asked), asked.by, published=False)
    return asked.did(_("It is tried again in ten seconds."))


async def _published(asked: Asked) -> Outcome:
    """It is there: either a reply of unknown fate, or one that the member said by hand."""
    case = await asked.turn.session.get_one(Case, asked.case)
    if case.state == "answering":
        await replying.settle(asked.turn, await _doubtful(asked), asked.by, published=True)
    else:
        await replying.answered_by_hand(asked.turn, case.id, asked.by)
    return asked.did(_("Answered."))


async def _doubtful(asked: Asked) -> int:
    reply = await asked.turn.session.scalar(
        select(Reply.id)
        .where(Reply.case_id == asked.case, Reply.state.in_(("unknown", "failed")))
        .order_by(Reply.id.desc())
        .limit(1)
    )
    if reply is None:
        raise Refused(_("This reply is settled already."))
    return reply


async def _help(asked: Asked) -> Outcome:
    return asked.did(
        _("Hello {member}. Cases come here as cards; press a button to act. I also know: mine, next, quiet, away."),
        member=asked.member.name,
    )


async def _mine(asked: Asked) -> Outcome:
    found = await oneself.at_a_glance(asked.turn, asked.by)
    heads = {
        "mine": asked.t(_("Yours: {count}"), count=found["mine"][0]),
        "late": asked.t(_("Late: {count}"), count=found["late"][0]),
        "queue": asked.t(_("In the queue: {count}"), count=found["queue"][0]),
    }
    parts = ["\n".join([heads[view], *map(_line, lines)]) for view, (_count, lines) in found.items()]
    return Outcome(said="\n\n".join(parts))


async def _next(asked: Asked) -> Outcome:
    line = await oneself.following(asked.turn, asked.by)
    if line is None:
        return Outcome(said=asked.t(_("Nothing waits.")))
    take = Choice(label=asked.t(_("👀 Take it")), verb="claim", text="")
    return Outcome(said=_line(line), choices=(take,), case=line.case.id)


def _line(line: Line) -> str:
    return f"#{line.case.id} @{line.author}: {one_line(line.text, 120)}"


async def _quiet(asked: Asked) -> Outcome:
    if not asked.text:
        kept = ", ".join(f"{days} {span}" for days, span in asked.member.quiet.items()) or "—"
        return Outcome(said=asked.t(_("Quiet for you: {hours}. Write it like 22:00-07:00, or off."), hours=kept))
    member = await oneself.be_quiet(asked.turn, asked.by, asked.text)
    kept = ", ".join(f"{days} {span}" for days, span in member.quiet.items())
    if not kept:
        return Outcome(said=asked.t(_("You are called at any hour.")))
    return Outcome(said=asked.t(_("Kept: {hours}. You are called then only when nobody else is there."), hours=kept))


async def _away(asked: Asked) -> Outcome:
    member = asked.member if not asked.text else await oneself.be_away(asked.turn, asked.by, asked.text)
    days = [
        f"{asked.t.long_date(absence.first)} – {asked.t.long_date(absence.last)}"
        + (f" → {absence.cover}" if absence.cover else "")
        for absence in member.away
    ]
    if not days:
        return Outcome(said=asked.t(_("You are not away.")))
    return Outcome(said=asked.t(_("Away: {days}"), days=", ".join(days)))


_Does = Callable[[Asked], Awaitable[Outcome]]
_DOES: Final[dict[Verb, _Does]] = {
    "claim": _claim,
    "release": _release,
    "edit": _edit,
    "suggest": _suggest,
    "draft": _draft,
    "approve": _approve,
    "undo": _undo,
    "snooze": _snooze,
    "dismiss": _dismiss,
    "escalate": _escalate,
    "assign": _assign,
    "note": _note,
    "correct": _correct,
    "mute": _mute,
    "reopen": _reopen,
    "retry": _again,
    "not_published": _again,
    "published_by_hand": _published,
    "help": _help,
    "mine": _mine,
    "next": _next,
    "quiet": _quiet,
    "away": _away,
    "review": _review,
    "send_back": _send_back,
    "mute_alert": _mute_alert,
    "unmute_alert": _unmute_alert,
    "answer_storm": _answer_storm,
}
