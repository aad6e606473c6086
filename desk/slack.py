"""The Slack desk: cards with buttons, updated in place; replies written in a window; notes in a card's thread.

https://docs.slack.dev/reference/interaction-payloads, https://docs.slack.dev/surfaces/modals

Whoever presses a button must be a configured member; what that means is decided in triage. Only the button under a shown text
publishes it; nothing typed here ever does. What concerns one person alone is shown to that person alone.
"""

from collections.abc import AsyncGenerator, Mapping
from contextlib import suppress
from typing import Any, Final

import msgspec

from connections.slack import Envelope, Slack
from desk import Did, buttons, commands, faces
from desk import slack_cards as cards
from insights import charts
from languages import Translator
from models.desk import Action, Chart
from models.errors import Rejected, Unauthorized
from triage.boards import Pace
from triage.desking import Outcome
from triage.viewing import DigestView, View

NAMES: Final[Mapping[str, str]] = {
    "eyes": "👀",
    "white_check_mark": "✅",
    "see_no_evil": "🙈",
    "zzz": "💤",
    "+1": "👍",
    "thumbsup": "👍",
    "-1": "👎",
    "thumbsdown": "👎",
}
"""Slack's names of the reactions that mean something."""

CHART: Final = "chart.png"
HOME: Final = "home"
"""In place of a trigger: the answer is the tab of the app that is each member's own."""
PACE: Final = Pace(5, 5.0)
"""One a second in a channel, short bursts allowed.

https://docs.slack.dev/apis/web-api/rate-limits"""


class SlackDesk:
    platform = "slack"
    pace = PACE

    def __init__(self, connection: Slack) -> None:
        self.name = connection.name
        self._connection = connection

    async def connect(self) -> None:
        await self._connection.prove()

    async def show(self, view: View, chat: str, address: str | None, t: Translator) -> str:
        blocks, text = cards.render(view, t)
        message = {"channel": chat, "blocks": blocks, "text": text, "unfurl_links": False, "unfurl_media": False}
        if address is not None:
            try:
                await self._connection.call("chat.update", ts=address, **message)
            except Rejected as error:
                if not any(words in error.reason for words in ("message_not_found", "cant_update_message")):
                    raise
            else:
                return address
        if isinstance(view, DigestView) and view.chart is not None:
            await self._upload(chat, view.chart)
        return str((await self._connection.call("chat.postMessage", **message))["ts"])

    async def _upload(self, chat: str, chart: Chart) -> None:
        """https://docs.slack.dev/messaging/working-with-files#upload"""
        picture = await charts.png(chart)
        with suppress(
            Rejected, Unauthorized
        ):  # an app made before it could upload has no right to: the words come alone
            place = await self._connection.ask("files.getUploadURLExternal", filename=CHART, length=len(picture))
            await self._connection.upload(str(place["upload_url"]), picture)
            files = [{"id": place["file_id"], "title": chart.title}]
            await self._connection.call("files.completeUploadExternal", files=files, channel_id=chat)

    async def actions(self, bookmark: str | None) -> AsyncGenerator[Did, None]:
        """Slack keeps what was not acknowledged and tells it again; there is nothing to go on from."""
        async for envelopes in self._connection.told():
            found = (to_action(envelope, self._connection.user) for envelope in envelopes)
            yield Did(bookmark=bookmark or "", actions=tuple(action for action in found if action is not None))

    async def answer(self, action: Action, outcome: Outcome, t: Translator) -> None:
        case = outcome.case or action.case or 0
        if action.at == HOME:
            await self._connection.call("views.publish", user_id=action.who, view=cards.home(outcome.said))
        elif len(outcome.editor or "") > cards.INPUT:  # cut to fit, it would come back without its end
            await self._whisper(action, [], cards.safe(faces.too_long(t)))
        elif outcome.editor is not None:
            view = cards.editor(case, outcome.editor, action.chat, t)
            await self._connection.call("views.open", trigger_id=action.at, view=view)
        elif outcome.preview is not None:
            await self._whisper(action, cards.preview(outcome.preview, t), outcome.preview.text)
        elif outcome.suggestions:
            await self._whisper(action, cards.suggestions(outcome.suggestions, case, t), t("Suggestions"))
        elif outcome.choices:
            await self._whisper(action, cards.choices(outcome.choices, case, outcome.said), f"#{case}")
        elif buttons.is_told(action, outcome):
            await self._whisper(action, [], cards.safe(outcome.said))
        if action.message.startswith("http") and not outcome.refused:
            # What was asked of them alone has been answered: the little message goes away.
            await self._connection.follow_up(action.message, {"delete_original": True})

    async def _whisper(self, action: Action, blocks: list[cards.Block], text: str) -> None:
        fields = {"channel": action.chat, "user": action.who, "text": text[: cards.SECTION]}
        await self._connection.call("chat.postEphemeral", **fields, **({"blocks": blocks} if blocks else {}))

    async def close(self) -> None:
        await self._connection.close()


class _Id(msgspec.Struct):
    id: str = ""


class _Pressed(msgspec.Struct):
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


class _Window(msgspec.Struct):
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
    actions: list[_Pressed] = []
    view: _Window = msgspec.field(default_factory=_Window)


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


class _Told(msgspec.Struct):
    event_id: str = ""
    event: _Event = msgspec.field(default_factory=_Event)


class _Command(msgspec.Struct):
    user_id: str
    channel_id: str
    trigger_id: str
    text: str = ""


_KINDS: Final[Mapping[str, Any]] = {"interactive": _Interaction, "events_api": _Told, "slash_commands": _Command}


def to_action(envelope: Envelope, own: str) -> Action | None:
    """What an envelope means to us; None for what is malformed and for what is no business of the desk's."""
    kind = _KINDS.get(envelope.type)
    if kind is None:
        return None
    try:
        told = msgspec.json.decode(envelope.payload, type=kind)
    except msgspec.DecodeError:
        return None
    if isinstance(told, _Command):
        verb, text = commands.meant(told.text)
        return Action(
            native_id=told.trigger_id, verb=verb, who=told.user_id, chat=told.channel_id, text=text, at=told.trigger_id
        )
    if isinstance(told, _Told):
        return _event(told, own)
    return _window(told) if told.type == "view_submission" else _press(told)


def _press(told: _Interaction) -> Action | None:
    if told.type != "block_actions" or not told.actions:
        return None
    pressed = told.actions[0]
    return buttons.pressed(
        pressed.value,
        native_id=f"{told.user.id}:{pressed.action_ts}:{pressed.action_id}",
        who=told.user.id,
        chat=told.channel.id,
        at=told.trigger_id,
        message=told.response_url if told.container.is_ephemeral else told.container.message_ts,
    )


def _window(told: _Interaction) -> Action | None:
    """A reply that was written: a draft."""
    case, _, chat = told.view.private_metadata.partition("|")
    text = told.view.state.values.get("text", {}).get("text", _Value()).value or ""
    if told.view.callback_id != cards.EDITOR or not case.isdigit():
        return None
    native_id = f"{told.view.id}:{told.view.hash}"
    return Action(
        native_id=native_id, verb="draft", who=told.user.id, chat=chat, case=int(case), text=text, at=told.trigger_id
    )


def _event(told: _Told, own: str) -> Action | None:
    """The app's own tab, a reaction to a card, or a note in its thread; which case that is the house knows."""
    event = told.event
    if event.type == "app_home_opened" and event.user:
        return Action(native_id=told.event_id, verb="mine", who=event.user, chat="", at=HOME)
    if event.user in ("", own) or event.bot_id or event.subtype:
        return None
    if event.type == "reaction_added" and event.reaction in NAMES:
        verb, text = buttons.REACTIONS[NAMES[event.reaction]]
        place = event.item
        return Action(
            native_id=told.event_id, verb=verb, who=event.user, chat=place.channel, text=text, message=place.ts
        )
    if event.type == "message" and event.thread_ts and event.text:
        return Action(
            native_id=told.event_id,
            verb="note",
            who=event.user,
            chat=event.channel,
            text=event.text,
            message=event.thread_ts,
        )
    return None
