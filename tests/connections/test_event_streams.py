from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connections.event_streams import EventStream, ServerEvent
from models.errors import Unavailable


def parsed(*chunks: bytes, max_bytes: int = 10_000) -> list[ServerEvent]:
    stream = EventStream(max_bytes)
    return [event for chunk in chunks for event in stream.feed(chunk)]


def test_events_are_separated_by_empty_lines():
    assert parsed(b"event: update\ndata: {}\n\nevent: delete\ndata: 7\n\n") == [
        ServerEvent("update", "{}"),
        ServerEvent("delete", "7"),
    ]


@pytest.mark.parametrize(
    ("lines", "events"),
    [
        (b":comment\n\n", []),
        (b"data: one\ndata: two\n\n", [ServerEvent("message", "one\ntwo")]),
        (b"data\n\n", [ServerEvent("message", "")]),
        (b"data:  two blanks\n\n", [ServerEvent("message", " two blanks")]),
        (b"data:no blank\n\n", [ServerEvent("message", "no blank")]),
        (b"data: a: b\n\n", [ServerEvent("message", "a: b")]),
        (b"event: no data\n\ndata: x\n\n", [ServerEvent("message", "x")]),
        (b"id: 7\nretry: 10\nunknown: field\ndata: x\n\n", [ServerEvent("message", "x")]),
        (b"\xef\xbb\xbfdata: marked\n\n", [ServerEvent("message", "marked")]),
        (b"data: \xff\xfe\n\n", [ServerEvent("message", "\ufffd\ufffd")]),
        (b"data: never ended\n", []),
        (
            b"data: a\r\rdata: b\r\n\r\ndata: c\n\n",
            [ServerEvent("message", "a"), ServerEvent("message", "b"), ServerEvent("message", "c")],
        ),
    ],
)
def test_lines_are_parsed_as_in_the_standard(lines: bytes, events: list[ServerEvent]):
    assert parsed(lines) == events


STREAM = (
    '\ufeff:ok\r\n\r\nevent: update\r\ndata: {"a": "șțăîâ 🚆"}\r\n\r\n:comment\n\nevent: delete\rdata: 12\r\r'.encode()
)


@given(st.lists(st.integers(0, len(STREAM)), max_size=12))
def test_chunks_of_any_size_are_the_same_events(cuts: list[int]):
    positions = [0, *sorted(cuts), len(STREAM)]
    chunks = [STREAM[a:b] for a, b in pairwise(positions)]
    assert parsed(*chunks) == [ServerEvent("update", '{"a": "șțăîâ 🚆"}'), ServerEvent("delete", "12")]


@pytest.mark.parametrize("lines", [b"data: " + b"x" * 2_000, b"data: xxxxxxxx\n" * 300, b"event" * 400])
def test_an_event_that_is_too_long_raises_unavailable(lines: bytes):
    with pytest.raises(Unavailable):
        parsed(lines, max_bytes=1_000)


def test_the_limit_is_for_each_event():
    assert len(parsed(b"data: xxxxxxxx\n\n" * 300, max_bytes=1_000)) == 300
