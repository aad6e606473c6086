"""What a member can press or react with on any chat, and what comes back when they do.

A button carries a token, `verb|case|reply|revision|text`, so that those of before a restart work after it.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final, cast, get_args

import msgspec

from languages import Translator
from models.desk import Action, Verb
from triage.card import Card
from triage.desking import Choice, Outcome, Preview
from triage.suggestions import Suggestion
from triage.viewing import AlertView


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
    "review": _("👁 Look, then say yes"),
    "send_back": _("↩️ Send it back"),
    "mute_alert": _("🔕 Mute this"),
}
LIKELY: Final = frozenset({"claim", "edit", "approve", "review"})
"""Shown as the ones to press."""
REACTIONS: Final[Mapping[str, tuple[Verb, str]]] = {
    "👀": ("claim", ""),
    "✅": ("published_by_hand", ""),
    "🙈": ("dismiss", "not-us"),
    "💤": ("snooze", "60"),
    "👍": ("correct", "positive"),
    "👎": ("correct", "negative"),
}
TOLD: Final = frozenset(
    {
        "approve", "note", "help", "correct", "snooze", "dismiss", "published_by_hand", "undo", "send_back", "unmute_alert",
        "answer_storm", "mine", "next", "quiet", "away",
    }
)  # fmt: skip
"""What is confirmed in words to who did it; the rest is seen on the card."""


class Button(msgspec.Struct, frozen=True, kw_only=True):
    words: str
    verb: Verb
    case: int
    text: str = ""
    reply: int | None = None
    revision: int | None = None

    def token(self, limit: int) -> str:
        """In at most `limit` bytes; only the text is cut."""
        begin = f"{self.verb}|{self.case}|{self.reply or ''}|{self.revision or ''}|"
        return begin + self.text.encode()[: max(limit - len(begin), 0)].decode(errors="ignore")


def _labelled(verb: Verb, case: int, t: Translator) -> Button:
    return Button(words=t(LABELS[verb]), verb=verb, case=case)


def on_card(card: Card, t: Translator) -> list[Button]:
    return [_labelled(verb, card.case, t) for verb in card.buttons]


def on_alert(view: AlertView, t: Translator) -> list[Button]:
    if view.kind == "approval":
        return [_labelled("review", view.card.case, t)] if view.card.proposal else []
    take = [_labelled("claim", view.card.case, t)] if "claim" in view.card.buttons else []
    mute = msgspec.structs.replace(_labelled("mute_alert", view.card.case, t), text=view.pattern)
    return [*take, mute] if view.pattern else take


def on_preview(shown: Preview, t: Translator) -> list[Button]:
    """The one button that publishes stands here, under the whole text and nowhere else."""
    edit = _labelled("edit", shown.case, t)
    if not shown.can_publish:
        return [Button(words=t("I have answered there"), verb="published_by_hand", case=shown.case), edit]
    if shown.proposed and not shown.may_second:
        return [_labelled("undo", shown.case, t)]
    back = [_labelled("send_back", shown.case, t)] if shown.proposed else []
    if any(finding.stops for finding in shown.findings):
        return [edit, *back]
    asks = shown.wanted and not shown.may_second
    approve = Button(
        words=t("🙋 Ask for a second yes") if asks else t("✅ Approve"),
        verb="approve",
        case=shown.case,
        reply=shown.reply,
        revision=shown.revision,
    )
    return [approve, edit, *back]


def of_choices(found: Sequence[Choice], case: int) -> list[Button]:
    return [Button(words=one.label, verb=one.verb, case=case, text=one.text) for one in found]


def of_suggestions(found: Sequence[Suggestion], case: int) -> list[Button]:
    """A row of numbers to choose by."""
    return [Button(words=str(n), verb="suggest", case=case, text=one.code) for n, one in enumerate(found, 1)]


def pressed(token: str, **place: Any) -> Action | None:
    """The action that a token stands for, at a `place` (the other fields of an Action); None for one that is none of ours."""
    verb, *rest = token.split("|", 4)
    if verb not in get_args(Verb) or len(rest) != 4:
        return None
    case, reply, revision, text = rest
    return Action(
        verb=cast("Verb", verb), case=number(case), reply=number(reply), revision=number(revision), text=text, **place
    )


def number(text: str) -> int | None:
    """A row's number as one of our tokens carries it."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 16 else None


def is_told(action: Action, outcome: Outcome) -> bool:
    """Whether what came of it is said in words to who did it."""
    return bool(outcome.said) and (outcome.refused or action.verb in TOLD)
