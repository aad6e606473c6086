"""The one table of what members can do. Browser, chats and API take everything from here.

The order is that of the buttons on a card. To add an action: an entry here, its handler, and what it does in triage/ or
publishing/ (CONTRIBUTING.md lists the files).
"""

from typing import Final

from actions import case_handlers, member_handlers, reply_handlers
from actions.forms import (
    AlertForm,
    AnsweredForm,
    AssignForm,
    AvailabilityForm,
    BulkReplyForm,
    CorrectForm,
    DismissForm,
    DraftForm,
    NoForm,
    NoteForm,
    ReasonForm,
    SnoozeForm,
    SuggestionForm,
)
from actions.spec import ActionSpec, AnyAction, TextInput, on_case
from cards.case_view import CaseView
from languages import mark
from models.tables.case import State
from triage import case_actions
from triage.lifecycle import STATE_OF, Stage, allows
from triage.permissions import get_visible_case, require_claim, require_unclaimed_or_own

MAX_BUTTONS: Final = 5

_SPECS: Final[tuple[AnyAction, ...]] = (
    ActionSpec(
        verb="claim",
        icon="👀",
        label=mark("Claim"),
        handler=on_case(case_actions.claim, mark("Assigned to you")),
        form=NoForm,
        permission=get_visible_case,
        stages=("waiting", "snoozed"),
        move="claim",
        primary=True,
        reactions=(("👀", ""),),
    ),
    ActionSpec(
        verb="mark_published",
        label=mark("Published"),
        handler=reply_handlers.mark_published,
        form=NoForm,
        permission=get_visible_case,
        stages=("unknown",),
        move="publish",
        confirm=True,
    ),
    ActionSpec(
        verb="mark_not_published",
        label=mark("Not published: retry"),
        handler=reply_handlers.retry,
        form=NoForm,
        permission=get_visible_case,
        stages=("unknown",),
    ),
    ActionSpec(
        verb="retry",
        icon="🔁",
        label=mark("Retry"),
        handler=reply_handlers.retry,
        form=NoForm,
        permission=require_claim,
        stages=("failed",),
        move="approve",
    ),
    ActionSpec(
        verb="review",
        icon="👁",
        label=mark("Review"),
        handler=reply_handlers.review,
        form=NoForm,
        permission=get_visible_case,
        stages=("proposed",),
        primary=True,
    ),
    ActionSpec(
        verb="edit",
        icon="✍️",
        label=mark("Reply"),
        handler=reply_handlers.edit,
        form=NoForm,
        permission=get_visible_case,
        stages=("claimed", "failed"),
        primary=True,
    ),
    ActionSpec(
        verb="suggest",
        icon="💬",
        label=mark("Suggestions"),
        handler=reply_handlers.suggestions,
        form=SuggestionForm,
        argument="code",
        permission=get_visible_case,
        stages=("claimed",),
    ),
    ActionSpec(
        verb="undo",
        icon="↩️",
        label=mark("Undo"),
        handler=reply_handlers.undo,
        form=NoForm,
        permission=get_visible_case,
        stages=("proposed", "scheduled"),
        confirm=True,
    ),
    ActionSpec(
        verb="snooze",
        icon="💤",
        label=mark("Snooze"),
        handler=case_handlers.snooze,
        form=SnoozeForm,
        argument="minutes",
        invalid=mark("Choose how long to snooze the case."),
        choices=case_handlers.snooze_lengths,
        permission=require_unclaimed_or_own,
        stages=("waiting", "snoozed", "claimed"),
        move="snooze",
        confirm=True,
        reactions=(("💤", "60"),),
        menu="main",
        shortcut="s",
    ),
    ActionSpec(
        verb="escalate",
        icon="⬆️",
        label=mark("Escalate"),
        handler=on_case(case_actions.escalate, mark("Escalated")),
        form=ReasonForm,
        argument="reason",
        permission=get_visible_case,
        stages=("waiting", "snoozed", "claimed", "failed", "proposed"),
        menu="main",
        inputs=(TextInput("reason", mark("reason for whoever is notified"), 500),),
        shortcut="e",
    ),
    ActionSpec(
        verb="dismiss",
        icon="🙈",
        label=mark("Dismiss"),
        handler=on_case(case_actions.dismiss, mark("Dismissed")),
        form=DismissForm,
        argument="reason",
        invalid=mark("Give a reason."),
        choices=case_handlers.dismissals,
        permission=require_unclaimed_or_own,
        stages=("waiting", "snoozed", "claimed"),
        move="dismiss",
        confirm=True,
        reactions=(("🙈", "not-us"),),
        menu="main",
        inputs=(TextInput("reason", mark("another reason"), 200, required=True),),
        shortcut="d",
    ),
    ActionSpec(
        verb="release",
        label=mark("Release"),
        handler=on_case(case_actions.release, mark("Released")),
        form=NoForm,
        permission=require_claim,
        stages=("failed",),
        move="release",
        menu="more",
    ),
    ActionSpec(
        verb="reopen",
        label=mark("Reopen"),
        handler=on_case(case_actions.reopen, mark("Reopened")),
        form=NoForm,
        permission=get_visible_case,
        stages=("ended",),
        move="reopen",
    ),
    ActionSpec(
        verb="assign",
        label=mark("Assign"),
        handler=case_handlers.assign,
        form=AssignForm,
        argument="to",
        invalid=mark("Choose a member."),
        choices=case_handlers.assignees,
        permission=get_visible_case,
        move="assign",
        menu="main",
        inputs=(TextInput("note", mark("what they should know"), 500),),
    ),
    ActionSpec(
        verb="note",
        label=mark("Note"),
        handler=on_case(case_actions.add_note, mark("Note added")),
        form=NoteForm,
        argument="text",
        invalid=mark("The note is empty."),
        permission=get_visible_case,
        confirm=True,
        menu="main",
        inputs=(TextInput("text", mark("Internal note, never published"), 4_000, required=True),),
        shortcut="n",
    ),
    ActionSpec(
        verb="correct",
        label=mark("Correct the sentiment"),
        handler=on_case(case_actions.correct, mark("Sentiment corrected")),
        form=CorrectForm,
        argument="sentiment",
        invalid=mark("Choose negative, neutral or positive."),
        choices=case_handlers.sentiments,
        permission=get_visible_case,
        confirm=True,
        reactions=(("👍", "positive"), ("👎", "negative")),
        menu="more",
    ),
    ActionSpec(
        verb="mute_author",
        label=mark("Mute this author"),
        handler=on_case(case_actions.mute_author, mark("Author muted: no more cases are opened")),
        form=NoForm,
        permission=get_visible_case,
        menu="more",
    ),
    ActionSpec(
        verb="unmute_author",
        label=mark("Unmute this author"),
        handler=on_case(case_actions.unmute_author, mark("Author unmuted")),
        form=NoForm,
        permission=get_visible_case,
        menu="more",
    ),
    ActionSpec(
        verb="draft",
        label=mark("Save the draft"),
        handler=reply_handlers.draft,
        form=DraftForm,
        argument="text",
        permission=get_visible_case,
    ),
    ActionSpec(
        verb="approve",
        icon="✅",
        label=mark("Approve"),
        handler=reply_handlers.approve,
        form=NoForm,
        permission=get_visible_case,
        move="approve",
        confirm=True,
        primary=True,
    ),
    ActionSpec(
        verb="send_back",
        icon="↩️",
        label=mark("Send back"),
        handler=reply_handlers.send_back,
        form=ReasonForm,
        argument="reason",
        permission=get_visible_case,
        confirm=True,
    ),
    ActionSpec(
        verb="mark_answered",
        label=mark("Mark as answered"),
        handler=reply_handlers.mark_answered,
        form=AnsweredForm,
        permission=get_visible_case,
        confirm=True,
        reactions=(("✅", ""),),
    ),
    ActionSpec(
        verb="bulk_reply",
        label=mark("Same answer to all"),
        handler=reply_handlers.bulk,
        form=BulkReplyForm,
        argument="seen",
        permission=get_visible_case,
        confirm=True,
    ),
    ActionSpec(
        verb="mute_alert",
        icon="🔕",
        label=mark("Mute"),
        handler=case_handlers.mute_alert,
        form=AlertForm,
        argument="alert",
        permission=get_visible_case,
    ),
    ActionSpec(
        verb="unmute_alert",
        label=mark("Unmute"),
        handler=case_handlers.unmute_alert,
        form=AlertForm,
        argument="alert",
        permission=get_visible_case,
        confirm=True,
    ),
    ActionSpec(
        verb="mine",
        label=mark("Your cases, and what is waiting"),
        handler=member_handlers.mine,
        form=NoForm,
        confirm=True,
    ),
    ActionSpec(
        verb="next",
        label=mark("The most urgent unclaimed case"),
        handler=member_handlers.next_case,
        form=NoForm,
        confirm=True,
    ),
    ActionSpec(
        verb="quiet_hours",
        label=mark("Your quiet hours: 22:00-07:00"),
        handler=member_handlers.quiet_hours,
        form=AvailabilityForm,
        argument="text",
        confirm=True,
    ),
    ActionSpec(
        verb="absence",
        label=mark("Your absences, and who covers: 24.12 6.1 bruno"),
        handler=member_handlers.absence,
        form=AvailabilityForm,
        argument="text",
        confirm=True,
    ),
    ActionSpec(
        verb="help",
        label=mark("What you can do here"),
        handler=member_handlers.show_help,
        form=NoForm,
        confirm=True,
    ),
)
ACTIONS: Final[dict[str, AnyAction]] = {spec.verb: spec for spec in _SPECS}
REACTIONS: Final[dict[str, tuple[str, str]]] = {
    emoji: (spec.verb, argument) for spec in _SPECS for emoji, argument in spec.reactions
}
"""Emoji on a card → (verb, argument)."""


def on_card(stage: Stage) -> list[AnyAction]:
    """The actions offered on a card at a stage, in order."""
    return [spec for spec in _SPECS if stage in spec.stages][:MAX_BUTTONS]


def on_page(case: CaseView, member_id: int) -> list[AnyAction]:
    """The actions that the page of a case offers a member, in order."""
    return [spec for spec in _SPECS if spec.menu and _is_offered(spec, case, member_id)]


def _is_offered(spec: AnyAction, case: CaseView, member_id: int) -> bool:
    if spec.permission is require_claim and case.holder != member_id:
        return False
    if spec.permission is require_unclaimed_or_own and case.holder not in (None, member_id):
        return False
    return allows(case.state, spec.move) if spec.move else not spec.stages or case.stage in spec.stages


def is_possible(verb: str, state: State) -> bool:
    """Whether the case's lifecycle allows an action in a state; always for one that does not move the case."""
    move = ACTIONS[verb].move
    return move is None or allows(state, move)


def _check() -> None:
    """At import: no card offers what the lifecycle does not allow in any state of its stage."""
    for spec in _SPECS:
        for stage in spec.stages:
            if spec.move and not any(allows(state, spec.move) for state in STATE_OF[stage]):
                raise AssertionError(f"{spec.verb} is offered at {stage}, and {spec.move} is not possible there")


_check()
