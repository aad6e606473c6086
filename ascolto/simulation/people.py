"""The managers of the simulation: they see what their desk shows, current or outdated, and click, type and change their minds.

A manager's memory is stored outside the program, as a person's is: after a kill they go on from what they remember, click again
where nothing happened, and expect to find their draft.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from random import Random
from typing import Final, Literal

import msgspec

from ascolto.simulation.outside_world import Message, OutsideWorld
from cards.outcome import Outcome
from models.tables.action import Action

DESKS: Final = ("slack", "telegram", "discord", "web")
REPEAT_AFTER: Final = timedelta(seconds=60)
"""After which a manager clicks again."""
MAX_CLICKS: Final = 4
HELP_PAGE: Final = "https://ferroviola.example/aiuto"
REPLIES: Final = {
    "it": "{author} ci scusiamo per l'accaduto: trova aiuto qui {help} e restiamo a disposizione ({n}).",
    "ro": "{author} ne pare rău pentru cele întâmplate: găsiți ajutor aici {help} și vă stăm la dispoziție ({n}).",
    "en": "{author} we are sorry for what happened: you will find help here {help} and we are at hand ({n}).",
}
OTHER_ENDINGS: Final = (
    (0.06, "dismiss", "no-answer"),
    (0.04, "snooze", "60"),
    (0.02, "release", ""),
    (0.02, "assign", ""),
)
"""(probability, verb, text): how a manager ends their work on a case without a reply."""


class Memory(msgspec.Struct):
    """What a manager is doing: `typed` is what they wrote and have not seen published yet."""

    doing: Literal["nothing", "claiming", "thinking", "typing", "reading", "approving", "reviewing"] = "nothing"
    case: int = 0
    until: float = 0.0
    typed: str = ""
    reply: int = 0
    revision: int = 0
    chat: str = ""
    message: str = ""
    clicks: int = 0


EXPECTED: Final = frozenset(
    {("claiming", "claim"), ("typing", "draft"), ("typing", "edit"), ("approving", "approve"), ("reviewing", "review"),
     ("reviewing", "draft")}
)  # fmt: skip
"""(doing, verb) whose refusal ends a manager's work on a case."""


class Person:
    """One manager on one desk: `act` returns what they do now, `receive` what they do about a response."""

    def __init__(self, outside: OutsideWorld, slug: str, desk: str, *, approver: bool) -> None:
        self.slug = slug
        self.desk = desk
        self.approver = approver
        self._outside = outside
        self._actions = 0

    def act(self, now: datetime, rng: Random, visible: Sequence[Message]) -> list[Action]:
        memory = self._outside.memory(self.slug, Memory)
        actions = self._act(memory, now, rng, visible) if now.timestamp() >= memory.until else []
        self._outside.save_memory(self.slug, memory)
        if actions and rng.random() < 0.03:
            self._outside.count("clicks delivered twice")
            actions.append(actions[0])
        return actions

    def _act(self, memory: Memory, now: datetime, rng: Random, visible: Sequence[Message]) -> list[Action]:
        if memory.doing in ("claiming", "typing", "approving", "reviewing") and memory.clicks > MAX_CLICKS:
            self._outside.count("managers who gave up")
            self._pause(memory, now, rng)
            return []
        memory.clicks += 1
        if memory.doing == "nothing":
            return self._start(memory, now, rng, visible)
        if memory.doing == "claiming":
            return self._click(memory, now, "claim")
        if memory.doing == "thinking":
            return self._decide(memory, now, rng)
        if memory.doing == "typing":  # no preview came: is the draft still there?
            return self._click(memory, now, "edit")
        if memory.doing in ("reading", "approving"):
            memory.doing = "approving"
            return self._click(memory, now, "approve", reply=memory.reply, revision=memory.revision)
        return self._click(memory, now, "review")

    def _start(self, memory: Memory, now: datetime, rng: Random, visible: Sequence[Message]) -> list[Action]:
        """Claims one of the visible cards, not always the one a colleague claims; an approver reviews first."""
        memory.clicks = 0
        to_review = [m for m in visible if "review" in m.buttons] if self.approver else []
        unclaimed = [m for m in visible if "claim" in m.buttons]
        if not to_review and not unclaimed:
            memory.until = (now + timedelta(seconds=20)).timestamp()
            return []
        chosen = rng.choice((to_review or unclaimed)[:4])
        memory.case, memory.chat, memory.message = chosen.case, chosen.chat, str(chosen.id)
        memory.doing = "reviewing" if to_review else "claiming"
        return self._click(memory, now, "review" if to_review else "claim")

    def _decide(self, memory: Memory, now: datetime, rng: Random) -> list[Action]:
        roll = rng.random()
        for probability, verb, text in OTHER_ENDINGS:
            roll -= probability
            if roll < 0:
                case = memory.case
                self._pause(memory, now, rng)
                argument = f"m{rng.randrange(1, 6)}" if verb == "assign" else text
                return [self._action(memory, now, verb, case, argument)]
        extra: list[Action] = []
        if rng.random() < 0.05:
            extra.append(self._action(memory, now, "note", memory.case, "ne ho parlato con il deposito"))
        if rng.random() < 0.03:
            extra.append(self._action(memory, now, "escalate", memory.case, "meglio che lo sappia chi guida"))
        if rng.random() < 0.04:
            extra.append(self._action(memory, now, "correct", memory.case, "negative"))
        memory.typed = REPLIES[rng.choice(tuple(REPLIES))].format(
            author=f"@a{memory.case}", help=HELP_PAGE, n=rng.randrange(10_000)
        )
        memory.doing, memory.clicks = "typing", 0
        memory.until = (now + REPEAT_AFTER).timestamp()
        return [*extra, self._action(memory, now, "draft", memory.case, memory.typed)]

    def receive(self, action: Action, outcome: Outcome, now: datetime, rng: Random) -> list[Action]:
        """What a manager does at once about the response to an action."""
        memory = self._outside.memory(self.slug, Memory)
        current = action.case == memory.case or action.verb == "bulk_reply"
        actions = self._receive(memory, action, outcome, now, rng) if current else []
        self._outside.save_memory(self.slug, memory)
        return actions

    def _receive(self, memory: Memory, action: Action, outcome: Outcome, now: datetime, rng: Random) -> list[Action]:
        bulk_reply = next((choice for choice in outcome.choices if choice.verb == "bulk_reply"), None)
        if bulk_reply is not None:
            self._outside.count("bulk replies", int(bool(bulk_reply.text)))
            more = [self._action(memory, now, "bulk_reply", action.case or 0, bulk_reply.text)]
            return more if action.verb == "bulk_reply" else [*self._approved(memory, now, rng), *more]
        if outcome.refused:
            if (memory.doing, action.verb) in EXPECTED:
                self._outside.count(f"refused: {action.verb}")
                self._pause(memory, now, rng)
            return []
        if outcome.preview is not None and memory.doing in ("typing", "reviewing"):
            return self._read_preview(memory, outcome, now, rng)
        if memory.doing == "claiming" and action.verb == "claim":
            memory.doing, memory.clicks = "thinking", 0
            memory.until = (now + timedelta(seconds=rng.uniform(20, 80))).timestamp()
        elif memory.doing == "typing" and outcome.editor is not None:
            self._outside.count("drafts restored" if outcome.editor == memory.typed else "DRAFTS LOST")
            memory.until = (now + REPEAT_AFTER).timestamp()
            return [self._action(memory, now, "draft", memory.case, memory.typed)]
        elif memory.doing == "approving" and action.verb == "approve":
            return self._approved(memory, now, rng)
        return []

    def _approved(self, memory: Memory, now: datetime, rng: Random) -> list[Action]:
        """Sometimes they undo it."""
        case = memory.case
        self._pause(memory, now, rng)
        if rng.random() >= 0.04:
            return []
        self._outside.count("undone")
        memory.doing, memory.case, memory.until = "thinking", case, (now + timedelta(seconds=30)).timestamp()
        return [self._action(memory, now, "undo", case)]

    def _read_preview(self, memory: Memory, outcome: Outcome, now: datetime, rng: Random) -> list[Action]:
        """Reads what would be published, then approves; an approver sends some back, and edits some first."""
        preview = outcome.preview
        if preview is None or any(finding.blocks for finding in preview.findings):
            self._pause(memory, now, rng)
            return []
        if memory.doing == "reviewing":
            if not preview.can_approve or rng.random() < 0.1:
                case = memory.case
                self._pause(memory, now, rng)
                return [self._action(memory, now, "send_back", case)] if preview.can_approve else []
            if not memory.typed and rng.random() < 0.2:
                memory.typed = f"{preview.text} Grazie."
                memory.until = (now + REPEAT_AFTER).timestamp()
                return [self._action(memory, now, "draft", memory.case, memory.typed)]
        if memory.doing == "typing" and rng.random() < 0.08:  # interrupted, they come back to it later
            memory.until = (now + timedelta(seconds=rng.uniform(60, 300))).timestamp()
            return []
        memory.doing, memory.clicks = "reading", 0
        memory.reply, memory.revision = preview.reply, preview.revision
        memory.until = (now + timedelta(seconds=rng.uniform(5, 20))).timestamp()
        return []

    def _pause(self, memory: Memory, now: datetime, rng: Random) -> None:
        memory.doing, memory.typed, memory.case, memory.clicks = "nothing", "", 0, 0
        memory.until = (now + timedelta(seconds=rng.uniform(5, 20))).timestamp()

    def _click(
        self, memory: Memory, now: datetime, verb: str, reply: int | None = None, revision: int | None = None
    ) -> list[Action]:
        memory.until = (now + REPEAT_AFTER).timestamp()
        return [self._action(memory, now, verb, memory.case, reply=reply, revision=revision)]

    def _action(
        self, memory: Memory, now: datetime, verb: str, case: int, text: str = "", reply: int | None = None,
        revision: int | None = None,
    ) -> Action:  # fmt: skip
        self._actions += 1
        return Action(
            native_id=f"{self.slug}:{now.timestamp()}:{self._actions}",
            verb=verb,
            who=self.slug,
            chat=memory.chat,
            case=case,
            text=text,
            reply=reply,
            revision=revision,
            message=memory.message,
        )
