"""How cards look on Discord: embeds with buttons, every word of a stranger's escaped, within the documented limits.

https://discord.com/developers/docs/resources/message#embed-object-embed-limits, https://discord.com/developers/docs/components/reference
"""

from collections.abc import Sequence
from typing import Any, Final

from discord.utils import escape_markdown, escape_mentions

from desk import buttons, faces
from desk.buttons import Button
from desk.faces import Markup
from languages import Translator
from models.text import one_line
from triage import wording
from triage.card import Card
from triage.desking import Choice, Preview
from triage.suggestions import Suggestion
from triage.viewing import AlertView, BacklogView, DigestView, HandedView, View

DESCRIPTION: Final = 4_000
LABEL: Final = 80
TITLE: Final = 100
TOKEN: Final = 100
"""Characters that a button carries."""
INPUT: Final = 2_000
A_ROW: Final = 5
EDITOR: Final = "reply"
COLOURS: Final = {"negative": 0xD64545, "neutral": 0x8A8F98, "positive": 0x3C9A5F}

CHART: Final = "chart.png"

Body = dict[str, Any]


def safe(text: str) -> str:
    """No mention, no formatting, no link under other words."""
    return escape_mentions(escape_markdown(text)).replace("[", "\\[").replace("<", "\\<")


MARKUP: Final = Markup(
    safe=safe,
    bold=lambda text: f"**{safe(text)}**",
    small=lambda text: f"-# {safe(text)}",
    quoted=lambda text, limit: "> " + safe(one_line(text, limit)),
    link=lambda words, url: f"{safe(words)}: {url}",
    ping=lambda name, identity: f"<@{identity}>" if identity.isdigit() else safe(name),
)


PLAIN: Final = Markup(
    safe=str, bold=str, small=str, quoted=one_line, link=lambda words, _url: words, ping=lambda name, _identity: name
)


def render(view: View, t: Translator) -> Body:
    """The body of a message."""
    if isinstance(view, DigestView):
        chart = {"image": {"url": f"attachment://{CHART}"}} if view.chart else {}
        return _body(_embed(faces.digest(view, MARKUP, t), **chart), [])
    if isinstance(view, HandedView):
        return _body(_embed(faces.handed(view, MARKUP, t)), [])
    if isinstance(view, BacklogView):
        return _body(_embed(faces.backlog(view, MARKUP, t)), [])
    if isinstance(view, AlertView):
        row = [*map(_button, buttons.on_alert(view, t)), *_open(view.card, t)]
        body = _body(_embed(faces.alert(view, MARKUP, t), color=COLOURS["negative"]), row)
        # What stands in an embed calls nobody.
        who = [called.identity for called in view.called if called.identity.isdigit()]
        return body | {"content": " ".join(f"<@{one}>" for one in who), "allowed_mentions": {"parse": [], "users": who}}
    lines = [
        faces.head(view, MARKUP),
        MARKUP.small(faces.chips(view, t)),
        *faces.quotes(view, MARKUP, t),
        *faces.standing(view, MARKUP, t),
    ]
    embed = _embed(lines, color=COLOURS[view.sentiment])
    if why := faces.reasons(view, t):
        embed["footer"] = {"text": " · ".join(why)[:2_000]}
    return _body(embed, [*map(_button, buttons.on_card(view, t)), *_open(view, t)])


def title(view: View, t: Translator) -> str:
    """Of a post in a forum."""
    if isinstance(view, Card):
        found = f"#{view.case} @{view.author}: {view.latest.text}"
    elif isinstance(view, AlertView):
        found = f"🚨 #{view.card.case} @{view.card.author}: {wording.alert(view.kind, view.reason, t)}"
    else:
        found = _plain_face(view, t)[0]
    return one_line(found, TITLE)


def _plain_face(view: DigestView | BacklogView | HandedView, t: Translator) -> list[str]:
    if isinstance(view, DigestView):
        return faces.digest(view, PLAIN, t)
    return faces.handed(view, PLAIN, t) if isinstance(view, HandedView) else faces.backlog(view, PLAIN, t)


def editor(case: int, begin: str, channel: str, t: Translator) -> Body:
    """The window in which a reply is written; what it says becomes a draft to look at, and nothing more."""
    field = {
        "type": 4, "custom_id": "text", "style": 2, "label": t("Your reply")[:45], "value": begin[:INPUT], "max_length": INPUT,
        "required": True,
    }  # fmt: skip
    return {
        "custom_id": f"{EDITOR}|{case}|{channel}",
        "title": t("Reply to #{case}", case=case)[:45],
        "components": [{"type": 1, "components": [field]}],
    }


def preview(shown: Preview, t: Translator) -> Body:
    """Exactly what would be published, in a block in which nothing is formatting, and the one button that publishes; what
    cannot be shown whole cannot be approved here."""
    block = "```\n" + shown.text.replace("``", "`\u200b`\u200b") + "\n```"
    head, remarks = safe(faces.preview_head(shown, t)), faces.remarks(shown, MARKUP, t)
    lines, row = [head, block, *remarks], buttons.on_preview(shown, t)
    if len("\n".join(lines)) > DESCRIPTION:
        lines = [head, safe(faces.too_long(t)), *remarks]
        row = [button for button in row if button.verb != "approve"]
    return _body(_embed(lines), [*map(_button, row)])


def choices(found: Sequence[Choice], case: int, said: str = "") -> Body:
    """The ways to go on, under what there is to say of them."""
    return _body(_embed([safe(said) or f"#{case}"]), [*map(_button, buttons.of_choices(found, case)[:25])])


def suggestions(found: Sequence[Suggestion], case: int, t: Translator) -> Body:
    """Each with its code, and a row of numbers to choose by."""
    texts = [f"**{n}. {safe(faces.origin(s, t))}**\n{safe(one_line(s.text, 300))}\n" for n, s in enumerate(found, 1)]
    return _body(_embed(texts), [*map(_button, buttons.of_suggestions(found, case)[:25])])


def said(text: str) -> Body:
    return {"content": safe(text)[:2_000], "allowed_mentions": {"parse": []}}


def _button(button: Button) -> Body:
    return {
        "type": 2,
        "style": 1 if button.verb in buttons.LIKELY else 2,
        "label": button.words[:LABEL],
        "custom_id": button.token(TOKEN),
    }


def _open(card: Card, t: Translator) -> list[Body]:
    url = card.latest.url
    if not url.startswith(("http://", "https://")) or len(url) > 512:
        return []
    return [{"type": 2, "style": 5, "label": t("open the post")[:LABEL], "url": url}]


def _embed(lines: Sequence[str], **more: Any) -> Body:
    return {"description": "\n".join(lines)[:DESCRIPTION], **more}


def _body(embed: Body, row: Sequence[Body]) -> Body:
    rows = [{"type": 1, "components": list(row[n : n + A_ROW])} for n in range(0, len(row), A_ROW)]
    return {"content": "", "embeds": [embed], "components": rows[:5], "allowed_mentions": {"parse": []}}
