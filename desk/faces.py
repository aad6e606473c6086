"""What every chat shows of a card, in the reader's words and not yet in the chat's own markup."""

from typing import Final

from languages import Translator
from models.desk import Verb
from triage import wording
from triage.card import Card


def _(message: str) -> str:
    return message


LABELS: Final[dict[Verb, str]] = {
    "claim": _("👀 Take it"),
    "release": _("Put it back"),
    "edit": _("✍️ Reply"),
    "suggest": _("💬 Suggestions"),
    "snooze": _("💤 Sleep"),
    "dismiss": _("🙈 Dismiss"),
    "escalate": _("⬆️ Escalate"),
    "assign": _("Hand over"),
    "undo": _("↩️ Take it back"),
    "reopen": _("Open it again"),
    "retry": _("🔁 Try again"),
    "published_by_hand": _("It is there"),
    "not_published": _("It is not there: publish it again"),
}
SIGNS: Final = {"negative": "🔴", "neutral": "⚪️", "positive": "🟢"}


def chips(card: Card, t: Translator) -> str:
    """What it is about, in a line: the grave first, the deadline last."""
    found = [t(wording.INTENT[card.intent]), *card.topics, t.name_of(card.language)]
    if card.followers:
        found.append(t.count("{n} follower", "{n} followers", card.followers))
    if card.grave:
        found.insert(0, t(wording.GRAVE[card.grave]))
    if card.state in ("waiting", "claimed"):
        found.append(("⏰ " if card.late else "⏳ ") + t.clock(card.due_at, card.zone))
    return " · ".join(found)


def standing(card: Card, t: Translator) -> tuple[str, str]:
    """The word for where it stands, and what belongs to it: who has it, until when it sleeps, why it ended."""
    word = t(wording.STATE[card.state])
    if card.holder_name:
        return word, f" · {card.holder_name}"
    if card.snoozed_until:
        return word, f" → {t.moment(card.snoozed_until, card.zone)}"
    return word, f": {wording.reason(card.ended_reason, t)}" if card.ended_reason else ""


def reasons(card: Card, t: Translator) -> list[str]:
    """Why it stands where it stands in the queue, and what moved the reader."""
    found = [", ".join(wording.part(part, t) for part in card.parts[:3])] if card.parts else []
    if card.latest.moved:
        found.append(t("The reader was moved by: {words}", words=wording.moved(card.latest.moved)))
    return found
