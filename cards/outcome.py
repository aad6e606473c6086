"""What an action on any desk leads to: a sentence for whoever acted, and what they are asked next."""

import msgspec

from cards.case_view import case_view
from languages import Translator
from models.tables.case import Case
from models.tables.reply import Reply
from publishing.approvals import added_topics, check_reply
from publishing.checks import Finding
from publishing.context import ReplyContext
from publishing.suggestions import Suggestion
from triage.permissions import can_approve


class Choice(msgspec.Struct, frozen=True, kw_only=True):
    """One way to continue: a label in the member's language, and the action it performs."""

    label: str
    verb: str
    text: str
    current: bool = False
    """Whether it is what is set already."""


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
    required_approvals: int = 0
    proposed: bool = False
    can_approve: bool = False
    """Whether whoever looks at it may approve it as a colleague's."""
    author_version: str = ""
    """What its author wrote, where an approver has changed it."""
    added_topics: tuple[str, ...] = ()


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """`message` is a sentence for whoever acted; at most one of the others asks them to continue."""

    message: str = ""
    refused: bool = False
    preview: Preview | None = None
    editor: str | None = None
    """The text to start from, for a member who wants to write."""
    case: int | None = None
    choices: tuple[Choice, ...] = ()
    suggestions: tuple[Suggestion, ...] = ()


class PerformedAction(msgspec.Struct, frozen=True):
    """An outcome in the language of whoever acted; `confirm` says whether a chat confirms it in words."""

    outcome: Outcome
    t: Translator
    confirm: bool


async def preview_of(context: ReplyContext, reply: Reply, member_id: int) -> Preview:
    """A reply as it would be published, for a member to approve."""
    case = await context.session.get_one(Case, reply.case_id)
    shown = await case_view(context, case.id)
    versions = next(view.versions for view in shown.replies if view.id == reply.id)
    return Preview(
        case=case.id,
        reply=reply.id,
        revision=reply.revision,
        text=reply.text,
        language=case.language,
        findings=tuple(await check_reply(context, case, reply)),
        can_publish=bool(reply.connection),
        url=shown.latest.url,
        required_approvals=shown.required_approvals,
        proposed=reply.state == "proposed",
        can_approve=can_approve(context, case, reply, member_id),
        author_version=versions[0].text if versions else "",
        added_topics=added_topics(context, case, reply),
    )
