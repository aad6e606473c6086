"""How cards look on Telegram: its HTML, with every word of a stranger's escaped, and the buttons under it.

https://core.telegram.org/bots/api#html-style, https://core.telegram.org/bots/api#inlinekeyboardbutton
"""

from collections.abc import Sequence
from html import escape
from typing import Final

from telegram import InlineKeyboardButton, InlineKeyboardMarkup

from desk.faces import LABELS, SIGNS, chips, reasons, standing
from languages import Translator
from models.desk import Verb
from models.text import one_line
from triage import wording
from triage.card import Card, Said
from triage.desking import AlertView, Choice, DigestView, Preview, View
from triage.suggestions import Suggestion

LONGEST: Final = 4096
"""Characters of a message."""
TOKEN: Final = 64
"""Bytes of what a button carries."""
QUOTE: Final = 900
WITH_HEAD: Final = 3000
"""Characters of a reply that stand in one message with what is said of it."""


def label(verb: Verb, t: Translator) -> str:
    return t(LABELS[verb])


def render(view: View, t: Translator) -> tuple[str, InlineKeyboardMarkup | None]:
    """A card as Telegram's HTML with its buttons; every word of a stranger's is escaped."""
    if isinstance(view, DigestView):
        first, *rest = view.lines
        return "\n".join([f"<b>{escape(first)}</b>", *(f"• {escape(line)}" for line in rest)]), None
    if isinstance(view, AlertView):
        return _alert(view, t), _alert_buttons(view.card, t)
    return _card(view, t), _buttons(view, t)


def _card(card: Card, t: Translator) -> str:
    lines = [_head(card), escape(chips(card, t)), "", *_quotes(card, t), *_standing(card, t)]
    if why := reasons(card, t):
        lines += ["", *(f"<i>{escape(line)}</i>" for line in why)]
    return "\n".join(lines)


def _head(card: Card) -> str:
    grave = "🚨 " if card.grave else ""
    storm = f" · ×{card.storm}" if card.storm > 1 else ""
    who = escape(one_line(card.author, 60))
    return f"{grave}{SIGNS[card.sentiment]} <b>#{card.case} @{who}</b> · {escape(card.platform)} · {escape(card.brand)}{storm}"


def _quotes(card: Card, t: Translator) -> list[str]:
    last = card.said[-1]
    before = t.count("{n} earlier post of theirs", "{n} earlier posts of theirs", len(card.said) - 1)
    text = t("The author deleted this post.") if last.deleted else one_line(last.text, QUOTE)
    lines = [*([f"<i>{escape(before)}</i>"] if len(card.said) > 1 else []), *_above(last, t)]
    lines.append(f"<blockquote>{escape(text)}</blockquote>")
    if last.was and not last.deleted:
        lines.append("<i>" + escape(t("before the edit: {text}", text=one_line(last.was, 200))) + "</i>")
    if last.media and not last.deleted:
        shown = (media.alt or wording.media(media.kind, t) for media in last.media[:4])
        lines.append("📎 " + escape(one_line(", ".join(shown), 200)))
    return lines


def _above(said: Said, t: Translator) -> list[str]:
    """What it answers, in a line."""
    if not said.before:
        return []
    above = said.before[-1]
    words = t("to {author}: {text}", author=one_line(above.author, 40), text=one_line(above.text, 200))
    return [f"<i>{escape(words)}</i>"]


def _standing(card: Card, t: Translator) -> list[str]:
    """Where it stands: who has it, what became of the reply, the last note."""
    lines = [_state(card, t)]
    reply = card.reply
    if reply is not None:
        lines.append(f"<blockquote>{escape(one_line(reply.text, QUOTE))}</blockquote>")
        if reply.state == "published" and reply.url:
            lines.append(f'✅ <a href="{escape(reply.url, quote=True)}">{escape(t("see it there"))}</a>')
        if reply.error:
            lines.append(f"⚠️ {escape(one_line(reply.error, 300))}")
    notes = [event for event in card.events if event.kind == "noted"]
    return [*lines, *(f"📝 {escape(one_line(note.text, 300))}" for note in notes[-1:])]


def _state(card: Card, t: Translator) -> str:
    word, rest = standing(card, t)
    return f"<b>{escape(word)}</b>{escape(rest)}"


def _alert(view: AlertView, t: Translator) -> str:
    called_names = f"\n👉 {escape(', '.join(view.called))}" if view.called else ""
    text = one_line(view.card.latest.text, 300)
    return (
        f"🚨 <b>{escape(wording.alert(view.kind, view.reason, t))}</b>\n#{view.card.case} @{escape(view.card.author)}"
        f"\n<blockquote>{escape(text)}</blockquote>{called_names}"
    )


def _buttons(card: Card, t: Translator) -> InlineKeyboardMarkup | None:
    buttons = [button(label(verb, t), verb, card.case) for verb in card.buttons]
    link = _open(card, t)
    rows = [buttons[n : n + 2] for n in range(0, len(buttons), 2)]
    return InlineKeyboardMarkup([*rows, *([[link]] if link else [])]) if rows or link else None


def _alert_buttons(card: Card, t: Translator) -> InlineKeyboardMarkup:
    link = _open(card, t)
    rows: Sequence[Sequence[InlineKeyboardButton]] = [
        [button(label("claim", t), "claim", card.case)],
        *([[link]] if link else []),
    ]
    return InlineKeyboardMarkup(rows)


def _open(card: Card, t: Translator) -> InlineKeyboardButton | None:
    """Telegram refuses a whole card for one address that it does not like, such as one inside our own network."""
    url = card.latest.url
    public = url.startswith("https://") and "." in url.split("/")[2]
    return InlineKeyboardButton(t("open the post"), url=url) if public else None


def preview(shown: Preview, t: Translator) -> tuple[str, InlineKeyboardMarkup]:
    """Exactly what would be published, what the checks found, and the one button that publishes."""
    remarks = [("⛔️ " if f.stops else "⚠️ ") + escape(f.said(t)) for f in shown.findings]
    head = t("This would be published for #{case}:", case=shown.case)
    if not shown.can_publish:
        head = t("Ascolto cannot publish there for #{case}. Copy this, and open the post:", case=shown.case)
    text = "\n".join([escape(head), *_whole(shown.text), *remarks])
    return text, InlineKeyboardMarkup([_preview_row(shown, t)])


def _whole(text: str) -> list[str]:
    """The text as a quote; one too long for a message with a head stands alone in the message before."""
    return [f"<blockquote>{escape(text)}</blockquote>"] if len(text) <= WITH_HEAD else ["⬆️"]


def _preview_row(shown: Preview, t: Translator) -> list[InlineKeyboardButton]:
    edit = button(label("edit", t), "edit", shown.case)
    if not shown.can_publish:
        return [button(t("I have answered there"), "published_by_hand", shown.case), edit]
    if any(finding.stops for finding in shown.findings):
        return [edit]
    return [button(t("✅ Approve"), "approve", shown.case, reply=shown.reply, revision=shown.revision), edit]


def suggestions(found: Sequence[Suggestion], case: int) -> tuple[str, InlineKeyboardMarkup]:
    """Each with its code, and a row of numbers to choose by."""
    texts = [f"<b>{n}. {escape(s.code)}</b>\n{escape(one_line(s.text, 300))}" for n, s in enumerate(found, 1)]
    row = [button(str(n), "suggest", case, s.code) for n, s in enumerate(found, 1)]
    return "\n\n".join(texts), InlineKeyboardMarkup([row])


def choices(found: Sequence[Choice], case: int) -> tuple[str, InlineKeyboardMarkup]:
    return f"#{case}", InlineKeyboardMarkup(
        [[button(choice.label, choice.verb, case, choice.text)] for choice in found]
    )


def button(
    words: str, verb: Verb, case: int, text: str = "", reply: int | None = None, revision: int | None = None
) -> InlineKeyboardButton:
    """Carries a token, not JSON: `verb|case|reply|revision|text`."""
    begin = f"{verb}|{case}|{reply or ''}|{revision or ''}|"
    room = TOKEN - len(begin)
    return InlineKeyboardButton(words, callback_data=begin + text.encode()[:room].decode(errors="ignore"))
