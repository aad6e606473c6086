"""Server-sent events: an answer that does not end, in which each event is a few lines of text.

https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation
"""

import re
from typing import Final

import msgspec

from models.errors import Unavailable

_ENDS: Final = re.compile(rb"\r\n|\n|\r")
_MARK: Final = b"\xef\xbb\xbf"


class Sent(msgspec.Struct, frozen=True):
    """One event; `name` is `message` where the stream gives none."""

    name: str
    data: str


class EventStream:
    """Cuts what comes, in whatever pieces it comes, into events. What ids and waiting times are sent is not kept."""

    def __init__(self, longest: int) -> None:
        """`longest` bounds one event, in bytes."""
        self._longest = longest
        self._line = b""
        self._after_return = False
        self._first = True
        self._name = ""
        self._data: list[bytes] = []

    def feed(self, piece: bytes) -> list[Sent]:
        """The events that end in this piece. Raises Unavailable where one is longer than allowed."""
        if self._after_return:
            piece = piece.removeprefix(b"\n")
        self._after_return = piece.endswith(b"\r") or (self._after_return and not piece)
        *lines, rest = _ENDS.split(piece)
        found = []
        for line in lines:
            whole, self._line = self._line + line, b""
            if (sent := self._read(whole)) is not None:
                found.append(sent)
            self._bound()
        self._line += rest
        self._bound()
        return found

    def _bound(self) -> None:
        if len(self._line) + sum(map(len, self._data)) > self._longest:
            raise Unavailable(f"An event is longer than {self._longest / 1e6:g} MB.")

    def _read(self, line: bytes) -> Sent | None:
        if self._first:
            self._first, line = False, line.removeprefix(_MARK)
        if not line:
            name, data, self._name, self._data = self._name, self._data, "", []
            return Sent(name or "message", b"\n".join(data).decode(errors="replace")) if data else None
        field, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if field == b"event":
            self._name = value.decode(errors="replace")
        elif field == b"data":
            self._data.append(value)
        return None
