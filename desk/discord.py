"""The Discord desk: cards with buttons, updated in place; replies written in a modal; notes as replies to a card.

https://discord.com/developers/docs/interactions/receiving-and-responding, https://discord.com/developers/docs/components/reference

Whoever presses a button must be a configured member; what a button means is decided in actions/. Only the button under a shown
text publishes it; nothing typed here ever does. What concerns one person alone is shown to that person alone.
"""

import re
from collections.abc import AsyncGenerator, Mapping
from typing import Any, Final

import discord

from actions.table import REACTIONS
from cards.card_sync import RateLimit
from cards.chat_views import DigestView, View
from cards.outcome import PerformedAction
from connections.discord import Discord, GatewayEvent, next_events
from desk import ActionBatch, buttons, card_text, commands
from desk import discord_cards as cards
from insights import charts
from languages import Translator
from models.errors import Rejected
from models.tables.action import Action
from store.card_placements import THREAD_PER_CARD

HEARTBEAT: Final = 25.0
"""Seconds between two empty batches while nothing happens."""
ONE_WEEK: Final = 10_080
"""Minutes without a message after which a thread is archived."""
CHANNEL: Final = "/channels/{channel_id}"
THREADS: Final = "/channels/{channel_id}/threads"
MESSAGES: Final = "/channels/{channel_id}/messages"
MESSAGE: Final = "/channels/{channel_id}/messages/{message_id}"
CALLBACK: Final = "/interactions/{interaction_id}/{interaction_token}/callback"
REPLY, NOTHING, UPDATE, MODAL = 4, 6, 7, 9
"""Responses to an interaction: a message, nothing visible, a change of the message it came from, a modal."""
EPHEMERAL: Final = 64
"""A message for one person."""

RATE_LIMIT: Final = RateLimit(5, 5.0)
"""What a channel has taken for years; where it takes less, its responses say so.

https://discord.com/developers/docs/topics/rate-limits"""


class DiscordDesk:
    platform = "discord"
    rate_limit = RATE_LIMIT

    def __init__(self, connection: Discord) -> None:
        self.name = connection.name
        self._connection = connection

    async def connect(self) -> str:
        client = await self._connection.open()
        await self._connection.call("GET", "/users/@me")
        link = self._connection.invite_link(client.application_id or 0)
        return f"add it to a server at {link} (permissions {self._connection.permissions.value})."

    async def show(self, view: View, chat: str, message_id: str | None, t: Translator) -> str:
        """In a forum (`601/*`) each card starts a post of its own, whose id is the message id."""
        body = cards.render(view, t)
        forum = chat.removesuffix(THREAD_PER_CARD) if chat.endswith(THREAD_PER_CARD) else ""
        if message_id is not None:
            try:
                await self._edit(body, message_id if forum else chat, message_id)
            except Rejected as error:
                if not any(words in error.reason for words in ("Unknown Message", "Unknown Channel")):
                    raise
            else:
                return message_id
        chart = view.chart if isinstance(view, DigestView) else None
        png = (cards.CHART, await charts.png(chart)) if chart else None
        if forum:
            for embed in body["embeds"]:
                embed.pop("image", None)  # the first message of a post comes without files here
            post = {"name": cards.title(view, t), "auto_archive_duration": ONE_WEEK, "message": body}
            return str((await self._connection.call("POST", THREADS, post, channel_id=forum))["id"])
        return str((await self._connection.call("POST", MESSAGES, body, png=png, channel_id=chat))["id"])

    async def _edit(self, body: dict[str, Any], channel: str, message: str) -> None:
        try:
            await self._connection.call("PATCH", MESSAGE, body, channel_id=channel, message_id=message)
        except Rejected as error:
            if "archived" not in error.reason:
                raise
            await self._connection.call("PATCH", CHANNEL, {"archived": False}, channel_id=channel)
            await self._connection.call("PATCH", MESSAGE, body, channel_id=channel, message_id=message)

    async def actions(self, cursor: str | None) -> AsyncGenerator[ActionBatch, None]:
        """Discord reports a press once and waits three seconds for the response; there is no cursor to continue from."""
        async with self._connection.gateway("desk") as (client, queue, running):
            while True:
                events = await next_events(queue, running, HEARTBEAT)
                parsed = (to_action(event, client.own) for event in events)
                if not (events or client.alive):
                    continue
                yield ActionBatch(cursor=cursor or "", actions=tuple(a for a in parsed if a is not None))

    async def respond(self, action: Action, performed: PerformedAction) -> None:
        """Within three seconds, or Discord tells the person that it failed; what was done is done all the same."""
        outcome, t = performed.outcome, performed.t
        case = outcome.case or action.case or 0
        if not action.respond_to:
            if outcome.message and outcome.refused:
                body = {**cards.message(outcome.message), "message_reference": _reference(action)}
                await self._connection.call("POST", MESSAGES, body, channel_id=action.chat)
            return
        if len(outcome.editor or "") > cards.INPUT:  # cut to fit, it would come back without its end
            await self._respond(action, REPLY, cards.message(card_text.too_long(t)))
        elif outcome.editor is not None:
            await self._respond(action, MODAL, cards.editor(case, outcome.editor, action.chat, t))
        elif outcome.preview is not None:
            await self._respond(action, REPLY, cards.preview(outcome.preview, t))
        elif outcome.suggestions:
            await self._respond(action, REPLY, cards.suggestions(outcome.suggestions, case, t))
        elif outcome.choices:
            await self._respond(action, REPLY, cards.choices(outcome.choices, case, outcome.message))
        elif action.verb == "approve" and not outcome.refused:
            # The preview has done its work: it shows the outcome, without buttons.
            await self._respond(action, UPDATE, {**cards.message(outcome.message), "embeds": [], "components": []})
        elif outcome.message and (outcome.refused or performed.confirm):
            await self._respond(action, REPLY, cards.message(outcome.message))
        else:
            await self._respond(action, NOTHING, None)

    async def _respond(self, action: Action, kind: int, data: dict[str, Any] | None) -> None:
        body: dict[str, Any] = {"type": kind}
        if data is not None:
            body["data"] = data if kind in (MODAL, UPDATE) else {**data, "flags": EPHEMERAL}
        number, _, token = action.respond_to.partition("/")
        await self._connection.call("POST", CALLBACK, body, interaction_id=number, interaction_token=token)

    async def close(self) -> None:
        await self._connection.close()


def _reference(action: Action) -> dict[str, Any]:
    return {"message_id": action.message, "channel_id": action.chat, "fail_if_not_exists": False}


def to_action(event: GatewayEvent, own: int) -> Action | None:
    """The action in an event; None for what is not meant for the desk. `own` is the bot's id."""
    if event.interaction is not None:
        return _interaction(event.interaction)
    if event.reaction is not None:
        return _reaction(event.reaction, own)
    return _note(event.message, own) if event.message is not None else None


_SKIN_TONES: Final = re.compile("[\U0001f3fb-\U0001f3ff]")


def _reaction(reaction: discord.RawReactionActionEvent, own: int) -> Action | None:
    entry = REACTIONS.get(_SKIN_TONES.sub("", str(reaction.emoji)))
    if entry is None or reaction.user_id == own:
        return None
    verb, text = entry
    return Action(
        native_id=f"{reaction.message_id}:{reaction.user_id}:{reaction.emoji}",
        verb=verb,
        who=str(reaction.user_id),
        chat=str(reaction.channel_id),
        text=text,
        message=str(reaction.message_id),
    )


def _note(message: discord.Message, own: int) -> Action | None:
    """A reply to a message of ours, or a message in a thread of ours: an internal note, if that is a card's."""
    if message.author.id == own or message.author.bot:
        return None
    above = message.reference.resolved if message.reference else None
    answers = isinstance(above, discord.Message) and above.author.id == own
    within = isinstance(message.channel, discord.Thread) and message.channel.owner_id == own
    if not (answers or within):
        return None
    return Action(
        native_id=str(message.id),
        verb="note",
        who=str(message.author.id),
        chat=str(message.channel.id),
        text=message.content,
        message=str(above.id) if isinstance(above, discord.Message) else "",
    )


def _interaction(interaction: discord.Interaction) -> Action | None:
    """A button, a submitted modal, or the command; anything else was not made by us."""
    data: Mapping[str, Any] = interaction.data or {}
    common: dict[str, Any] = {
        "native_id": str(interaction.id),
        "who": str(interaction.user.id),
        "respond_to": f"{interaction.id}/{interaction.token}",
    }
    chat = str(interaction.channel_id or "")
    if interaction.type is discord.InteractionType.component:
        message = str(interaction.message.id) if interaction.message else ""
        return buttons.parse_token(str(data.get("custom_id", "")), chat=chat, message=message, **common)
    if interaction.type is discord.InteractionType.modal_submit:
        return _submitted_reply(data, common)
    if interaction.type is discord.InteractionType.application_command and data.get("name") == "ascolto":
        typed = next((str(option.get("value", "")) for option in data.get("options", ())), "")
        verb, text = commands.parse_command(typed)
        return Action(verb=verb, chat=chat, text=text, **common)
    return None


def _submitted_reply(data: Mapping[str, Any], common: dict[str, Any]) -> Action | None:
    kind, _, rest = str(data.get("custom_id", "")).partition("|")
    case, _, chat = rest.partition("|")
    fields = [field for row in data.get("components", ()) for field in row.get("components", ())]
    text = next((str(field.get("value", "")) for field in fields if field.get("custom_id") == "text"), "")
    if kind != cards.EDITOR or not case.isdigit():
        return None
    return Action(verb="draft", chat=chat, case=int(case), text=text, **common)
