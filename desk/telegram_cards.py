"""How cards look on Telegram: its HTML, with every word of a stranger's escaped, and the buttons under it.

https://core.telegram.org/bots/api#html-style, https://core.telegram.org/bots/api#inlinekeyboardbutton
"""

from collections.abc import Sequence
from html import escape
from typing import Final

from telegram import InlineKeyboardButton, InlineKeyboardMarkup

from desk import buttons, faces
from desk.buttons import Button
from desk.faces import Markup
from languages import Translator
from models.text import one_line
from triage.card import Card
from triage.desking import Choice, Preview
from triage.suggestions import Suggestion
from triage.viewing import AlertView, BacklogView, DigestView, HandedView, View

LONGEST: Final = 4096
"""Characters of a message."""
TOKEN: Final = 64
"""Bytes of what a button carries."""
WITH_HEAD: Final = 3000
"""Characters of a reply that stand in one message with what is said of it."""
A_ROW: Final = 2

MARKUP: Final = Markup(
    safe=escape,
    bold=lambda text: f"<b>{escape(text)}</b>",
    small=lambda text: f"<i>{escape(text)}</i>",
    quoted=lambda text, limit: f"<blockquote>{escape(one_line(text, limit))}</blockquote>",
    link=lambda words, url: f'<a href="{escape(url, quote=True)}">{escape(words)}</a>',
    ping=lambda name, identity: (
        f'<a href="tg://user?id={identity}">{escape(name)}</a>' if identity.isdigit() else escape(name)
    ),
)


def render(view: View, t: Translator) -> tuple[str, InlineKeyboardMarkup | None]:
    """A card as Telegram's HTML with its buttons."""
    if isinstance(view, DigestView):
        return "\n".join(faces.digest(view, MARKUP, t)), None
    if isinstance(view, HandedView):
        return "\n".join(faces.handed(view, MARKUP, t)), None
    if isinstance(view, BacklogView):
        return "\n".join(faces.backlog(view, MARKUP, t)), None
    if isinstance(view, AlertView):
        return "\n".join(faces.alert(view, MARKUP, t)), _keyboard(buttons.on_alert(view, t), _open(view.card, t))
    lines = [
        faces.head(view, MARKUP),
        escape(faces.chips(view, t)),
        "",
        *faces.quotes(view, MARKUP, t),
        *faces.standing(view, MARKUP, t),
    ]
    if why := faces.reasons(view, t):
        lines += ["", *map(MARKUP.small, why)]
    return "\n".join(lines), _keyboard(buttons.on_card(view, t), _open(view, t))


def preview(shown: Preview, t: Translator) -> tuple[str, InlineKeyboardMarkup | None]:
    """Exactly what would be published, what the checks found, and the one button that publishes."""
    lines = [escape(faces.preview_head(shown, t)), *_whole(shown.text), *faces.remarks(shown, MARKUP, t)]
    return "\n".join(lines), _keyboard(buttons.on_preview(shown, t))


def pieces(text: str) -> list[str]:
    """The text in messages of its own, where it is too long for one with a head; nothing where it is not."""
    if _units(text) <= WITH_HEAD:
        return []
    return [text[n : n + WITH_HEAD // 2] for n in range(0, len(text), WITH_HEAD // 2)]


def _units(text: str) -> int:
    """How Telegram counts: in UTF-16, where an emoji is two."""
    return len(text.encode("utf-16-le")) // 2


def _whole(text: str) -> list[str]:
    """The text as a quote; one too long for a message with a head stands in the messages before."""
    return ["⬆️"] if pieces(text) else [f"<blockquote>{escape(text)}</blockquote>"]


def suggestions(found: Sequence[Suggestion], case: int, t: Translator) -> tuple[str, InlineKeyboardMarkup | None]:
    """Each with its code, and a row of numbers to choose by."""
    texts = [
        f"<b>{n}. {escape(faces.origin(s, t))}</b>\n{escape(one_line(s.text, 300))}" for n, s in enumerate(found, 1)
    ]
    return "\n\n".join(texts), _keyboard(buttons.of_suggestions(found, case), a_row=len(found))


def choices(found: Sequence[Choice], case: int, said: str = "") -> tuple[str, InlineKeyboardMarkup | None]:
    """The ways to go on, under what there is to say of them."""
    return escape(said[:LONGEST]) or f"#{case}", _keyboard(buttons.of_choices(found, case), a_row=1)


def _keyboard(
    found: Sequence[Button], link: Sequence[InlineKeyboardButton] = (), a_row: int = A_ROW
) -> InlineKeyboardMarkup | None:
    made = [InlineKeyboardButton(one.words, callback_data=one.token(TOKEN)) for one in found]
    rows = [made[n : n + a_row] for n in range(0, len(made), a_row)]
    return InlineKeyboardMarkup([*rows, *([link] if link else [])]) if rows or link else None


def _open(card: Card, t: Translator) -> list[InlineKeyboardButton]:
    """Telegram refuses a whole card for one address that it does not like, such as one inside our own network."""
    url = card.latest.url
    public = url.startswith("https://") and "." in url.split("/")[2]
    return [InlineKeyboardButton(t("open the post"), url=url)] if public else []
