"""A case's life: what is not in this graph cannot happen.

waiting ──claim──▶ claimed ──approve──▶ answering ──publish──▶ answered
   ▲  ◀─release/expire─┘ ▲ ◀──undo/fail────┘                      │
   │                     └──────────────── claim ◀── snoozed      │
   └────────── hear again (within REOPEN_WINDOW), reopen ─────────┘
"""

from datetime import timedelta
from typing import Final, Literal

from models.case import OPEN, State
from models.errors import Refused

Move = Literal[
    "claim", "assign", "release", "expire", "snooze", "wake", "dismiss", "approve", "undo", "fail", "publish", "answer",
    "reopen", "hear",
]  # fmt: skip

GRAPH: Final[dict[State, dict[Move, State]]] = {
    "waiting": {
        "claim": "claimed",
        "assign": "claimed",
        "snooze": "snoozed",
        "dismiss": "dismissed",
        "answer": "answered",
        "hear": "waiting",
    },
    "claimed": {
        "assign": "claimed",
        "release": "waiting",
        "expire": "waiting",
        "snooze": "snoozed",
        "dismiss": "dismissed",
        "approve": "answering",
        "answer": "answered",
        "hear": "claimed",
    },
    "snoozed": {
        "claim": "claimed",
        "assign": "claimed",
        "wake": "waiting",
        "dismiss": "dismissed",
        "answer": "answered",
        "hear": "waiting",
    },
    "answering": {"undo": "claimed", "fail": "claimed", "publish": "answered", "hear": "answering"},
    "answered": {"reopen": "waiting", "hear": "waiting"},
    "dismissed": {"reopen": "waiting", "hear": "waiting"},
}

REOPEN_WINDOW: Final = timedelta(days=7)
"""For so long after it ended a case is taken up again when its author goes on; later, a new one is opened."""


def after(state: State, move: Move) -> State:
    """The state that a move leads to; Refused where the graph has no such way."""
    try:
        return GRAPH[state][move]
    except KeyError:
        raise Refused("This cannot be done now: the case has moved on. Look at it again.") from None


def allows(state: State, move: Move) -> bool:
    return move in GRAPH[state]


def _check() -> None:
    """Holds at import: every state is reached from waiting, and from every state a case can end."""
    reached: set[State] = {"waiting"}
    while new := {to for state in reached for to in GRAPH[state].values()} - reached:
        reached |= new
    if reached != set(GRAPH):
        raise AssertionError(f"no way leads to {set(GRAPH) - reached}")
    for state in OPEN:
        seen: set[State] = {state}
        while new := {to for s in seen for to in GRAPH[s].values()} - seen:
            seen |= new
        if seen <= set(OPEN):
            raise AssertionError(f"no way leads out of {state}")


_check()
