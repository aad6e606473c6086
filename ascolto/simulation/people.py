"""The managers of the simulation: they see what stands on their desk, right or stale, and click, type and change their minds.

A manager's mind is kept outside the house, as a person's is: after a kill they go on from what they remember, press again what
brought no answer, and expect to find their draft.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from random import Random
from typing import Final, Literal

import msgspec

from ascolto.simulation.far import Far, Message
from models.desk import Action, Verb
from triage.desking import Outcome

DESKS: Final = ("slack", "telegram", "discord", "web")
PATIENCE: Final = timedelta(seconds=60)
"""After which a manager presses again."""
HELP: Final = "https://ferroviola.example/aiuto"
TEXTS: Final = {
    "it": "{author} ci scusiamo per l'accaduto: trova aiuto qui {help} e restiamo a disposizione ({n}).",
    "ro": "{author} ne pare rău pentru cele întâmplate: găsiți ajutor aici {help} și vă stăm la dispoziție ({n}).",
    "en": "{author} we are sorry for what happened: you will find help here {help} and we are at hand ({n}).",
}
ASIDE: Final[tuple[tuple[float, Verb, str], ...]] = (
    (0.06, "dismiss", "no-answer"),
    (0.04, "snooze", "60"),
    (0.02, "release", ""),
    (0.02, "assign", ""),
)
"""How often a manager ends their work on a case in another way than by an answer."""


class Mind(msgspec.Struct):
    """What a manager is about: `typed` is what they wrote and have not yet seen published."""

    doing: Literal["nothing", "claiming", "thinking", "typing", "looking", "approving", "reviewing"] = "nothing"
    case: int = 0
    until: float = 0.0
    typed: str = ""
    reply: int = 0
    revision: int = 0
    chat: str = ""
    message: str = ""
    presses: int = 0


class Person:
    """One manager on one desk. `act` gives what they do now; `told` is what the desk answers them."""

    def __init__(self, far: Far, slug: str, desk: str, *, approver: bool) -> None:
        self.slug = slug
        self.desk = desk
        self.approver = approver
        self._far = far
        self._numbers = 0

    def act(self, now: datetime, chance: Random, seen: Sequence[Message]) -> list[Action]:
        mind = self._far.mind(self.slug, Mind)
        found = self._act(mind, now, chance, seen) if now.timestamp() >= mind.until else []
        self._far.keep_mind(self.slug, mind)
        if found and chance.random() < 0.03:
            self._far.count("clicks told twice")
            found.append(found[0])
        return found

    def _act(self, mind: Mind, now: datetime, chance: Random, seen: Sequence[Message]) -> list[Action]:
        if mind.doing in ("claiming", "typing", "approving", "reviewing") and mind.presses > 4:
            self._far.count("managers who gave up")
            self._rest(mind, now, chance)
            return []
        mind.presses += 1
        if mind.doing == "nothing":
            return self._begin(mind, now, chance, seen)
        if mind.doing == "claiming":
            return self._press(mind, now, "claim")
        if mind.doing == "thinking":
            return self._decide(mind, now, chance)
        if mind.doing == "typing":  # no preview came: is the draft still there?
            return self._press(mind, now, "edit")
        if mind.doing == "looking" or mind.doing == "approving":
            mind.doing = "approving"
            return self._press(mind, now, "approve", reply=mind.reply, revision=mind.revision)
        return self._press(mind, now, "review")

    def _begin(self, mind: Mind, now: datetime, chance: Random, seen: Sequence[Message]) -> list[Action]:
        """Takes one of the cards in sight, not always the same as a colleague; an approver first looks at what waits."""
        mind.presses = 0
        waiting = [m for m in seen if "review" in m.buttons] if self.approver else []
        free = [m for m in seen if "claim" in m.buttons]
        if not waiting and not free:
            mind.until = (now + timedelta(seconds=20)).timestamp()
            return []
        chosen = chance.choice((waiting or free)[:4])
        mind.case, mind.chat, mind.message = chosen.case, chosen.chat, str(chosen.address)
        mind.doing = "reviewing" if waiting else "claiming"
        return self._press(mind, now, "review" if waiting else "claim")

    def _decide(self, mind: Mind, now: datetime, chance: Random) -> list[Action]:
        dice = chance.random()
        for share, verb, text in ASIDE:
            dice -= share
            if dice < 0:
                case = mind.case
                self._rest(mind, now, chance)
                colleague = f"m{chance.randrange(1, 6)}" if verb == "assign" else text
                return [self._action(mind, now, verb, case, colleague)]
        extra: list[Action] = []
        if chance.random() < 0.05:
            extra.append(self._action(mind, now, "note", mind.case, "ne ho parlato con il deposito"))
        if chance.random() < 0.03:
            extra.append(self._action(mind, now, "escalate", mind.case, "meglio che lo sappia chi guida"))
        if chance.random() < 0.04:
            extra.append(self._action(mind, now, "correct", mind.case, "negative"))
        mind.typed = TEXTS[chance.choice(tuple(TEXTS))].format(
            author=f"@a{mind.case}", help=HELP, n=chance.randrange(10_000)
        )
        mind.doing, mind.presses = "typing", 0
        mind.until = (now + PATIENCE).timestamp()
        return [*extra, self._action(mind, now, "draft", mind.case, mind.typed)]

    def told(self, action: Action, outcome: Outcome, now: datetime, chance: Random) -> list[Action]:
        """What a manager makes of an answer; what they do at once because of it."""
        mind = self._far.mind(self.slug, Mind)
        theirs = action.case == mind.case or action.verb == "answer_storm"
        found = self._told(mind, action, outcome, now, chance) if theirs else []
        self._far.keep_mind(self.slug, mind)
        return found

    def _told(self, mind: Mind, action: Action, outcome: Outcome, now: datetime, chance: Random) -> list[Action]:
        storm = next((choice for choice in outcome.choices if choice.verb == "answer_storm"), None)
        if storm is not None:
            self._far.count("storms answered at once", int(bool(storm.text)))
            more = [self._action(mind, now, "answer_storm", action.case or 0, storm.text)]
            return more if action.verb == "answer_storm" else [*self._said_yes(mind, now, chance), *more]
        if outcome.refused:
            if (mind.doing, action.verb) in ASKED:
                self._far.count(f"refused: {action.verb}")
                self._rest(mind, now, chance)
            return []
        if outcome.preview is not None and mind.doing in ("typing", "reviewing"):
            return self._look(mind, outcome, now, chance)
        if mind.doing == "claiming" and action.verb == "claim":
            mind.doing, mind.presses = "thinking", 0
            mind.until = (now + timedelta(seconds=chance.uniform(20, 80))).timestamp()
        elif mind.doing == "typing" and outcome.editor is not None:
            self._far.count("drafts found again" if outcome.editor == mind.typed else "DRAFTS LOST")
            mind.until = (now + PATIENCE).timestamp()
            return [self._action(mind, now, "draft", mind.case, mind.typed)]
        elif mind.doing == "approving" and action.verb == "approve":
            return self._said_yes(mind, now, chance)
        return []

    def _said_yes(self, mind: Mind, now: datetime, chance: Random) -> list[Action]:
        """Now and then they think better of it."""
        case = mind.case
        self._rest(mind, now, chance)
        if chance.random() >= 0.04:
            return []
        self._far.count("taken back")
        mind.doing, mind.case, mind.until = "thinking", case, (now + timedelta(seconds=30)).timestamp()
        return [self._action(mind, now, "undo", case)]

    def _look(self, mind: Mind, outcome: Outcome, now: datetime, chance: Random) -> list[Action]:
        """Reads what would be published, and then says yes; an approver sends some back, and changes some first."""
        shown = outcome.preview
        if shown is None or any(finding.stops for finding in shown.findings):
            self._rest(mind, now, chance)
            return []
        if mind.doing == "reviewing":
            if not shown.may_second or chance.random() < 0.1:
                case = mind.case
                self._rest(mind, now, chance)
                return [self._action(mind, now, "send_back", case)] if shown.may_second else []
            if not mind.typed and chance.random() < 0.2:
                mind.typed = f"{shown.text} Grazie."
                mind.until = (now + PATIENCE).timestamp()
                return [self._action(mind, now, "draft", mind.case, mind.typed)]
        if mind.doing == "typing" and chance.random() < 0.08:  # called away, they come back to it later
            mind.until = (now + timedelta(seconds=chance.uniform(60, 300))).timestamp()
            return []
        mind.doing, mind.presses = "looking", 0
        mind.reply, mind.revision = shown.reply, shown.revision
        mind.until = (now + timedelta(seconds=chance.uniform(5, 20))).timestamp()
        return []

    def _rest(self, mind: Mind, now: datetime, chance: Random) -> None:
        mind.doing, mind.typed, mind.case, mind.presses = "nothing", "", 0, 0
        mind.until = (now + timedelta(seconds=chance.uniform(5, 20))).timestamp()

    def _press(
        self, mind: Mind, now: datetime, verb: Verb, reply: int | None = None, revision: int | None = None
    ) -> list[Action]:
        mind.until = (now + PATIENCE).timestamp()
        return [self._action(mind, now, verb, mind.case, reply=reply, revision=revision)]

    def _action(
        self, mind: Mind, now: datetime, verb: Verb, case: int, text: str = "", reply: int | None = None,
        revision: int | None = None,
    ) -> Action:  # fmt: skip
        self._numbers += 1
        return Action(
            native_id=f"{self.slug}:{now.timestamp()}:{self._numbers}",
            verb=verb,
            who=self.slug,
            chat=mind.chat,
            case=case,
            text=text,
            reply=reply,
            revision=revision,
            message=mind.message,
        )


ASKED: Final = frozenset(
    {("claiming", "claim"), ("typing", "draft"), ("typing", "edit"), ("approving", "approve"), ("reviewing", "review"),
     ("reviewing", "draft")}
)  # fmt: skip
