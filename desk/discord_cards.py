"""How cards look on Discord: embeds with buttons, every word of a stranger's escaped, within the documented limits.

https://discord.com/developers/docs/resources/message#embed-object-embed-limits, https://discord.com/developers/docs/components/reference
"""

from collections.abc import Sequence
from typing import Any, Final

from discord.utils import escape_markdown, escape_mentions

from desk.faces import LABELS, SIGNS, chips, reasons, standing
from languages import Translator
from models.desk import Verb
from models.text import one_line
from triage import wording
from triage.card import Card, Said
from triage.desking import AlertView, Choice, DigestView, Preview, View
from triage.suggestions import Suggestion

DESCRIPTION: Final = 4_000
QUOTE: Final = 900
LABEL: Final = 80
TOKEN: Final = 100
"""Characters that a button carries."""
INPUT: Final = 2_000
A_ROW: Final = 5
EDITOR: Final = "reply"
COLOURS: Final = {"negative": 0xD64545, "neutral": 0x8A8F98, "positive": 0x3C9A5F}

Body = dict[str, Any]


def safe(text: str) -> str:
    """A stranger's words: no mention, no formatting, no link under other words."""
    return escape_mentions(escape_markdown(text)).replace("[", "\\[").replace("<", "\\<")


def quoted(text: str, limit: int = QUOTE) -> str:
    return "> " + safe(one_line(text, limit))


def render(view: View, t: Translator) -> Body:
    """The body of a message."""
    if isinstance(view, DigestView):
        first, *rest = view.lines
        text = "\n".join([f"**{safe(first)}**", *(f"• {safe(line)}" for line in rest)])
        return _body({"description": text[:DESCRIPTION]}, [])
    if isinstance(view, AlertView):
        head = safe(wording.alert(view.kind, view.reason, t))
        called = f"\n👉 {safe(', '.join(view.called))}" if view.called else ""
        text = (
            f"🚨 **{head}**\n#{view.card.case} @{safe(view.card.author)}\n{quoted(view.card.latest.text, 300)}{called}"
        )
        return _body(
            {"description": text, "color": COLOURS["negative"]},
            [button("claim", view.card.case, t), *_open(view.card, t)],
        )
    lines = [_head(view), f"-# {safe(chips(view, t))}", *_quotes(view.latest, t), *_standing(view, t)]
    embed: Body = {"description": "\n".join(lines)[:DESCRIPTION], "color": COLOURS[view.sentiment]}
    if why := reasons(view, t):
        embed["footer"] = {"text": " · ".join(why)[:2_000]}
    return _body(embed, [*(button(verb, view.case, t) for verb in view.buttons), *_open(view, t)])


def _head(card: Card) -> str:
    grave = "🚨 " if card.grave else ""
    storm = f" · ×{card.storm}" if card.storm > 1 else ""
    who = safe(one_line(card.author, 60))
    return f"{grave}{SIGNS[card.sentiment]} **#{card.case} @{who}** · {safe(card.platform)} · {safe(card.brand)}{storm}"


def _quotes(said: Said, t: Translator) -> list[str]:
    if said.deleted:
        return [f"*{safe(t('The author deleted this post.'))}*"]
    lines: list[str] = []
    if said.before:
        above = said.before[-1]
        words = t("to {author}: {text}", author=one_line(above.author, 40), text=one_line(above.text, 200))
        lines.append(f"-# {safe(words)}")
    lines.append(quoted(said.text))
    if said.was:
        lines.append("-# " + safe(t("before the edit: {text}", text=one_line(said.was, 200))))
    if said.media:
        lines.append("📎 " + safe(one_line(", ".join(m.alt or wording.media(m.kind, t) for m in said.media[:4]), 200)))
    return lines


def _standing(card: Card, t: Translator) -> list[str]:
    word, rest = standing(card, t)
    lines, reply = [f"**{safe(word)}**{safe(rest)}"], card.reply
    if reply is not None:
        lines.append(quoted(reply.text))
        if reply.state == "published" and reply.url.startswith(("http://", "https://")):
            lines.append(f"✅ {t('see it there')}: {reply.url}")
        if reply.error:
            lines.append(f"⚠️ {safe(one_line(reply.error, 300))}")
    notes = [event for event in card.events if event.kind == "noted"]
    return [*lines, *(f"📝 {safe(one_line(note.text, 300))}" for note in notes[-1:])]


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
    """Exactly what would be published, in a block in which nothing is formatting, and the one button that publishes."""
    head = t("This would be published for #{case}:", case=shown.case)
    if not shown.can_publish:
        head = t("Ascolto cannot publish there for #{case}. Copy this, and open the post:", case=shown.case)
    remarks = [("⛔️ " if f.stops else "⚠️ ") + safe(f.said(t)) for f in shown.findings]
    block = "```\n" + shown.text.replace("```", "``\u200b`") + "\n```"
    text = "\n".join([safe(head), block, *remarks])
    edit = button("edit", shown.case, t)
    if not shown.can_publish:
        row = [_pressed("published_by_hand", t("I have answered there"), shown.case), edit]
    elif any(finding.stops for finding in shown.findings):
        row = [edit]
    else:
        row = [_pressed("approve", t("✅ Approve"), shown.case, reply=shown.reply, revision=shown.revision), edit]
    return _body({"description": text[:DESCRIPTION]}, row)


def choices(found: Sequence[Choice], case: int) -> Body:
    return _body({"description": f"#{case}"}, [_pressed(c.verb, c.label, case, c.text) for c in found[:25]])


def suggestions(found: Sequence[Suggestion], case: int) -> Body:
    """Each with its code, and a row of numbers to choose by."""
    texts = [f"**{n}. {safe(s.code)}**\n{safe(one_line(s.text, 300))}" for n, s in enumerate(found, 1)]
    row = [_pressed("suggest", str(n), case, s.code) for n, s in enumerate(found, 1)]
    return _body({"description": "\n\n".join(texts)[:DESCRIPTION]}, row[:25])


def said(text: str) -> Body:
    return {"content": safe(text)[:2_000], "allowed_mentions": {"parse": []}}


def button(verb: Verb, case: int, t: Translator) -> Body:
    return _pressed(verb, t(LABELS[verb]), case)


def _pressed(
    verb: Verb, words: str, case: int, text: str = "", *, reply: int | None = None, revision: int | None = None
) -> Body:
    """Carries `verb|case|reply|revision|text`."""
    token = f"{verb}|{case}|{reply or ''}|{revision or ''}|{text}"[:TOKEN]
    return {
        "type": 2,
        "style": 1 if verb in ("claim", "edit", "approve") else 2,
        "label": words[:LABEL],
        "custom_id": token,
    }


def _open(card: Card, t: Translator) -> list[Body]:
    url = card.latest.url
    if not url.startswith(("http://", "https://")) or len(url) > 512:
        return []
    return [{"type": 2, "style": 5, "label": t("open the post")[:LABEL], "url": url}]


def _body(embed: Body, buttons: Sequence[Body]) -> Body:
    rows = [{"type": 1, "components": list(buttons[n : n + A_ROW])} for n in range(0, len(buttons), A_ROW)]
    return {"content": "", "embeds": [embed], "components": rows[:5], "allowed_mentions": {"parse": []}}
