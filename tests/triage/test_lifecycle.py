import pytest

from models.errors import Refused
from models.tables.case import OPEN
from triage.lifecycle import GRAPH, next_state


def test_a_move_that_is_not_in_the_graph_is_refused():
    with pytest.raises(Refused):
        next_state("answered", "approve")
    with pytest.raises(Refused):
        next_state("waiting", "publish")


def test_only_an_approval_leads_to_publication():
    edges = {(state, move) for state, moves in GRAPH.items() for move, to in moves.items() if to == "publishing"}
    assert edges == {("claimed", "approve"), ("publishing", "receive")}


def test_every_open_case_receives_further_posts():
    assert all("receive" in GRAPH[state] for state in OPEN)
