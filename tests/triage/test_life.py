import pytest

from models.case import OPEN
from models.errors import Refused
from triage.life import GRAPH, after


def test_what_is_not_in_the_graph_cannot_happen():
    with pytest.raises(Refused):
        after("answered", "approve")
    with pytest.raises(Refused):
        after("waiting", "publish")


def test_only_an_approval_leads_to_publication():
    ways_in = {(state, move) for state, moves in GRAPH.items() for move, to in moves.items() if to == "answering"}
    assert ways_in == {("claimed", "approve"), ("answering", "hear")}


def test_every_open_case_hears_its_author_go_on():
    assert all("hear" in GRAPH[state] for state in OPEN)
