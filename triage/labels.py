"""What our codes are called for people: states, sentiments, intents, reasons and events, in the reader's language.

The dictionaries hold English sentences as in the catalogs of languages/.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Final

from languages import Translator, mark
from models.configuration import Configuration
from models.tables.alert import AlertKind
from models.tables.case import CaseEvent, EventKind, ScorePart, State
from models.tables.mention import InfluentialWord

POST_DELETED: Final = mark("The post was deleted.")
POST_EDITED: Final = mark("The post was edited after the approval. Review both again.")
"""Why an approved reply was not published; a platform's own reasons are shown in its words."""

SENTIMENT: Final = {"negative": mark("negative"), "neutral": mark("neutral"), "positive": mark("positive")}

INTENT: Final = {
    "complaint": mark("complaint"),
    "question": mark("question"),
    "praise": mark("praise"),
    "lead": mark("sales lead"),
    "news": mark("news"),
    "chatter": mark("chatter"),
    "spam": mark("spam"),
    "crisis": mark("crisis"),
}

TONE: Final = {"warm": mark("friendly"), "brief": mark("brief")}
SEVERITY: Final = {
    "self-harm": mark("self-harm"),
    "threat": mark("threat"),
    "safety": mark("safety"),
    "legal": mark("legal"),
    "privacy": mark("personal data"),
    "press": mark("press"),
    "exposed data": mark("personal data exposed"),
    "high reach": mark("large audience"),
    "brand words": mark("the brand's own words"),
}

STATE: Final[dict[State, str]] = {
    "waiting": mark("waiting"),
    "claimed": mark("claimed"),
    "snoozed": mark("snoozed"),
    "publishing": mark("publishing"),
    "answered": mark("answered"),
    "dismissed": mark("dismissed"),
}

SCORE_PART: Final = {
    "negativity": mark("negative, {detail} confidence"),
    "severity": mark("severe: {detail}"),
    "complaint": mark("complaint"),
    "question": mark("question to us"),
    "lead": mark("sales lead"),
    "crisis": mark("crisis"),
    "reach": mark("{detail} followers"),
    "repetition": mark("repeat author ({detail} earlier)"),
    "duplicates": mark("{detail} similar posts"),
    "waiting": mark("waiting for {detail} min"),
}

EVENT: Final[dict[EventKind, str]] = {
    "opened": mark("Case opened."),
    "author replied": mark("The author replied."),
    "claimed": mark("{who} claimed the case."),
    "released": mark("{who} released the case."),
    "claim expired": mark("The claim of {who} expired."),
    "assigned": mark("{who} assigned the case to {to}. {text}"),
    "snoozed": mark("{who} snoozed the case until {until}."),
    "snooze ended": mark("Snooze ended."),
    "dismissed": mark("{who} dismissed the case: {text}"),
    "reopened": mark("{who} reopened the case."),
    "escalated": mark("{who} escalated the case to {notified}. {text}"),
    "overdue": mark("Overdue: {notified} notified."),
    "noted": mark("{who}: {text}"),
    "approved": mark("{who} approved the reply."),
    "undone": mark("{who} undid the approval."),
    "published": mark("The reply was published."),
    "failed": mark("The reply was not published: {text}"),
    "unknown": mark("Publication status unknown: check the platform."),
    "answered manually": mark("{who} answered on the platform. {text}"),
    "answered externally": mark("Answered in the platform's own app: {text}"),
    "corrected": mark("{who} corrected the sentiment to {sentiment}."),
    "author muted": mark("{who} muted the author."),
    "author unmuted": mark("{who} unmuted the author."),
    "edited": mark("The author edited the post."),
    "deleted": mark("The author deleted the post."),
    "approval requested": mark("{who} requested approval of the reply."),
    "approval given": mark("{who} gave an approval."),
    "amended": mark("{who} edited the reply before approving it."),
    "sent back": mark("{who} sent the reply back. {text}"),
    "reassigned": mark("{absent} is away: reassigned to {to}."),
    "returned": mark("{absent} is away: returned to the queue."),
}

MEDIA: Final = {"image": mark("image"), "video": mark("video"), "audio": mark("audio"), "file": mark("file")}

DIRECT_CONTACT: Final = "direct-contact"
"""By phone or e-mail, by whoever handles it: the case is handed to the queue's `direct_contact`."""
DISMISSALS: Final = {
    "not-us": mark("Not about us"),
    "spam": mark("Spam"),
    "solved": mark("Already solved"),
    "no-answer": mark("An answer would not help"),
    DIRECT_CONTACT: mark("Handled by direct contact"),
}

ALERT: Final[dict[AlertKind, str]] = {
    "severe": mark("Severe: {text}"),
    "overdue": mark("First answer overdue"),
    "escalated": mark("Escalated by a colleague. {text}"),
    "approval": mark("A reply needs approval."),
    "note": mark("A note for you. {text}"),
}

EVERYONE: Final = mark("everyone")


def score_part(part: ScorePart, t: Translator) -> str:
    """A reason for the priority, with its figure in words."""
    detail = part.detail
    if part.name == "severity":
        detail = t(SEVERITY.get(detail, detail))
    elif part.name == "reach":
        detail = t.number(int(detail or 0))
    return t(SCORE_PART.get(part.name, part.name), detail=detail)


def event(happened: CaseEvent, configuration: Configuration, t: Translator, zone: str) -> str:
    """What happened, in a sentence."""
    detail = happened.detail
    member = configuration.members.get(happened.member_id)
    sentence = t(
        EVENT[happened.kind],
        who=member.name if member else "Ascolto",
        text=dismissal(happened.text, t) if happened.kind == "dismissed" else happened.text,
        to=member_name(detail.to, configuration, t),
        absent=member_name(detail.absent, configuration, t),
        notified=_names(detail.notified, configuration, t) or t(EVERYONE),
        until=t.moment(detail.until, zone) if detail.until else "",
        sentiment=t(SENTIMENT.get(detail.sentiment, detail.sentiment)),
    ).strip()
    if detail.unavailable:
        sentence += " " + t("Unavailable: {members}.", members=_names(detail.unavailable, configuration, t))
    return sentence


def dismissal(reason: str, t: Translator) -> str:
    """Why a case was dismissed: one of the usual reasons, or a member's own words."""
    return t(DISMISSALS[reason]) if reason in DISMISSALS else reason


def alert(kind: AlertKind, text: str, severity: str | None, words: Sequence[str], t: Translator) -> str:
    """An alert's headline; of a severe case, the reason and the words it was found in."""
    if severity:
        text = t(SEVERITY.get(severity, severity)) + (f" — “{', '.join(words)}”" if words else "")
    return t(ALERT[kind], text=text).strip()


def media(kind: str, t: Translator) -> str:
    return t(MEDIA[kind])


def member_name(slug: str, configuration: Configuration, t: Callable[[str], str]) -> str:
    """A member's name, or everyone's."""
    entry = configuration.members.by_slug(slug)
    return entry[1].name if entry else (slug or t(EVERYONE))


def _names(slugs: Iterable[str], configuration: Configuration, t: Callable[[str], str]) -> str:
    return ", ".join(member_name(slug, configuration, t) for slug in slugs)


def influential_words(words: Sequence[InfluentialWord]) -> str:
    """The words that influenced the sentiment, strongest first, each once, without punctuation around them."""
    bare = (word.word.strip(".,;:!?\"'«»“”()") or word.word for word in words)
    return ", ".join(dict.fromkeys(bare))
