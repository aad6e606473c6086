"""Cards on Discord: embeds with buttons, with authors' text escaped, within the documented limits.

https://discord.com/developers/docs/resources/message#embed-object-embed-limits, https://discord.com/developers/docs/components/reference
"""

import re
from collections.abc import Sequence
from typing import Any, Final

from discord.utils import escape_mentions

from cards.case_view import CaseView
from cards.chat_views import AlertView, BacklogView, DigestView, HandoverView, View
from cards.outcome import Choice, Preview
from desk import buttons, card_text
from desk.buttons import Button
from desk.card_text import Markup
from languages import Translator
from models.text import one_line, safe_url
from publishing.suggestions import Suggestion

DESCRIPTION: Final = 4_000
LABEL: Final = 80
TITLE: Final = 100
TOKEN: Final = 100
"""Characters of a button's custom id."""
INPUT: Final = 2_000
MAX_URL: Final = 512
ROW_LENGTH: Final = 5
EDITOR: Final = "reply"
COLOURS: Final = {"negative": 0xD64545, "neutral": 0x8A8F98, "positive": 0x3C9A5F}

CHART: Final = "chart.png"

Body = dict[str, Any]


_MARKS: Final = re.compile(r"[\\*_~`|<>\[\]()#-]|(?<=\d)\.(?=\s)")
"""Whatever Discord might read as formatting, each escaped once."""


def safe(text: str) -> str:
    """Without mentions, formatting and disguised links."""
    return escape_mentions(_MARKS.sub(r"\\\g<0>", text))


MARKUP: Final = Markup(
    safe=safe,
    bold=lambda text: f"**{safe(text)}**",
    small=lambda text: f"-# {safe(text)}",
    quoted=lambda text, limit: "> " + safe(one_line(text, limit)),
    link=lambda text, url: f"{safe(text)}: {url}",
    ping=lambda name, identity: f"<@{identity}>" if identity.isdigit() else safe(name),
)


PLAIN: Final = Markup(
    safe=str, bold=str, small=str, quoted=one_line, link=lambda text, _url: text, ping=lambda name, _identity: name
)


def render(view: View, t: Translator) -> Body:
    """The body of a message."""
    if isinstance(view, DigestView):
        chart = {"image": {"url": f"attachment://{CHART}"}} if view.chart else {}
        return _body(_embed(card_text.digest(view, MARKUP, t), **chart), [])
    if isinstance(view, HandoverView):
        return _body(_embed(card_text.handover(view, MARKUP, t)), [])
    if isinstance(view, BacklogView):
        return _body(_embed(card_text.backlog(view, MARKUP, t)), [])
    if isinstance(view, AlertView):
        row = [*map(_button, buttons.for_alert(view, t)), *_open(view.case, t)]
        body = _body(_embed(card_text.alert(view, MARKUP, t), color=COLOURS["negative"]), row)
        # A mention within an embed notifies nobody.
        ids = [member.identity for member in view.notified if member.identity.isdigit()]
        return body | {"content": " ".join(f"<@{i}>" for i in ids), "allowed_mentions": {"parse": [], "users": ids}}
    lines = [
        card_text.head(view, MARKUP),
        MARKUP.small(card_text.tags(view, t)),
        *card_text.quotes(view, MARKUP, t),
        *card_text.status_lines(view, MARKUP, t),
    ]
    embed = _embed(lines, color=COLOURS[view.sentiment])
    if reasons := card_text.reasons(view, t):
        embed["footer"] = {"text": " · ".join(reasons)[:2_000]}
    return _body(embed, [*map(_button, buttons.for_card(view, t)), *_open(view, t)])


def title(view: View, t: Translator) -> str:
    """The title of a forum post."""
    if isinstance(view, CaseView):
        text = f"#{view.id} @{view.author}: {view.latest.text}"
    elif isinstance(view, AlertView):
        text = f"🚨 #{view.case.id} @{view.case.author}: {view.headline(t)}"
    else:
        text = _plain_lines(view, t)[0]
    return one_line(text, TITLE)


def _plain_lines(view: DigestView | BacklogView | HandoverView, t: Translator) -> list[str]:
    if isinstance(view, DigestView):
        return card_text.digest(view, PLAIN, t)
    return card_text.handover(view, PLAIN, t) if isinstance(view, HandoverView) else card_text.backlog(view, PLAIN, t)


def editor(case: int, text: str, channel: str, t: Translator) -> Body:
    """The modal in which a reply is written; what is submitted becomes a draft to review, and nothing more."""
    field = {
        "type": 4, "custom_id": "text", "style": 2, "label": t("Your reply")[:45], "value": text[:INPUT], "max_length": INPUT,
        "required": True,
    }  # fmt: skip
    return {
        "custom_id": f"{EDITOR}|{case}|{channel}",
        "title": t("Reply to #{case}", case=case)[:45],
        "components": [{"type": 1, "components": [field]}],
    }


def preview(shown: Preview, t: Translator) -> Body:
    """Exactly what would be published, in a code block where nothing is formatting, and the one button that publishes it.

    What cannot be shown whole cannot be approved here.
    """
    block = "```\n" + shown.text.replace("``", "`\u200b`\u200b") + "\n```"
    head, remarks = safe(card_text.preview_head(shown, t)), card_text.remarks(shown, MARKUP, t)
    lines, row = [head, block, *remarks], buttons.for_preview(shown, t)
    if len("\n".join(lines)) > DESCRIPTION:
        lines = [head, safe(card_text.too_long(t)), *remarks]
        row = [button for button in row if button.verb != "approve"]
    return _body(_embed(lines), [*map(_button, row)])


def choices(options: Sequence[Choice], case: int, message: str = "") -> Body:
    """The choices under their message."""
    return _body(_embed([safe(message) or f"#{case}"]), [*map(_button, buttons.for_choices(options, case)[:25])])


def suggestions(offered: Sequence[Suggestion], case: int, t: Translator) -> Body:
    """Each with its origin, and a row of numbers to choose by."""
    texts = [
        f"**{n}. {safe(card_text.origin(s, t))}**\n{safe(one_line(s.text, 300))}\n" for n, s in enumerate(offered, 1)
    ]
    return _body(_embed(texts), [*map(_button, buttons.for_suggestions(offered, case)[:25])])


def message(text: str) -> Body:
    return {"content": safe(text)[:2_000], "allowed_mentions": {"parse": []}}


def _button(button: Button) -> Body:
    return {
        "type": 2,
        "style": 1 if button.primary else 2,
        "label": button.label[:LABEL],
        "custom_id": button.token(TOKEN),
    }


def _open(case: CaseView, t: Translator) -> list[Body]:
    url = case.latest.url
    if not safe_url(url) or len(url) > MAX_URL:
        return []
    return [{"type": 2, "style": 5, "label": t("Open the post")[:LABEL], "url": url}]


def _embed(lines: Sequence[str], **more: Any) -> Body:
    return {"description": "\n".join(lines)[:DESCRIPTION], **more}


def _body(embed: Body, row: Sequence[Body]) -> Body:
    rows = [{"type": 1, "components": list(row[n : n + ROW_LENGTH])} for n in range(0, len(row), ROW_LENGTH)]
    return {"content": "", "embeds": [embed], "components": rows[:5], "allowed_mentions": {"parse": []}}
