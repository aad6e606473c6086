"""Cards on Slack: Block Kit, with authors' text escaped, within the documented limits.

https://docs.slack.dev/reference/block-kit/blocks, https://docs.slack.dev/messaging/formatting-message-text#escaping
"""

from collections.abc import Sequence
from typing import Any, Final

from cards.case_view import CaseView
from cards.chat_views import AlertView, BacklogView, DigestView, HandoverView, View
from cards.outcome import Choice, Preview
from desk import buttons, card_text
from desk.buttons import Button
from desk.card_text import Markup
from languages import Translator
from models.text import one_line, safe_url
from publishing.suggestions import Suggestion

SECTION: Final = 3_000
"""Characters of a section's text."""
INPUT: Final = 3_000
"""Characters an editor can start with."""
LABEL: Final = 75
TOKEN: Final = 2_000
MAX_ELEMENTS: Final = 25
EDITOR: Final = "reply"
"""The callback id of the editor."""

Block = dict[str, Any]


def safe(text: str) -> str:
    """Without links, mentions and channels."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def unformatted(text: str) -> str:
    """Also without formatting: a zero-width space follows the characters that would format."""
    return "".join(f"{c}\u200b" if c in "*_~`" else c for c in safe(text))


def quoted(text: str, limit: int) -> str:
    """A quote on one line, shorter where escaping makes it long."""
    quote = unformatted(one_line(text, limit))
    return "> " + (quote if len(quote) <= 2 * limit else unformatted(one_line(text, limit // 3)))


MARKUP: Final = Markup(
    safe=unformatted,
    bold=lambda text: f"*{unformatted(text)}*",
    small=lambda text: f"_{unformatted(text)}_",
    quoted=quoted,
    link=lambda words, url: f"<{safe(url).replace('|', '%7C')}|{unformatted(words)}>",
    ping=lambda name, identity: f"<@{identity}>" if identity.isalnum() else unformatted(name),
)


def render(view: View, t: Translator) -> tuple[list[Block], str]:
    """The blocks of a card, and its text for notifications."""
    if isinstance(view, DigestView):
        return [_section(card_text.digest(view, MARKUP, t))], safe(view.lines[0])
    if isinstance(view, HandoverView):
        lines = card_text.handover(view, MARKUP, t)
        return [_section(lines)], lines[0]
    if isinstance(view, BacklogView):
        lines = card_text.backlog(view, MARKUP, t)
        return [_section(lines)], lines[0]
    if isinstance(view, AlertView):
        lines = card_text.alert(view, MARKUP, t)
        return [_section(lines), _row(buttons.for_alert(view, t), _open(view.case, t))], lines[0]
    blocks = [
        _section([card_text.head(view, MARKUP)]),
        _context(card_text.tags(view, t)),
        _section(card_text.quotes(view, MARKUP, t)),
        _section(card_text.status_lines(view, MARKUP, t)),
        *map(_context, card_text.reasons(view, t)),
    ]
    row, link = buttons.for_card(view, t), _open(view, t)
    if row or link:
        blocks.append(_row(row, link))
    return blocks, f"#{view.id} @{unformatted(view.author)}: {unformatted(one_line(view.latest.text, 120))}"


def editor(case: int, text: str, chat: str, t: Translator) -> Block:
    """The modal in which a reply is written; what is submitted becomes a draft to review, and nothing more."""
    return {
        "type": "modal",
        "callback_id": EDITOR,
        "private_metadata": f"{case}|{chat}",
        "title": _plain(t("Reply to #{case}", case=case), 24),
        "submit": _plain(t("Review"), 24),
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
                    "initial_value": text[:INPUT],
                },
            }
        ],
    }


def preview(shown: Preview, t: Translator) -> list[Block]:
    """Exactly what would be published, what the checks found, and the one button that publishes it."""
    blocks: list[Block] = [_section([unformatted(card_text.preview_head(shown, t))])]
    # As plain text: nothing in it is formatting, so that what is approved is what is seen.
    blocks += [
        {"type": "section", "text": _plain(shown.text[n : n + SECTION], SECTION)}
        for n in range(0, len(shown.text), SECTION)
    ]
    if remarks := card_text.remarks(shown, MARKUP, t):
        blocks.append(_section(remarks))
    return [*blocks, _row(buttons.for_preview(shown, t))]


def home(text: str) -> Block:
    """A member's home tab: a section for each paragraph."""
    parts = text.split("\n\n")
    return {"type": "home", "blocks": [{"type": "section", "text": _plain(part, SECTION)} for part in parts]}


def choices(options: Sequence[Choice], case: int, message: str = "") -> list[Block]:
    """The choices under their message, as plain text: it may contain text that is to be approved."""
    return [
        {"type": "section", "text": _plain(message or f"#{case}", SECTION)},
        _row(buttons.for_choices(options, case)),
    ]


def suggestions(offered: Sequence[Suggestion], case: int, t: Translator) -> list[Block]:
    """Each with a button of its own."""
    return [
        {
            "type": "section",
            "text": _plain(f"{n}. {card_text.origin(one, t)}\n{one_line(one.text, 600)}", SECTION),
            "accessory": _button(button, n),
        }
        for n, (one, button) in enumerate(zip(offered, buttons.for_suggestions(offered, case), strict=True), 1)
    ]


def _row(row: Sequence[Button], link: Sequence[Block] = ()) -> Block:
    elements = [*(_button(button, n) for n, button in enumerate(row)), *link]
    return {"type": "actions", "elements": elements[:MAX_ELEMENTS]}


def _button(button: Button, position: int) -> Block:
    """Action ids must differ within a row."""
    block: Block = {
        "type": "button",
        "action_id": f"{button.verb}:{position}",
        "text": _plain(button.label, LABEL),
        "value": button.token(TOKEN),
    }
    return block | ({"style": "primary"} if button.primary else {})


def _open(case: CaseView, t: Translator) -> list[Block]:
    url = case.latest.url
    if not safe_url(url) or len(url) > SECTION:
        return []
    return [{"type": "button", "action_id": "open", "text": _plain(t("Open the post"), LABEL), "url": url}]


def _section(lines: Sequence[str]) -> Block:
    text = "\n".join(lines)
    return {"type": "section", "text": {"type": "mrkdwn", "text": text[:SECTION] or " ", "verbatim": True}}


def _context(text: str) -> Block:
    return {"type": "context", "elements": [_plain(text, SECTION)]}


def _plain(text: str, limit: int = 150) -> Block:
    return {"type": "plain_text", "text": text[:limit] or " ", "emoji": True}
