"""The Telegram desk: cards with buttons, updated in place; replies written as answers to a question of the bot's.

https://core.telegram.org/bots/api, https://core.telegram.org/bots/api#inlinekeyboardbutton (64 bytes of callback data)

Cards are in a group or a private chat. Whoever presses a button must be a configured member; what a button means is decided in
actions/. Only the button under a shown text publishes it; nothing typed here ever does.
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

from actions.table import ACTIONS
from cards.card_sync import RateLimit
from cards.chat_views import DigestView, View
from cards.outcome import Outcome, PerformedAction
from connections.telegram import Telegram, sdk_call
from desk import ActionBatch, buttons, commands
from desk import telegram_cards as cards
from insights import charts
from languages import Translator, translator
from models.errors import Rejected, Unauthorized
from models.tables.action import Action

CASE_MARK: Final = "\u2063"
"""An invisible separator around the case's number in a question: an answer to the question is for that case."""

RATE_LIMIT: Final = RateLimit(18, 60.0, reserve=1)
"""20 a minute in a group, edits included; one is left for responses to members.

https://core.telegram.org/bots/faq#my-bot-is-hitting-limits-how-do-i-avoid-this"""
NO_PREVIEW: Final = LinkPreviewOptions(is_disabled=True)


class TelegramDesk:
    platform = "telegram"
    rate_limit = RATE_LIMIT

    def __init__(self, connection: Telegram) -> None:
        self.name = connection.name
        self._connection = connection
        self._commands_offered = False

    async def connect(self) -> None:
        """Verifies the token, and has Telegram offer the commands in each member's language."""
        await self._connection.verify_credentials()
        if self._commands_offered:
            return
        for language, words in commands.WORDS.items():
            t = translator(language)
            offered = [BotCommand(word, t(ACTIONS[verb].label)) for word, verb in words.items()]
            code = None if language == "en" else language  # without a language: for everyone else
            with suppress(Rejected):  # they can be typed without being offered
                await self._offer(offered, code)
        self._commands_offered = True

    async def _offer(self, commands: list[BotCommand], language: str | None) -> None:
        """A server that knows this token and not this method answers like one that does not know the token."""
        try:
            await sdk_call(self._connection.bot.set_my_commands(commands, language_code=language))
        except Unauthorized as error:
            raise Rejected("Telegram does not take the commands.") from error

    async def show(self, view: View, chat: str, message_id: str | None, t: Translator) -> str:
        text, keyboard = cards.render(view, t)
        bot = self._connection.bot
        group, topic = _group_and_topic(chat)
        if message_id is not None:
            try:
                await sdk_call(
                    bot.edit_message_text(
                        text,
                        group,
                        int(message_id),
                        parse_mode=ParseMode.HTML,
                        reply_markup=keyboard,
                        link_preview_options=NO_PREVIEW,
                    )
                )
            except Rejected as error:
                if "not modified" in error.reason:
                    return message_id
                if not _is_gone(error):
                    raise
            else:
                return message_id
        await self._send_chart(view, chat)
        sent = await sdk_call(
            bot.send_message(
                group,
                text,
                message_thread_id=topic,
                parse_mode=ParseMode.HTML,
                reply_markup=keyboard,
                link_preview_options=NO_PREVIEW,
            )
        )
        return str(sent.message_id)

    async def _send_chart(self, view: View, chat: str) -> None:
        """Before the text: a caption takes a thousand characters, and a digest may have more."""
        if isinstance(view, DigestView) and view.chart is not None:
            with suppress(Rejected):  # a group that takes no pictures gets the text all the same
                group, topic = _group_and_topic(chat)
                image = await charts.png(view.chart)
                await sdk_call(self._connection.bot.send_photo(group, image, message_thread_id=topic))

    async def actions(self, cursor: str | None) -> AsyncGenerator[ActionBatch, None]:
        async for after, updates in self._connection.updates("desk", cursor):
            parsed = (to_action(update, self._connection.bot.id) for update in updates)
            yield ActionBatch(cursor=after, actions=tuple(action for action in parsed if action is not None))

    async def respond(self, action: Action, performed: PerformedAction) -> None:
        """A toast for a button, a message for the rest; a button too old to be answered is no error."""
        outcome, bot = performed.outcome, self._connection.bot
        if action.respond_to:
            toast = outcome.message[:200] or None
            try:
                await sdk_call(bot.answer_callback_query(action.respond_to, toast, show_alert=outcome.refused))
            except Rejected as error:
                if "too old" not in error.reason and "invalid" not in error.reason.lower():
                    raise
        elif outcome.message:
            await self._send(action, escape(outcome.message))
        await self._continue(action, outcome, performed.t)

    async def _continue(self, action: Action, outcome: Outcome, t: Translator) -> None:
        case = outcome.case or 0
        if outcome.editor is not None:
            await self._ask_for_reply(action, case, outcome.editor, t)
        elif outcome.preview is not None:
            for part in cards.parts(outcome.preview.text):
                await self._send(action, escape(part))
            await self._send(action, *cards.preview(outcome.preview, t))
        elif outcome.suggestions:
            await self._send(action, *cards.suggestions(outcome.suggestions, case, t))
        elif outcome.choices:
            await self._send(action, *cards.choices(outcome.choices, case, outcome.message))
        elif not outcome.refused and (action.verb == "approve" or action.text) and action.respond_to:
            await self._replace_choices(action, outcome)

    async def _ask_for_reply(self, action: Action, case: int, suggested: str, t: Translator) -> None:
        """A question that the member's client opens an answer to; the suggestion is in it, to copy with one tap."""
        text = t("Write the reply for #{case} as an answer to this message.", case=case)
        if suggested and len(suggested) <= cards.MAX_WITH_REMARKS:
            text += "\n" + t("Suggested (tap to copy):") + f"\n<code>{escape(suggested)}</code>"
        force = ForceReply(selective=True, input_field_placeholder=t("Your reply"))
        await self._send(action, f"{text}{CASE_MARK}#{case}{CASE_MARK}", force)

    async def _send(self, action: Action, text: str, markup: ForceReply | InlineKeyboardMarkup | None = None) -> None:
        group, topic = _group_and_topic(action.chat)
        under = ReplyParameters(int(action.message), allow_sending_without_reply=True) if action.message else None
        await sdk_call(
            self._connection.bot.send_message(
                group,
                text,
                message_thread_id=topic,
                parse_mode=ParseMode.HTML,
                reply_markup=markup,
                reply_parameters=under,
                link_preview_options=NO_PREVIEW,
            )
        )

    async def _replace_choices(self, action: Action, outcome: Outcome) -> None:
        """The message with the choices has done its work: it shows the outcome, without buttons."""
        group, _topic = _group_and_topic(action.chat)
        text = f"#{action.case} · {outcome.message}"
        with suppress(Rejected):
            await sdk_call(self._connection.bot.edit_message_text(text, group, int(action.message), reply_markup=None))

    async def close(self) -> None:
        await self._connection.close()


def _group_and_topic(chat: str) -> tuple[str, int | None]:
    """`group` or `group/topic`."""
    group, _, topic = chat.partition("/")
    return group, int(topic) if topic.isdigit() else None


def _chat_of(message: MaybeInaccessibleMessage) -> str:
    topic = message.message_thread_id if isinstance(message, Message) and message.is_topic_message else None
    return f"{message.chat.id}/{topic}" if topic else str(message.chat.id)


def _is_gone(error: Rejected) -> bool:
    return any(words in error.reason.lower() for words in ("not found", "can't be edited", "message_id_invalid"))


def to_action(update: Update, own: int) -> Action | None:
    """The action in an update, None for what is not meant for the desk; `own` is the bot's id."""
    if update.callback_query is not None:
        return _button_press(update.update_id, update.callback_query)
    message = update.message
    if message is None or message.from_user is None or not message.text:
        return None
    if commands.is_ours(message.text):
        verb, rest = commands.parse_command(message.text)
        return _typed(update.update_id, message, verb, text=rest)
    question = message.reply_to_message
    if question is None or question.from_user is None or question.from_user.id != own:
        return None
    case = _case_of_question(question.text or "")
    return None if case is None else _typed(update.update_id, message, "draft", case, message.text)


def _typed(number: int, message: Message, verb: str, case: int | None = None, text: str = "") -> Action:
    return Action(
        native_id=str(number),
        verb=verb,
        who=str(message.from_user.id) if message.from_user else "",
        chat=_chat_of(message),
        case=case,
        text=text,
        message=str(message.message_id),
    )


def _button_press(number: int, query: CallbackQuery) -> Action | None:
    return buttons.parse_token(
        query.data or "",
        native_id=str(number),
        who=str(query.from_user.id),
        chat=_chat_of(query.message) if query.message else str(query.from_user.id),
        respond_to=query.id,
        message=str(query.message.message_id) if query.message else "",
    )


def _case_of_question(question: str) -> int | None:
    """The case that a question of ours was about: the mark ends it, which an author's text on a card never does."""
    parts = question.split(CASE_MARK)
    number = parts[-2].removeprefix("#") if len(parts) >= 3 and not parts[-1] else ""
    return int(number) if number.isascii() and number.isdigit() and len(number) < 16 else None
