from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as some

from connections.eventstreams import EventStream, Sent
from models.errors import Unavailable


def fed(*pieces: bytes, longest: int = 10_000) -> list[Sent]:
    events = EventStream(longest)
    return [sent for piece in pieces for sent in events.feed(piece)]


def test_an_event_is_what_stands_between_empty_lines():
    assert fed(b"event: update\ndata: {}\n\nevent: delete\ndata: 7\n\n") == [Sent("update", "{}"), Sent("delete", "7")]


@pytest.mark.parametrize(
    ("said", "found"),
    [
        (b":thump\n\n", []),
        (b"data: one\ndata: two\n\n", [Sent("message", "one\ntwo")]),
        (b"data\n\n", [Sent("message", "")]),
        (b"data:  two blanks\n\n", [Sent("message", " two blanks")]),
        (b"data:no blank\n\n", [Sent("message", "no blank")]),
        (b"data: a: b\n\n", [Sent("message", "a: b")]),
        (b"event: lonely\n\ndata: x\n\n", [Sent("message", "x")]),
        (b"id: 7\nretry: 10\nnobody: knows\ndata: x\n\n", [Sent("message", "x")]),
        (b"\xef\xbb\xbfdata: marked\n\n", [Sent("message", "marked")]),
        (b"data: \xff\xfe\n\n", [Sent("message", "\ufffd\ufffd")]),
        (b"data: never ended\n", []),
        (b"data: a\r\rdata: b\r\n\r\ndata: c\n\n", [Sent("message", "a"), Sent("message", "b"), Sent("message", "c")]),
    ],
)
def test_the_lines_are_read_as_the_standard_says(said: bytes, found: list[Sent]):
    assert fed(said) == found


STREAM = (
    '\ufeff:ok\r\n\r\nevent: update\r\ndata: {"a": "șțăîâ 🚆"}\r\n\r\n:thump\n\nevent: delete\rdata: 12\r\r'.encode()
)


@given(some.lists(some.integers(0, len(STREAM)), max_size=12))
def test_where_the_network_cuts_it_changes_nothing(cuts: list[int]):
    places = [0, *sorted(cuts), len(STREAM)]
    pieces = [STREAM[a:b] for a, b in pairwise(places)]
    assert fed(*pieces) == [Sent("update", '{"a": "șțăîâ 🚆"}'), Sent("delete", "12")]


@pytest.mark.parametrize("said", [b"data: " + b"x" * 2_000, b"data: xxxxxxxx\n" * 300, b"event" * 400])
def test_an_event_without_an_end_is_given_up(said: bytes):
    with pytest.raises(Unavailable):
        fed(said, longest=1_000)


def test_many_short_events_are_no_long_one():
    assert len(fed(b"data: xxxxxxxx\n\n" * 300, longest=1_000)) == 300
