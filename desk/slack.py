"""The Slack desk: cards with buttons, updated in place; replies written in a modal; notes in a card's thread.

https://docs.slack.dev/reference/interaction-payloads, https://docs.slack.dev/surfaces/modals

Whoever presses a button must be a configured member; what a button means is decided in actions/. Only the button under a shown
text publishes it; nothing typed here ever does. What concerns one person alone is shown to that person alone.
"""

from collections.abc import AsyncGenerator, Mapping
from contextlib import suppress
from typing import Any, Final

import msgspec

from actions.table import REACTIONS
from cards.card_sync import RateLimit
from cards.chat_views import DigestView, View
from cards.outcome import PerformedAction
from connections.slack import Envelope, Slack
from desk import ActionBatch, buttons, card_text, commands
from desk import slack_cards as cards
from insights import charts
from languages import Translator
from models.errors import Rejected, Unauthorized
from models.tables.action import Action
from models.tables.digest import Chart

REACTION_NAMES: Final[Mapping[str, str]] = {
    "eyes": "👀",
    "white_check_mark": "✅",
    "see_no_evil": "🙈",
    "zzz": "💤",
    "+1": "👍",
    "thumbsup": "👍",
    "-1": "👎",
    "thumbsdown": "👎",
}
"""Slack's names of the reactions that are actions."""

CHART: Final = "chart.png"
HOME: Final = "home"
"""In place of a trigger id: the response is the app's home tab, which each member has."""
RATE_LIMIT: Final = RateLimit(5, 5.0)
"""One a second in a channel, short bursts allowed.

https://docs.slack.dev/apis/web-api/rate-limits"""


class SlackDesk:
    platform = "slack"
    rate_limit = RATE_LIMIT

    def __init__(self, connection: Slack) -> None:
        self.name = connection.name
        self._connection = connection

    async def connect(self) -> None:
        await self._connection.verify_credentials()

    async def show(self, view: View, chat: str, message_id: str | None, t: Translator) -> str:
        blocks, text = cards.render(view, t)
        message = {"channel": chat, "blocks": blocks, "text": text, "unfurl_links": False, "unfurl_media": False}
        if message_id is not None:
            try:
                await self._connection.call("chat.update", ts=message_id, **message)
            except Rejected as error:
                if not any(code in error.reason for code in ("message_not_found", "cant_update_message")):
                    raise
            else:
                return message_id
        if isinstance(view, DigestView) and view.chart is not None:
            await self._upload(chat, view.chart)
        return str((await self._connection.call("chat.postMessage", **message))["ts"])

    async def _upload(self, chat: str, chart: Chart) -> None:
        """https://docs.slack.dev/messaging/working-with-files#upload"""
        image = await charts.png(chart)
        with suppress(
            Rejected, Unauthorized
        ):  # an app installed before it could upload lacks the scope: the text comes alone
            target = await self._connection.call_with_query(
                "files.getUploadURLExternal", filename=CHART, length=len(image)
            )
            await self._connection.upload(str(target["upload_url"]), image)
            files = [{"id": target["file_id"], "title": chart.title}]
            await self._connection.call("files.completeUploadExternal", files=files, channel_id=chat)

    async def actions(self, cursor: str | None) -> AsyncGenerator[ActionBatch, None]:
        """Slack repeats what was not acknowledged; there is no cursor to continue from."""
        async for envelopes in self._connection.envelopes():
            parsed = (to_action(envelope, self._connection.user) for envelope in envelopes)
            yield ActionBatch(cursor=cursor or "", actions=tuple(a for a in parsed if a is not None))

    async def respond(self, action: Action, performed: PerformedAction) -> None:
        outcome, t = performed.outcome, performed.t
        case = outcome.case or action.case or 0
        if action.respond_to == HOME:
            await self._connection.call("views.publish", user_id=action.who, view=cards.home(outcome.message))
        elif len(outcome.editor or "") > cards.INPUT:  # cut to fit, it would come back without its end
            await self._whisper(action, [], cards.safe(card_text.too_long(t)))
        elif outcome.editor is not None:
            view = cards.editor(case, outcome.editor, action.chat, t)
            await self._connection.call("views.open", trigger_id=action.respond_to, view=view)
        elif outcome.preview is not None:
            await self._whisper(action, cards.preview(outcome.preview, t), outcome.preview.text)
        elif outcome.suggestions:
            await self._whisper(action, cards.suggestions(outcome.suggestions, case, t), t("Suggestions"))
        elif outcome.choices:
            await self._whisper(action, cards.choices(outcome.choices, case, outcome.message), f"#{case}")
        elif outcome.message and (outcome.refused or performed.confirm):
            await self._whisper(action, [], cards.safe(outcome.message))
        if action.message.startswith("http") and not outcome.refused:
            # The ephemeral message has been answered: it goes away.
            await self._connection.follow_up(action.message, {"delete_original": True})

    async def _whisper(self, action: Action, blocks: list[cards.Block], text: str) -> None:
        fields = {"channel": action.chat, "user": action.who, "text": text[: cards.SECTION]}
        await self._connection.call("chat.postEphemeral", **fields, **({"blocks": blocks} if blocks else {}))

    async def close(self) -> None:
        await self._connection.close()


class _Id(msgspec.Struct):
    id: str = ""


class _ButtonPress(msgspec.Struct):
    action_id: str = ""
    value: str = ""
    action_ts: str = ""


class _Container(msgspec.Struct):
    message_ts: str = ""
    is_ephemeral: bool = False


class _Value(msgspec.Struct):
    value: str | None = None


class _State(msgspec.Struct):
    values: dict[str, dict[str, _Value]] = {}


class _Modal(msgspec.Struct):
    id: str = ""
    hash: str = ""
    callback_id: str = ""
    private_metadata: str = ""
    state: _State = msgspec.field(default_factory=_State)


class _Interaction(msgspec.Struct):
    type: str
    user: _Id
    trigger_id: str = ""
    response_url: str = ""
    channel: _Id = msgspec.field(default_factory=_Id)
    container: _Container = msgspec.field(default_factory=_Container)
    actions: list[_ButtonPress] = []
    view: _Modal = msgspec.field(default_factory=_Modal)


class _Item(msgspec.Struct):
    channel: str = ""
    ts: str = ""


class _Event(msgspec.Struct):
    type: str = ""
    user: str = ""
    text: str = ""
    reaction: str = ""
    channel: str = ""
    thread_ts: str = ""
    bot_id: str = ""
    subtype: str = ""
    item: _Item = msgspec.field(default_factory=_Item)


class _EventEnvelope(msgspec.Struct):
    event_id: str = ""
    event: _Event = msgspec.field(default_factory=_Event)


class _Command(msgspec.Struct):
    user_id: str
    channel_id: str
    trigger_id: str
    text: str = ""


_KINDS: Final[Mapping[str, Any]] = {
    "interactive": _Interaction,
    "events_api": _EventEnvelope,
    "slash_commands": _Command,
}


def to_action(envelope: Envelope, own: str) -> Action | None:
    """The action in an envelope; None for what is malformed or not meant for the desk."""
    kind = _KINDS.get(envelope.type)
    if kind is None:
        return None
    try:
        content = msgspec.json.decode(envelope.payload, type=kind)
    except msgspec.DecodeError:
        return None
    if isinstance(content, _Command):
        verb, text = commands.parse_command(content.text)
        return Action(
            native_id=content.trigger_id,
            verb=verb,
            who=content.user_id,
            chat=content.channel_id,
            text=text,
            respond_to=content.trigger_id,
        )
    if isinstance(content, _EventEnvelope):
        return _event(content, own)
    return _submitted_reply(content) if content.type == "view_submission" else _button_press(content)


def _button_press(interaction: _Interaction) -> Action | None:
    if interaction.type != "block_actions" or not interaction.actions:
        return None
    press = interaction.actions[0]
    container = interaction.container
    return buttons.parse_token(
        press.value,
        native_id=f"{interaction.user.id}:{press.action_ts}:{press.action_id}",
        who=interaction.user.id,
        chat=interaction.channel.id,
        respond_to=interaction.trigger_id,
        message=interaction.response_url if container.is_ephemeral else container.message_ts,
    )


def _submitted_reply(interaction: _Interaction) -> Action | None:
    modal = interaction.view
    case, _, chat = modal.private_metadata.partition("|")
    if modal.callback_id != cards.EDITOR or not case.isdigit():
        return None
    return Action(
        native_id=f"{modal.id}:{modal.hash}",
        verb="draft",
        who=interaction.user.id,
        chat=chat,
        case=int(case),
        text=modal.state.values.get("text", {}).get("text", _Value()).value or "",
        respond_to=interaction.trigger_id,
    )


def _event(envelope: _EventEnvelope, own: str) -> Action | None:
    """The home tab, a reaction to a card, or a note in its thread; the card's case is looked up later."""
    event = envelope.event
    if event.type == "app_home_opened" and event.user:
        return Action(native_id=envelope.event_id, verb="mine", who=event.user, chat="", respond_to=HOME)
    if event.user in ("", own) or event.bot_id or event.subtype:
        return None
    reaction = event.reaction.partition("::")[0]  # whatever the tone of the skin
    if event.type == "reaction_added" and reaction in REACTION_NAMES:
        verb, text = REACTIONS[REACTION_NAMES[reaction]]
        return Action(
            native_id=envelope.event_id,
            verb=verb,
            who=event.user,
            chat=event.item.channel,
            text=text,
            message=event.item.ts,
        )
    if event.type == "message" and event.thread_ts and event.text:
        return Action(
            native_id=envelope.event_id,
            verb="note",
            who=event.user,
            chat=event.channel,
            text=event.text,
            message=event.thread_ts,
        )
    return None
