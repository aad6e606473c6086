"""Cards on Telegram: its HTML, with authors' text escaped, and the buttons under it.

https://core.telegram.org/bots/api#html-style, https://core.telegram.org/bots/api#inlinekeyboardbutton
"""

from collections.abc import Sequence
from html import escape
from typing import Final

from telegram import InlineKeyboardButton, InlineKeyboardMarkup

from cards.case_view import CaseView
from cards.chat_views import AlertView, BacklogView, DigestView, HandoverView, View
from cards.outcome import Choice, Preview
from desk import buttons, card_text
from desk.buttons import Button
from desk.card_text import Markup
from languages import Translator
from models.text import one_line
from publishing.suggestions import Suggestion

MAX_LENGTH: Final = 4096
"""Characters of a message."""
TOKEN: Final = 64
"""Bytes of a button's callback data."""
MAX_WITH_REMARKS: Final = 3000
"""Characters of a reply that fit into one message with its head and remarks."""
ROW_LENGTH: Final = 2

MARKUP: Final = Markup(
    safe=escape,
    bold=lambda text: f"<b>{escape(text)}</b>",
    small=lambda text: f"<i>{escape(text)}</i>",
    quoted=lambda text, limit: f"<blockquote>{escape(one_line(text, limit))}</blockquote>",
    link=lambda text, url: f'<a href="{escape(url, quote=True)}">{escape(text)}</a>',
    ping=lambda name, identity: (
        f'<a href="tg://user?id={identity}">{escape(name)}</a>' if identity.isdigit() else escape(name)
    ),
)


def render(view: View, t: Translator) -> tuple[str, InlineKeyboardMarkup | None]:
    """A card as Telegram's HTML with its buttons."""
    if isinstance(view, DigestView):
        return "\n".join(card_text.digest(view, MARKUP, t)), None
    if isinstance(view, HandoverView):
        return "\n".join(card_text.handover(view, MARKUP, t)), None
    if isinstance(view, BacklogView):
        return "\n".join(card_text.backlog(view, MARKUP, t)), None
    if isinstance(view, AlertView):
        return "\n".join(card_text.alert(view, MARKUP, t)), _keyboard(buttons.for_alert(view, t), _open(view.case, t))
    lines = [
        card_text.head(view, MARKUP),
        escape(card_text.tags(view, t)),
        "",
        *card_text.quotes(view, MARKUP, t),
        *card_text.status_lines(view, MARKUP, t),
    ]
    if reasons := card_text.reasons(view, t):
        lines += ["", *map(MARKUP.small, reasons)]
    return "\n".join(lines), _keyboard(buttons.for_card(view, t), _open(view, t))


def preview(shown: Preview, t: Translator) -> tuple[str, InlineKeyboardMarkup | None]:
    """Exactly what would be published, what the checks found, and the one button that publishes it."""
    lines = [escape(card_text.preview_head(shown, t)), *_quoted_whole(shown.text), *card_text.remarks(shown, MARKUP, t)]
    return "\n".join(lines), _keyboard(buttons.for_preview(shown, t))


def parts(text: str) -> list[str]:
    """The text in messages of its own where it is too long for one with its remarks; nothing where it is not."""
    if _units(text) <= MAX_WITH_REMARKS:
        return []
    return [text[n : n + MAX_WITH_REMARKS // 2] for n in range(0, len(text), MAX_WITH_REMARKS // 2)]


def _units(text: str) -> int:
    """Telegram counts UTF-16 units: an emoji is two."""
    return len(text.encode("utf-16-le")) // 2


def _quoted_whole(text: str) -> list[str]:
    """The text as a quote; one that is too long is in the messages before."""
    return ["⬆️"] if parts(text) else [f"<blockquote>{escape(text)}</blockquote>"]


def suggestions(offered: Sequence[Suggestion], case: int, t: Translator) -> tuple[str, InlineKeyboardMarkup | None]:
    """Each with its origin, and a row of numbers to choose by."""
    texts = [
        f"<b>{n}. {escape(card_text.origin(s, t))}</b>\n{escape(one_line(s.text, 300))}"
        for n, s in enumerate(offered, 1)
    ]
    return "\n\n".join(texts), _keyboard(buttons.for_suggestions(offered, case), row_length=len(offered))


def choices(options: Sequence[Choice], case: int, message: str = "") -> tuple[str, InlineKeyboardMarkup | None]:
    """The choices under their message."""
    return escape(message[:MAX_LENGTH]) or f"#{case}", _keyboard(buttons.for_choices(options, case), row_length=1)


def _keyboard(
    row: Sequence[Button], link: Sequence[InlineKeyboardButton] = (), row_length: int = ROW_LENGTH
) -> InlineKeyboardMarkup | None:
    keys = [InlineKeyboardButton(button.label, callback_data=button.token(TOKEN)) for button in row]
    rows = [keys[n : n + row_length] for n in range(0, len(keys), row_length)]
    return InlineKeyboardMarkup([*rows, *([link] if link else [])]) if rows or link else None


def _open(case: CaseView, t: Translator) -> list[InlineKeyboardButton]:
    """Telegram rejects a whole card for one address it does not accept, such as one inside our own network."""
    url = case.latest.url
    public = url.startswith("https://") and "." in url.split("/")[2]
    return [InlineKeyboardButton(t("Open the post"), url=url)] if public else []
