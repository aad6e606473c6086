"""How cards look on Slack: Block Kit, every word of a stranger's escaped, within the documented limits.

https://docs.slack.dev/reference/block-kit/blocks, https://docs.slack.dev/messaging/formatting-message-text#escaping
"""

from collections.abc import Sequence
from typing import Any, Final

from desk.faces import LABELS, SIGNS, chips, reasons, standing
from languages import Translator
from models.desk import Verb
from models.text import one_line
from triage import wording
from triage.card import Card, Said
from triage.desking import AlertView, Choice, DigestView, Preview, View
from triage.suggestions import Suggestion

SECTION: Final = 3_000
"""Characters of a section's text."""
INPUT: Final = 3_000
"""Characters that an editor begins with."""
QUOTE: Final = 1_200
LABEL: Final = 75
EDITOR: Final = "reply"
"""The callback id of the editor."""

Block = dict[str, Any]


FIRST: Final = frozenset({"claim", "edit", "approve"})
"""Buttons that are shown as the likely ones."""


def safe(text: str) -> str:
    """A stranger's words: no link, no mention, no channel, no formatting that they did not have as plain text."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def bare(text: str) -> str:
    """So too, and the characters that format are kept from doing so by an unseen space after them."""
    return "".join(f"{c}\u200b" if c in "*_~`" else c for c in safe(text))


def quoted(text: str, limit: int = QUOTE) -> str:
    """As a quote on one line, shorter where escaping makes it long."""
    found = bare(one_line(text, limit))
    return "> " + (found if len(found) <= 2 * QUOTE else bare(one_line(text, limit // 3)))


def render(view: View, t: Translator) -> tuple[list[Block], str]:
    """The blocks of a card, and the text for notifications."""
    if isinstance(view, DigestView):
        first, *rest = view.lines
        lines = "\n".join([f"*{safe(first)}*", *(f"• {safe(line)}" for line in rest)])
        return [_section(lines)], safe(first)
    if isinstance(view, AlertView):
        head = wording.alert(view.kind, view.reason, t)
        called = f"\n👉 {safe(', '.join(view.called))}" if view.called else ""
        text = f"🚨 *{safe(head)}*\n#{view.card.case} @{safe(view.card.author)}\n{quoted(view.card.latest.text, 300)}{called}"
        return [_section(text), _actions([button("claim", view.card.case, t)], view.card, t)], safe(head)
    blocks = [
        _section(_head(view)),
        _context(chips(view, t)),
        _section(_quotes(view.latest, t)),
        _section(_standing(view, t)),
    ]
    blocks += [_context(line) for line in reasons(view, t)]
    buttons = [button(verb, view.case, t) for verb in view.buttons]
    if buttons or view.latest.url:
        blocks.append(_actions(buttons, view, t))
    return blocks, f"#{view.case} @{bare(view.author)}: {bare(one_line(view.latest.text, 120))}"


def _head(card: Card) -> str:
    grave = "🚨 " if card.grave else ""
    storm = f" · ×{card.storm}" if card.storm > 1 else ""
    who = bare(one_line(card.author, 60))
    return f"{grave}{SIGNS[card.sentiment]} *#{card.case} @{who}* · {safe(card.platform)} · {safe(card.brand)}{storm}"


def _quotes(said: Said, t: Translator) -> str:
    if said.deleted:
        return f"_{safe(t('The author deleted this post.'))}_"
    lines = []
    if said.before:
        above = said.before[-1]
        words = t("to {author}: {text}", author=one_line(above.author, 40), text=one_line(above.text, 200))
        lines.append(quoted(words, 300))
    lines.append(quoted(said.text))
    if said.was:
        lines.append(safe(t("before the edit: {text}", text=one_line(said.was, 200))))
    if said.media:
        lines.append("📎 " + safe(one_line(", ".join(m.alt or wording.media(m.kind, t) for m in said.media[:4]), 200)))
    return "\n".join(lines)


def _standing(card: Card, t: Translator) -> str:
    """Where it stands: who has it, what became of the reply."""
    word, rest = standing(card, t)
    lines, reply = [f"*{safe(word)}*{safe(rest)}"], card.reply
    if reply is not None:
        lines.append(quoted(reply.text))
        if reply.state == "published" and reply.url.startswith(("http://", "https://")):
            lines.append(f"✅ <{safe(reply.url)}|{safe(t('see it there'))}>")
        if reply.error:
            lines.append(f"⚠️ {safe(one_line(reply.error, 300))}")
    notes = [event for event in card.events if event.kind == "noted"]
    return "\n".join([*lines, *(f"📝 {safe(one_line(note.text, 300))}" for note in notes[-1:])])


def editor(case: int, begin: str, chat: str, t: Translator) -> Block:
    """The window in which a reply is written; what it says becomes a draft to look at, and nothing more."""
    return {
        "type": "modal",
        "callback_id": EDITOR,
        "private_metadata": f"{case}|{chat}",
        "title": _plain(t("Reply to #{case}", case=case), 24),
        "submit": _plain(t("Look at it"), 24),
        "close": _plain(t("Cancel"), 24),
        "blocks": [
            {
                "type": "input",
                "block_id": "text",
                "label": _plain(t("Your reply")),
                "element": {
                    "type": "plain_text_input",
                    "action_id": "text",
                    "multiline": True,
                    "max_length": INPUT,
                    "initial_value": begin[:INPUT],
                },
            }
        ],
    }


def preview(shown: Preview, t: Translator) -> list[Block]:
    """Exactly what would be published, what the checks found, and the one button that publishes."""
    head = t("This would be published for #{case}:", case=shown.case)
    if not shown.can_publish:
        head = t("Ascolto cannot publish there for #{case}. Copy this, and open the post:", case=shown.case)
    blocks: list[Block] = [_section(safe(head))]
    # As plain text: nothing in it is read as formatting, so that what is approved is what is seen.
    blocks += [
        {"type": "section", "text": _plain(shown.text[n : n + SECTION], SECTION)}
        for n in range(0, len(shown.text), SECTION)
    ]
    remarks = [("⛔️ " if f.stops else "⚠️ ") + safe(f.said(t)) for f in shown.findings]
    if remarks:
        blocks.append(_section("\n".join(remarks)))
    edit = button("edit", shown.case, t)
    if not shown.can_publish:
        row = [_pressed("published_by_hand", t("I have answered there"), shown.case), edit]
    elif any(finding.stops for finding in shown.findings):
        row = [edit]
    else:
        approve = _pressed("approve", t("✅ Approve"), shown.case, reply=shown.reply, revision=shown.revision)
        row = [approve, edit]
    return [*blocks, {"type": "actions", "elements": row}]


def choices(found: Sequence[Choice], case: int) -> list[Block]:
    row = [_pressed(choice.verb, choice.label, case, choice.text, number=n) for n, choice in enumerate(found)]
    return [_section(f"#{case}"), {"type": "actions", "elements": row[:25]}]


def suggestions(found: Sequence[Suggestion], case: int) -> list[Block]:
    """Each with a button of its own."""
    blocks: list[Block] = []
    for n, one in enumerate(found[:10], 1):
        blocks.append(
            {
                "type": "section",
                "text": _plain(f"{n}. {one.code}\n{one_line(one.text, 600)}", SECTION),
                "accessory": _pressed("suggest", str(n), case, one.code, number=n),
            }
        )
    return blocks


def button(verb: Verb, case: int, t: Translator) -> Block:
    return _pressed(verb, t(LABELS[verb]), case)


def _pressed(
    verb: Verb,
    words: str,
    case: int,
    text: str = "",
    *,
    reply: int | None = None,
    revision: int | None = None,
    number: int = 0,
) -> Block:
    """Carries `verb|case|reply|revision|text`; the action id is told apart by the number within a row."""
    made: Block = {
        "type": "button",
        "action_id": f"{verb}:{number}",
        "text": _plain(words, LABEL),
        "value": f"{verb}|{case}|{reply or ''}|{revision or ''}|{text}"[:2000],
    }
    return made | ({"style": "primary"} if verb in FIRST else {})


def _actions(buttons: Sequence[Block], card: Card, t: Translator) -> Block:
    link = card.latest.url
    row = list(buttons)
    if link.startswith(("http://", "https://")) and len(link) <= SECTION:
        row.append({"type": "button", "action_id": "open", "text": _plain(t("open the post"), LABEL), "url": link})
    return {"type": "actions", "elements": row[:25]}


def _section(text: str) -> Block:
    return {"type": "section", "text": {"type": "mrkdwn", "text": text[:SECTION] or " ", "verbatim": True}}


def _context(text: str) -> Block:
    return {"type": "context", "elements": [_plain(text, SECTION)]}


def _plain(text: str, limit: int = 150) -> Block:
    return {"type": "plain_text", "text": text[:limit] or " ", "emoji": True}
