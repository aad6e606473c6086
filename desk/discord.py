"""The Discord desk: cards with buttons, updated in place; replies written in a window; notes as replies to a card.

https://discord.com/developers/docs/interactions/receiving-and-responding, https://discord.com/developers/docs/components/reference

Whoever presses a button must be a configured member; what that means is decided in triage. Only the button under a shown text
publishes it; nothing typed here ever does. What concerns one person alone is shown to that person alone. Buttons are tokens, so
that those of before a restart work after it.
"""

from collections.abc import AsyncGenerator, Mapping
from typing import Any, Final

import discord

from connections.discord import Discord, Told, next_told
from desk import Did, buttons, commands, faces
from desk import discord_cards as cards
from insights import charts
from languages import Translator
from models.desk import Action
from models.errors import Rejected
from store.desks import A_THREAD_EACH
from triage.boards import Pace
from triage.desking import Outcome
from triage.viewing import DigestView, View

PULSE: Final = 25.0
A_WEEK: Final = 10_080
"""Minutes after which a thread in which nobody speaks is put away."""
CHANNEL: Final = "/channels/{channel_id}"
THREADS: Final = "/channels/{channel_id}/threads"
MESSAGES: Final = "/channels/{channel_id}/messages"
MESSAGE: Final = "/channels/{channel_id}/messages/{message_id}"
CALLBACK: Final = "/interactions/{interaction_id}/{interaction_token}/callback"
SAY, QUIETLY, WINDOW, AWAY = 4, 6, 9, 7
"""Kinds of answers to an interaction: a message, nothing to see, a window, the message it came from changed."""
ALONE: Final = 64
"""A message for one person."""

PACE: Final = Pace(5, 5.0)
"""What a channel has taken for years; where it takes less, its answers say so.

https://discord.com/developers/docs/topics/rate-limits"""


class DiscordDesk:
    platform = "discord"
    pace = PACE

    def __init__(self, connection: Discord) -> None:
        self.name = connection.name
        self._connection = connection

    async def connect(self) -> str:
        client = await self._connection.open()
        await self._connection.call("GET", "/users/@me")
        link = self._connection.invite(client.application_id or 0)
        return f"servers let it in at {link} (permissions {self._connection.permissions.value})."

    async def show(self, view: View, chat: str, address: str | None, t: Translator) -> str:
        """In a forum (`601/*`) each card begins a post of its own, which its address names."""
        body = cards.render(view, t)
        forum = chat.removesuffix(A_THREAD_EACH) if chat.endswith(A_THREAD_EACH) else ""
        if address is not None:
            try:
                await self._edit(body, address if forum else chat, address)
            except Rejected as error:
                if not any(words in error.reason for words in ("Unknown Message", "Unknown Channel")):
                    raise
            else:
                return address
        chart = view.chart if isinstance(view, DigestView) else None
        png = (cards.CHART, await charts.png(chart)) if chart else None
        if forum:
            for embed in body["embeds"]:
                embed.pop("image", None)  # what begins a post comes without files here
            post = {"name": cards.title(view, t), "auto_archive_duration": A_WEEK, "message": body}
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

    async def actions(self, bookmark: str | None) -> AsyncGenerator[Did, None]:
        """Discord tells a press once and waits three seconds for the answer; there is nothing to go on from."""
        async with self._connection.gateway("desk") as (client, queue, running):
            while True:
                told = await next_told(queue, running, PULSE)
                found = (to_action(one, client.own) for one in told)
                yield Did(bookmark=bookmark or "", actions=tuple(action for action in found if action is not None))

    async def answer(self, action: Action, outcome: Outcome, t: Translator) -> None:
        """Within three seconds, or the person is told by Discord that it failed; what was done is done all the same."""
        case = outcome.case or action.case or 0
        if not action.at:
            if outcome.said and outcome.refused:
                body = {**cards.said(outcome.said), "message_reference": _under(action)}
                await self._connection.call("POST", MESSAGES, body, channel_id=action.chat)
            return
        if len(outcome.editor or "") > cards.INPUT:  # cut to fit, it would come back without its end
            await self._respond(action, SAY, cards.said(faces.too_long(t)))
        elif outcome.editor is not None:
            await self._respond(action, WINDOW, cards.editor(case, outcome.editor, action.chat, t))
        elif outcome.preview is not None:
            await self._respond(action, SAY, cards.preview(outcome.preview, t))
        elif outcome.suggestions:
            await self._respond(action, SAY, cards.suggestions(outcome.suggestions, case, t))
        elif outcome.choices:
            await self._respond(action, SAY, cards.choices(outcome.choices, case, outcome.said))
        elif action.verb == "approve" and not outcome.refused:
            # The preview has done its work: it shows what came of it, without buttons.
            await self._respond(action, AWAY, {**cards.said(outcome.said), "embeds": [], "components": []})
        elif buttons.is_told(action, outcome):
            await self._respond(action, SAY, cards.said(outcome.said))
        else:
            await self._respond(action, QUIETLY, None)

    async def _respond(self, action: Action, kind: int, data: dict[str, Any] | None) -> None:
        body: dict[str, Any] = {"type": kind}
        if data is not None:
            body["data"] = data if kind in (WINDOW, AWAY) else {**data, "flags": ALONE}
        number, _, token = action.at.partition("/")
        await self._connection.call("POST", CALLBACK, body, interaction_id=number, interaction_token=token)

    async def close(self) -> None:
        await self._connection.close()


def _under(action: Action) -> dict[str, Any]:
    return {"message_id": action.message, "channel_id": action.chat, "fail_if_not_exists": False}


def to_action(told: Told, own: int) -> Action | None:
    """What was told means to us; None for what is no business of the desk's."""
    if told.interaction is not None:
        return _interaction(told.interaction)
    if told.reaction is not None:
        return _reaction(told.reaction, own)
    return _note(told.message, own) if told.message is not None else None


def _reaction(place: discord.RawReactionActionEvent, own: int) -> Action | None:
    meant = buttons.REACTIONS.get(str(place.emoji))
    if meant is None or place.user_id == own:
        return None
    verb, text = meant
    return Action(
        native_id=f"{place.message_id}:{place.user_id}:{place.emoji}",
        verb=verb,
        who=str(place.user_id),
        chat=str(place.channel_id),
        text=text,
        message=str(place.message_id),
    )


def _note(message: discord.Message, own: int) -> Action | None:
    """A reply to a message of ours, or a word in a thread that we have begun: if that is a card's, a note among us."""
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
    """A button, a window that was sent, or the command; what does not read so was not made by us."""
    data: Mapping[str, Any] = interaction.data or {}
    common: dict[str, Any] = {
        "native_id": str(interaction.id),
        "who": str(interaction.user.id),
        "at": f"{interaction.id}/{interaction.token}",
    }
    chat = str(interaction.channel_id or "")
    if interaction.type is discord.InteractionType.component:
        message = str(interaction.message.id) if interaction.message else ""
        return buttons.pressed(str(data.get("custom_id", "")), chat=chat, message=message, **common)
    if interaction.type is discord.InteractionType.modal_submit:
        return _written(data, common)
    if interaction.type is discord.InteractionType.application_command and data.get("name") == "ascolto":
        typed = next((str(option.get("value", "")) for option in data.get("options", ())), "")
        verb, text = commands.meant(typed)
        return Action(verb=verb, chat=chat, text=text, **common)
    return None


def _written(data: Mapping[str, Any], common: dict[str, Any]) -> Action | None:
    kind, _, rest = str(data.get("custom_id", "")).partition("|")
    case, _, chat = rest.partition("|")
    fields = [field for row in data.get("components", ()) for field in row.get("components", ())]
    text = next((str(field.get("value", "")) for field in fields if field.get("custom_id") == "text"), "")
    if kind != cards.EDITOR or not case.isdigit():
        return None
    return Action(verb="draft", chat=chat, case=int(case), text=text, **common)
