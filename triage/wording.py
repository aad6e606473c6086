"""What our codes are called for people: states, sentiments, intents, reasons and events, in the reader's language.

The dictionaries hold English sentences as they are found in the catalogues of languages/.
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Final

from languages import Translator
from models.case import CaseEvent, Part
from models.catalogue import Catalogue
from models.mention import MovedBy


def _(message: str) -> str:
    """Marks a sentence for translation; it is translated where it is shown."""
    return message


GONE: Final = _("The post was deleted.")
EDITED: Final = _("The post was edited after this was approved: look at both again.")
"""Why an approved reply was not published, of our own; platforms' reasons stand in their words."""


SENTIMENT: Final = {"negative": _("negative"), "neutral": _("neutral"), "positive": _("positive")}

INTENT: Final = {
    "complaint": _("complaint"),
    "question": _("question"),
    "praise": _("praise"),
    "lead": _("wants to buy"),
    "news": _("news"),
    "chatter": _("chatter"),
    "spam": _("spam"),
    "crisis": _("crisis"),
}

TONE: Final = {"warm": _("warm"), "brief": _("brief")}
GRAVE: Final = {
    "self-harm": _("self-harm"),
    "threat": _("threat"),
    "safety": _("safety"),
    "legal": _("legal"),
    "privacy": _("personal data"),
    "press": _("press"),
    "exposed": _("personal data in public"),
    "loud": _("very many readers"),
}

STATE: Final = {
    "waiting": _("waiting"),
    "claimed": _("claimed"),
    "snoozed": _("snoozed"),
    "answering": _("answer on its way"),
    "answered": _("answered"),
    "dismissed": _("dismissed"),
}

PART: Final = {
    "negativity": _("negative, {detail} sure"),
    "grave": _("grave: {detail}"),
    "complaint": _("a complaint"),
    "question": _("a question to us"),
    "lead": _("wants to buy"),
    "crisis": _("part of a crisis"),
    "reach": _("read by {detail}"),
    "repetition": _("not the first time ({detail} before)"),
    "storm": _("{detail} say the same"),
    "waiting": _("waiting for {detail} min"),
}

EVENT: Final = {
    "opened": _("Opened."),
    "heard": _("The author went on."),
    "claimed": _("{who} took it."),
    "released": _("{who} put it back."),
    "expired": _("The claim of {who} ran out."),
    "assigned": _("{who} gave it to {to}."),
    "snoozed": _("{who} put it to sleep until {until}."),
    "woke": _("It woke up."),
    "dismissed": _("{who} dismissed it: {text}"),
    "reopened": _("{who} opened it again."),
    "escalated": _("{who} escalated it to {called}. {text}"),
    "late": _("Late: it is the turn of {called}."),
    "noted": _("{who}: {text}"),
    "approved": _("{who} approved the reply."),
    "undone": _("{who} took the reply back."),
    "published": _("The reply was published."),
    "failed": _("The reply was not published: {text}"),
    "unknown": _("Nobody knows whether the reply was published: look at the platform."),
    "copied": _("{who} answered by hand. {text}"),
    "corrected": _("{who} corrected the sentiment to {now}."),
    "muted": _("{who} muted the author."),
    "unmuted": _("{who} lets the author open cases again."),
    "edited": _("The author changed the post."),
    "deleted": _("The author deleted the post."),
    "proposed": _("{who} asks for a second yes to the reply."),
    "seconded": _("{who} said yes to the reply."),
    "amended": _("{who} changed the reply before saying yes."),
    "sent back": _("{who} sent the reply back. {text}"),
    "handed over": _("{away} is away: it goes to {to}."),
    "put back": _("{away} is away: it is back in the queue."),
    "answered there": _("Answered in the platform's own app: {text}"),
}

MEDIA: Final = {"image": _("a picture"), "video": _("a film"), "audio": _("a recording"), "file": _("a file")}

IN_PERSON: Final = "in-person"
"""By telephone, by mail, by whoever knows: the case is handed to the places under `in_person`."""
DISMISSALS: Final = {
    "not-us": _("It is not about us"),
    "spam": _("Spam"),
    "solved": _("Solved already"),
    "no-answer": _("No answer would help"),
    IN_PERSON: _("Answered in person"),
}

ALERT: Final = {
    "grave": _("Grave: {reason}"),
    "late": _("Late for a first answer"),
    "escalated": _("Escalated by a colleague. {reason}"),
    "approval": _("A reply waits for a second yes."),
    "noted": _("A note for you. {reason}"),
}


def part(found: Part, t: Translator) -> str:
    """A reason for the priority, with its figure in words."""
    detail = found.detail
    if found.name == "grave":
        detail = t(GRAVE.get(detail, detail))
    elif found.name == "reach":
        detail = t.number(int(detail or 0))
    return t(PART.get(found.name, found.name), detail=detail)


def event(happened: CaseEvent, catalogue: Catalogue, t: Translator, zone: str) -> str:
    """What happened, in a sentence."""
    kind, detail = _kind(happened), happened.detail
    member = catalogue.members.get(happened.member_id)
    values = {
        "who": member.name if member else "Ascolto",
        "text": reason(happened.text, t) if kind == "dismissed" else happened.text,
        "to": name(detail.get("to", ""), catalogue, t),
        "away": name(detail.get("away", ""), catalogue, t),
        "called": ", ".join(name(slug, catalogue, t) for slug in detail.get("called", "").split(",")),
        "until": t.moment(datetime.fromisoformat(detail["until"]), zone) if "until" in detail else "",
        "now": t(SENTIMENT.get(detail.get("now", ""), detail.get("now", ""))),
    }
    said = t(EVENT[kind], **values).strip()
    passed = [name(slug, catalogue, t) for slug in detail.get("passed", "").split(",") if slug]
    return said + (" " + t("Not there: {members}.", members=", ".join(passed)) if passed else "")


def _kind(happened: CaseEvent) -> str:
    if happened.kind == "muted" and happened.detail.get("on") == "false":
        return "unmuted"
    return "put back" if happened.kind == "handed over" and "to" not in happened.detail else happened.kind


def reason(text: str, t: Translator) -> str:
    """Why a case was dismissed: one of the usual reasons, or a member's own words."""
    return t(DISMISSALS[text]) if text in DISMISSALS else text


def alert(kind: str, reason: str, t: Translator) -> str:
    """An alert's headline; a grave one names its kind in the reader's language and the words as they were said."""
    if kind == "grave":
        code, colon, words = reason.partition(": ")
        reason = t(GRAVE.get(code, code)) + (f" — “{words}”" if colon else "")
    return t(ALERT[kind], reason=reason).strip()


def media(kind: str, t: Translator) -> str:
    return t(MEDIA[kind])


def name(slug: str, catalogue: Catalogue, t: Callable[[str], str]) -> str:
    """A member's name, or everyone's."""
    found = catalogue.members.named(slug)
    return found[1].name if found else (slug or t(EVERYONE))


EVERYONE: Final = _("everyone")


def moved(words: Sequence[MovedBy]) -> str:
    """The words that moved the reader, the strongest first, each once, without the marks around them."""
    bare = (word.word.strip(".,;:!?\"'«»“”()") or word.word for word in words)
    return ", ".join(dict.fromkeys(bare))
