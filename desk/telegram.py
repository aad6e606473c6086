"""The Telegram desk: cards with buttons, updated in place; replies written as answers to a question of the bot's.

https://core.telegram.org/bots/api, https://core.telegram.org/bots/api#inlinekeyboardbutton (64 bytes of callback data)

Cards stand in a group or a private chat. Whoever presses a button must be a configured member; what that means is decided
in triage. Only the button under a shown text publishes it; nothing typed here ever does.
"""

from collections.abc import AsyncGenerator
from contextlib import suppress
from html import escape
from typing import Final

from telegram import (
    BotCommand,
    CallbackQuery,
    ForceReply,
    InlineKeyboardMarkup,
    LinkPreviewOptions,
    MaybeInaccessibleMessage,
    Message,
    ReplyParameters,
    Update,
)
from telegram.constants import ParseMode

from connections.telegram import Telegram, called
from desk import Did, buttons, commands
from desk import telegram_cards as cards
from insights import charts
from languages import Translator, translator
from models.desk import Action, Verb
from models.errors import Rejected
from triage.boards import Pace
from triage.desking import Outcome
from triage.viewing import DigestView, View

MARK: Final = "\u2063"
"""An invisible separator before the case's number in a question: what answers it answers for that case."""

PACE: Final = Pace(18, 60.0, spare=1)
"""20 a minute in a group, edits counted; one is left for what a member asks.

https://core.telegram.org/bots/faq#my-bot-is-hitting-limits-how-do-i-avoid-this"""


class TelegramDesk:
    platform = "telegram"
    pace = PACE

    def __init__(self, connection: Telegram) -> None:
        self.name = connection.name
        self._connection = connection
        self._named = False

    async def connect(self) -> None:
        """Proves the token, and has Telegram offer the commands to each in their own language."""
        await self._connection.prove()
        if self._named:
            return
        for language, names in commands.NAMES.items():
            t = translator(language)
            offered = [BotCommand(name, t(commands.ABOUT[verb])) for verb, name in names.items()]
            code = None if language == "en" else language  # what is said without a language is for all the others
            with suppress(Rejected):  # they can be typed without being offered
                await called(self._connection.bot.set_my_commands(offered, language_code=code))
        self._named = True

    async def show(self, view: View, chat: str, address: str | None, t: Translator) -> str:
        text, keyboard = cards.render(view, t)
        bot = self._connection.bot
        if address is not None:
            try:
                await called(
                    bot.edit_message_text(
                        text,
                        _place(chat)[0],
                        int(address),
                        parse_mode=ParseMode.HTML,
                        reply_markup=keyboard,
                        link_preview_options=QUIET,
                    )
                )
            except Rejected as error:
                if "not modified" in error.reason:
                    return address
                if not _gone(error):
                    raise
            else:
                return address
        await self._send_chart(view, chat)
        sent = await called(
            bot.send_message(
                _place(chat)[0],
                text,
                message_thread_id=_place(chat)[1],
                parse_mode=ParseMode.HTML,
                reply_markup=keyboard,
                link_preview_options=QUIET,
            )
        )
        return str(sent.message_id)

    async def _send_chart(self, view: View, chat: str) -> None:
        """Before the words: under a picture Telegram takes a thousand characters, and a digest may have more."""
        if isinstance(view, DigestView) and view.chart is not None:
            with suppress(Rejected):  # a group that takes no pictures gets the words all the same
                group, topic = _place(chat)
                picture = await charts.png(view.chart)
                await called(self._connection.bot.send_photo(group, picture, message_thread_id=topic))

    async def actions(self, bookmark: str | None) -> AsyncGenerator[Did, None]:
        async for after, updates in self._connection.updates("desk", bookmark):
            found = (to_action(update, self._connection.bot.id) for update in updates)
            yield Did(bookmark=after, actions=tuple(action for action in found if action is not None))

    async def answer(self, action: Action, outcome: Outcome, t: Translator) -> None:
        """A toast for a button, a message for the rest; a button too old to be answered is no error."""
        bot = self._connection.bot
        if action.at:
            try:
                await called(
                    bot.answer_callback_query(action.at, outcome.said[:200] or None, show_alert=outcome.refused)
                )
            except Rejected as error:
                if "too old" not in error.reason and "invalid" not in error.reason.lower():
                    raise
        elif outcome.said:
            await self._say(action, escape(outcome.said))
        await self._go_on(action, outcome, t)

    async def _go_on(self, action: Action, outcome: Outcome, t: Translator) -> None:
        case = outcome.case or 0
        if outcome.editor is not None:
            await self._ask(action, case, outcome.editor, t)
        elif outcome.preview is not None:
            for piece in cards.pieces(outcome.preview.text):
                await self._say(action, escape(piece))
            await self._say(action, *cards.preview(outcome.preview, t))
        elif outcome.suggestions:
            await self._say(action, *cards.suggestions(outcome.suggestions, case, t))
        elif outcome.choices:
            await self._say(action, *cards.choices(outcome.choices, case, outcome.said))
        elif not outcome.refused and (action.verb == "approve" or action.text) and action.at:
            await self._put_away(action, outcome)

    async def _ask(self, action: Action, case: int, begin: str, t: Translator) -> None:
        """A question that the member's client opens an answer to; the suggestion stands in it, to copy with one tap."""
        text = t("Write the reply for #{case} as an answer to this message.", case=case)
        if begin and len(begin) <= cards.WITH_HEAD:
            text += "\n" + t("Suggested (tap to copy):") + f"\n<code>{escape(begin)}</code>"
        force = ForceReply(selective=True, input_field_placeholder=t("Your reply"))
        await self._say(action, f"{text}{MARK}#{case}{MARK}", force)

    async def _say(self, action: Action, text: str, markup: ForceReply | InlineKeyboardMarkup | None = None) -> None:
        under = ReplyParameters(int(action.message), allow_sending_without_reply=True) if action.message else None
        await called(
            self._connection.bot.send_message(
                _place(action.chat)[0],
                text,
                message_thread_id=_place(action.chat)[1],
                parse_mode=ParseMode.HTML,
                reply_markup=markup,
                reply_parameters=under,
                link_preview_options=QUIET,
            )
        )

    async def _put_away(self, action: Action, outcome: Outcome) -> None:
        """The little message with the choices has done its work: it shows what came of it, without buttons."""
        text = f"#{action.case} · {outcome.said}"
        with suppress(Rejected):
            await called(
                self._connection.bot.edit_message_text(
                    text, _place(action.chat)[0], int(action.message), reply_markup=None
                )
            )

    async def close(self) -> None:
        await self._connection.close()


def _place(chat: str) -> tuple[str, int | None]:
    """The group, and the topic in it, where `chat` is `group/topic`."""
    group, _, topic = chat.partition("/")
    return group, int(topic) if topic.isdigit() else None


def _chat_of(message: MaybeInaccessibleMessage) -> str:
    topic = message.message_thread_id if isinstance(message, Message) and message.is_topic_message else None
    return f"{message.chat.id}/{topic}" if topic else str(message.chat.id)


QUIET: Final = LinkPreviewOptions(is_disabled=True)


def _gone(error: Rejected) -> bool:
    return any(words in error.reason.lower() for words in ("not found", "can't be edited", "message_id_invalid"))


def to_action(update: Update, own: int) -> Action | None:
    """What an update means to us, or None for what is no business of the desk's; `own` is the bot that we are."""
    if update.callback_query is not None:
        return _pressed(update.update_id, update.callback_query)
    message = update.message
    if message is None or message.from_user is None or not message.text:
        return None
    if commands.is_ours(message.text):
        verb, rest = commands.meant(message.text)
        return _typed(update.update_id, message, verb, text=rest)
    asked = message.reply_to_message
    if asked is None or asked.from_user is None or asked.from_user.id != own:
        return None
    case = _asked_for(asked.text or "")
    return None if case is None else _typed(update.update_id, message, "draft", case, message.text)


def _typed(number: int, message: Message, verb: Verb, case: int | None = None, text: str = "") -> Action:
    return Action(
        native_id=str(number),
        verb=verb,
        who=str(message.from_user.id) if message.from_user else "",
        chat=_chat_of(message),
        case=case,
        text=text,
        message=str(message.message_id),
    )


def _pressed(number: int, query: CallbackQuery) -> Action | None:
    return buttons.pressed(
        query.data or "",
        native_id=str(number),
        who=str(query.from_user.id),
        chat=_chat_of(query.message) if query.message else str(query.from_user.id),
        at=query.id,
        message=str(query.message.message_id) if query.message else "",
    )


def _asked_for(question: str) -> int | None:
    """The case that a question of ours was about: the mark ends it, while a stranger's words on a card never do."""
    parts = question.split(MARK)
    return buttons.number(parts[-2].removeprefix("#")) if len(parts) >= 3 and not parts[-1] else None
