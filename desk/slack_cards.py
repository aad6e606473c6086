"""How cards look on Slack: Block Kit, every word of a stranger's escaped, within the documented limits.

https://docs.slack.dev/reference/block-kit/blocks, https://docs.slack.dev/messaging/formatting-message-text#escaping
"""

from collections.abc import Sequence
from typing import Any, Final

from desk import buttons, faces
from desk.buttons import Button
from desk.faces import Markup
from languages import Translator
from models.text import one_line
from triage.card import Card
from triage.desking import Choice, Preview
from triage.suggestions import Suggestion
from triage.viewing import AlertView, BacklogView, DigestView, HandedView, View

SECTION: Final = 3_000
"""Characters of a section's text."""
INPUT: Final = 3_000
"""Characters that an editor begins with."""
LABEL: Final = 75
TOKEN: Final = 2_000
A_ROW: Final = 25
EDITOR: Final = "reply"
"""The callback id of the editor."""

Block = dict[str, Any]


def safe(text: str) -> str:
    """No link, no mention, no channel."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def bare(text: str) -> str:
    """So too, and the characters that format are kept from doing so by an unseen space after them."""
    return "".join(f"{c}\u200b" if c in "*_~`" else c for c in safe(text))


def quoted(text: str, limit: int) -> str:
    """As a quote on one line, shorter where escaping makes it long."""
    found = bare(one_line(text, limit))
    return "> " + (found if len(found) <= 2 * limit else bare(one_line(text, limit // 3)))


MARKUP: Final = Markup(
    safe=bare,
    bold=lambda text: f"*{bare(text)}*",
    small=lambda text: f"_{bare(text)}_",
    quoted=quoted,
    link=lambda words, url: f"<{safe(url).replace('|', '%7C')}|{bare(words)}>",
    ping=lambda name, identity: f"<@{identity}>" if identity.isalnum() else bare(name),
)


def render(view: View, t: Translator) -> tuple[list[Block], str]:
    """The blocks of a card, and the text for notifications."""
    if isinstance(view, DigestView):
        return [_section(faces.digest(view, MARKUP, t))], safe(view.lines[0])
    if isinstance(view, HandedView):
        told = faces.handed(view, MARKUP, t)
        return [_section(told)], told[0]
    if isinstance(view, BacklogView):
        lines = faces.backlog(view, MARKUP, t)
        return [_section(lines)], lines[0]
    if isinstance(view, AlertView):
        lines = faces.alert(view, MARKUP, t)
        return [_section(lines), _row(buttons.on_alert(view, t), _open(view.card, t))], lines[0]
    blocks = [
        _section([faces.head(view, MARKUP)]),
        _context(faces.chips(view, t)),
        _section(faces.quotes(view, MARKUP, t)),
        _section(faces.standing(view, MARKUP, t)),
        *map(_context, faces.reasons(view, t)),
    ]
    pressable, link = buttons.on_card(view, t), _open(view, t)
    if pressable or link:
        blocks.append(_row(pressable, link))
    return blocks, f"#{view.case} @{bare(view.author)}: {bare(one_line(view.latest.text, 120))}"


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
    blocks: list[Block] = [_section([bare(faces.preview_head(shown, t))])]
    # As plain text: nothing in it is read as formatting, so that what is approved is what is seen.
    blocks += [
        {"type": "section", "text": _plain(shown.text[n : n + SECTION], SECTION)}
        for n in range(0, len(shown.text), SECTION)
    ]
    if remarks := faces.remarks(shown, MARKUP, t):
        blocks.append(_section(remarks))
    return [*blocks, _row(buttons.on_preview(shown, t))]


def home(said: str) -> Block:
    """A member's own tab: a section for each paragraph."""
    parts = said.split("\n\n")
    return {"type": "home", "blocks": [{"type": "section", "text": _plain(part, SECTION)} for part in parts]}


def choices(found: Sequence[Choice], case: int, said: str = "") -> list[Block]:
    """The ways to go on, under what there is to say of them, as plain text: it may hold words that are to be approved."""
    return [{"type": "section", "text": _plain(said or f"#{case}", SECTION)}, _row(buttons.of_choices(found, case))]


def suggestions(found: Sequence[Suggestion], case: int, t: Translator) -> list[Block]:
    """Each with a button of its own."""
    return [
        {
            "type": "section",
            "text": _plain(f"{n}. {faces.origin(one, t)}\n{one_line(one.text, 600)}", SECTION),
            "accessory": _button(button, n),
        }
        for n, (one, button) in enumerate(zip(found, buttons.of_suggestions(found, case), strict=True), 1)
    ]


def _row(found: Sequence[Button], link: Sequence[Block] = ()) -> Block:
    elements = [*(_button(button, n) for n, button in enumerate(found)), *link]
    return {"type": "actions", "elements": elements[:A_ROW]}


def _button(button: Button, place: int) -> Block:
    """The action id is told apart by the place within a row."""
    made: Block = {
        "type": "button",
        "action_id": f"{button.verb}:{place}",
        "text": _plain(button.words, LABEL),
        "value": button.token(TOKEN),
    }
    return made | ({"style": "primary"} if button.verb in buttons.LIKELY else {})


def _open(card: Card, t: Translator) -> list[Block]:
    url = card.latest.url
    if not url.startswith(("http://", "https://")) or len(url) > SECTION:
        return []
    return [{"type": "button", "action_id": "open", "text": _plain(t("open the post"), LABEL), "url": url}]


def _section(lines: Sequence[str]) -> Block:
    text = "\n".join(lines)
    return {"type": "section", "text": {"type": "mrkdwn", "text": text[:SECTION] or " ", "verbatim": True}}


def _context(text: str) -> Block:
    return {"type": "context", "elements": [_plain(text, SECTION)]}


def _plain(text: str, limit: int = 150) -> Block:
    return {"type": "plain_text", "text": text[:limit] or " ", "emoji": True}
