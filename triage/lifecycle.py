"""The life of a case: what is not in this graph cannot happen.

waiting ──claim──▶ claimed ──approve──▶ publishing ──publish──▶ answered
   ▲  ◀─release/expire─┘ ▲ ◀──undo/fail────┘                       │
   │                     └──────────────── claim ◀── snoozed       │
   └── receive (within REOPEN_WINDOW), reopen ─────────────────────┘
"""

from collections.abc import Collection
from datetime import timedelta
from typing import Final, Literal

from models.errors import Refused
from models.tables.case import OPEN, State
from models.tables.reply import ReplyState

Move = Literal[
    "claim", "assign", "release", "expire", "snooze", "end snooze", "dismiss", "approve", "undo", "fail", "publish",
    "answer", "reopen", "receive",
]  # fmt: skip

GRAPH: Final[dict[State, dict[Move, State]]] = {
    "waiting": {
        "claim": "claimed",
        "assign": "claimed",
        "snooze": "snoozed",
        "dismiss": "dismissed",
        "answer": "answered",
        "receive": "waiting",
    },
    "claimed": {
        "assign": "claimed",
        "release": "waiting",
        "expire": "waiting",
        "snooze": "snoozed",
        "dismiss": "dismissed",
        "approve": "publishing",
        "answer": "answered",
        "receive": "claimed",
    },
    "snoozed": {
        "claim": "claimed",
        "assign": "claimed",
        "snooze": "snoozed",
        "end snooze": "waiting",
        "dismiss": "dismissed",
        "answer": "answered",
        "receive": "waiting",
    },
    "publishing": {"undo": "claimed", "fail": "claimed", "publish": "answered", "receive": "publishing"},
    "answered": {"reopen": "waiting", "receive": "waiting"},
    "dismissed": {"reopen": "waiting", "receive": "waiting"},
}

REOPEN_WINDOW: Final = timedelta(days=7)
"""How long after its end a case is reopened by another post of its author; later, a new one is opened."""

Stage = Literal["waiting", "snoozed", "claimed", "failed", "proposed", "scheduled", "sending", "unknown", "ended"]
"""What a case and its replies are waiting for, as buttons and editors show it: `failed`, `proposed`, `scheduled` (approved, can
be undone), `sending` and `unknown` are about the reply."""
STATE_OF: Final[dict[Stage, tuple[State, ...]]] = {
    "waiting": ("waiting",),
    "snoozed": ("snoozed",),
    "claimed": ("claimed",),
    "failed": ("claimed",),
    "proposed": ("waiting", "claimed", "snoozed"),
    "scheduled": ("publishing",),
    "sending": ("publishing",),
    "unknown": ("publishing",),
    "ended": ("answered", "dismissed"),
}
"""The states of a case that is at each stage."""


def next_state(state: State, move: Move) -> State:
    """The state a move leads to; Refused where the graph has no such edge."""
    try:
        return GRAPH[state][move]
    except KeyError:
        raise Refused("The case has changed. Reload and retry.") from None


def allows(state: State, move: Move) -> bool:
    return move in GRAPH[state]


def stage(state: State, replies: Collection[ReplyState]) -> Stage:
    """The stage of a case in a state, with replies in theirs."""
    if "unknown" in replies:
        return "unknown"
    if state == "publishing":
        return "scheduled" if "approved" in replies else "sending"
    if state == "answered" or state == "dismissed":
        return "ended"
    if "proposed" in replies:
        return "proposed"
    if state == "claimed" and "failed" in replies:
        return "failed"
    return state


def _check() -> None:
    """At import: every state can be reached from waiting, and a case can end from every open state."""
    reached: set[State] = {"waiting"}
    while new := {to for state in reached for to in GRAPH[state].values()} - reached:
        reached |= new
    if reached != set(GRAPH):
        raise AssertionError(f"nothing leads to {set(GRAPH) - reached}")
    for state in OPEN:
        seen: set[State] = {state}
        while new := {to for s in seen for to in GRAPH[s].values()} - seen:
            seen |= new
        if seen <= set(OPEN):
            raise AssertionError(f"a case cannot end from {state}")


_check()
