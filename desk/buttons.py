"""The buttons of cards, alerts and previews on any chat, and the actions they stand for.

A button carries a token, `verb|case|reply|revision|text`, so that buttons from before a restart work after it.
"""

from collections.abc import Sequence
from typing import Any

import msgspec

from actions.table import ACTIONS, on_card
from cards.case_view import CaseView
from cards.chat_views import AlertView
from cards.outcome import Choice, Preview
from languages import Translator
from models.tables.action import Action
from publishing.suggestions import Suggestion

MAX_CHOICES = 8
"""Buttons under one message."""


class Button(msgspec.Struct, frozen=True, kw_only=True):
    label: str
    verb: str
    case: int
    text: str = ""
    reply: int | None = None
    revision: int | None = None

    @property
    def primary(self) -> bool:
        return ACTIONS[self.verb].primary

    def token(self, limit: int) -> str:
        """In at most `limit` bytes; only the text is cut."""
        head = f"{self.verb}|{self.case}|{self.reply or ''}|{self.revision or ''}|"
        return head + self.text.encode()[: max(limit - len(head), 0)].decode(errors="ignore")


def _button(verb: str, case: int, t: Translator, text: str = "") -> Button:
    return Button(label=ACTIONS[verb].button(t), verb=verb, case=case, text=text)


def for_card(case: CaseView, t: Translator) -> list[Button]:
    return [_button(spec.verb, case.id, t) for spec in on_card(case.stage)]


def for_alert(view: AlertView, t: Translator) -> list[Button]:
    if view.kind == "approval":
        return [_button("review", view.case.id, t)] if view.case.proposal else []
    claimable = any(spec.verb == "claim" for spec in on_card(view.case.stage))
    claim = [_button("claim", view.case.id, t)] if claimable else []
    return [*claim, _button("mute_alert", view.case.id, t, str(view.id))] if view.severity else claim


def for_preview(preview: Preview, t: Translator) -> list[Button]:
    """The one button that publishes is here, under the whole text and nowhere else."""
    edit = _button("edit", preview.case, t)
    if not preview.can_publish:
        return [_button("mark_answered", preview.case, t), edit]
    if preview.proposed and not preview.can_approve:
        return [_button("undo", preview.case, t)]
    back = [_button("send_back", preview.case, t)] if preview.proposed else []
    if any(finding.blocks for finding in preview.findings):
        return [edit, *back]
    needs_approval = preview.required_approvals and not preview.can_approve
    approve = Button(
        label=t("🙋 Request approval") if needs_approval else ACTIONS["approve"].button(t),
        verb="approve",
        case=preview.case,
        reply=preview.reply,
        revision=preview.revision,
    )
    return [approve, edit, *back]


def for_choices(choices: Sequence[Choice], case: int) -> list[Button]:
    return [
        Button(label=choice.label, verb=choice.verb, case=case, text=choice.text) for choice in choices[:MAX_CHOICES]
    ]


def for_suggestions(suggestions: Sequence[Suggestion], case: int) -> list[Button]:
    """A row of numbers to choose by."""
    return [Button(label=str(n), verb="suggest", case=case, text=one.code) for n, one in enumerate(suggestions, 1)]


def parse_token(token: str, **fields: Any) -> Action | None:
    """The action of a button's token, with the other `fields` of an Action; None for a token that is not ours."""
    verb, *rest = token.split("|", 4)
    if verb not in ACTIONS or len(rest) != 4:
        return None
    case, reply, revision, text = rest
    return Action(verb=verb, case=_row_id(case), reply=_row_id(reply), revision=_row_id(revision), text=text, **fields)


def _row_id(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 16 else None
