"""How an action is declared, and what its handler is given."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Generic, Literal, TypeVar

import msgspec

from cards.outcome import Choice, Outcome
from languages import Translator, mark
from models.configuration import Member
from models.errors import Refused
from models.tables.case import Case
from publishing.context import ReplyContext
from triage.context import Context
from triage.lifecycle import Move, Stage

OUTDATED: Final = mark("This button is outdated. Use the newest card.")


@dataclass(frozen=True)
class TextInput:
    """A field of an action's form that is typed in the browser; `label` says what."""

    name: str
    label: str
    max_length: int
    required: bool = False


Permission = Callable[[Context, int, int], Awaitable[Case]]
"""(context, case, member) → the case, or Refused: one of triage/permissions.py."""
Form = TypeVar("Form")


@dataclass(frozen=True)
class ActionRequest:
    """Who acts, on which case and reply, in which language."""

    context: ReplyContext
    member_id: int
    member: Member
    t: Translator
    case: int | None = None
    reply: int | None = None
    revision: int | None = None

    @property
    def case_id(self) -> int:
        if self.case is None:
            raise Refused(OUTDATED)
        return self.case

    def done(self, message: str, **values: object) -> Outcome:
        return Outcome(message=self.t(message, **values), case=self.case)


def on_case(act: Callable[..., Awaitable[object]], message: str) -> Callable[[ActionRequest, Any], Awaitable[Outcome]]:
    """The handler of an action that is one function: (context, case id, member id, the form's fields in order)."""

    async def handler(request: ActionRequest, form: Any) -> Outcome:
        await act(request.context, request.case_id, request.member_id, *msgspec.structs.astuple(form))
        return request.done(message)

    return handler


@dataclass(frozen=True, kw_only=True)
class ActionSpec(Generic[Form]):
    """One thing a member can do.

    `form` is the msgspec struct of its arguments: the browser fills it from a form's fields, a chat puts the text of a button
    or a command into its field `argument`. Where that is missing or invalid, a chat offers `choices`; without any, `invalid`
    is the refusal. `stages` are those at which it is offered on a card, `move` what it does to the case (triage/lifecycle.py).
    `confirm` says whether a chat confirms it in words; the rest is seen on the card. `reactions` map an emoji on a card to the
    argument. `menu` is where the case's page offers it, with its choices and `inputs`, under the key `shortcut`.
    """

    verb: str
    label: str
    handler: Callable[[ActionRequest, Form], Awaitable[Outcome]]
    form: type[Form]
    icon: str = ""
    argument: str = ""
    invalid: str = OUTDATED
    choices: Callable[[ActionRequest], Awaitable[Sequence[Choice]]] | None = None
    permission: Permission | None = None
    stages: tuple[Stage, ...] = ()
    move: Move | None = None
    confirm: bool = False
    primary: bool = False
    reactions: tuple[tuple[str, str], ...] = ()
    menu: Literal["", "main", "more"] = ""
    inputs: tuple[TextInput, ...] = ()
    shortcut: str = ""

    def button(self, t: Translator) -> str:
        return f"{self.icon} {t(self.label)}".strip()


AnyAction = ActionSpec[Any]
