"""Server-sent events: a response that does not end, in which each event is a few lines of text.

https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation
"""

import re
from typing import Final

import msgspec

from models.errors import Unavailable

_LINE_ENDS: Final = re.compile(rb"\r\n|\n|\r")
_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"


class ServerEvent(msgspec.Struct, frozen=True):
    """One event; `name` is `message` where the stream gives none."""

    name: str
    data: str


class EventStream:
    """Parses chunks of any size into events. Ids and retry times are ignored."""

    def __init__(self, max_bytes: int) -> None:
        """`max_bytes` limits one event."""
        self._max_bytes = max_bytes
        self._line = b""
        self._after_carriage_return = False
        self._first = True
        self._name = ""
        self._data: list[bytes] = []

    def feed(self, chunk: bytes) -> list[ServerEvent]:
        """The events that end in this chunk. Raises Unavailable where one is too long."""
        if self._after_carriage_return:
            chunk = chunk.removeprefix(b"\n")
        self._after_carriage_return = chunk.endswith(b"\r") or (self._after_carriage_return and not chunk)
        *lines, rest = _LINE_ENDS.split(chunk)
        events = []
        for line in lines:
            complete, self._line = self._line + line, b""
            if (event := self._read(complete)) is not None:
                events.append(event)
            self._check_size()
        self._line += rest
        self._check_size()
        return events

    def _check_size(self) -> None:
        if len(self._line) + sum(map(len, self._data)) > self._max_bytes:
            raise Unavailable(f"An event is longer than {self._max_bytes / 1e6:g} MB.")

    def _read(self, line: bytes) -> ServerEvent | None:
        if self._first:
            self._first, line = False, line.removeprefix(_BYTE_ORDER_MARK)
        if not line:
            name, data, self._name, self._data = self._name, self._data, "", []
            return ServerEvent(name or "message", b"\n".join(data).decode(errors="replace")) if data else None
        field, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if field == b"event":
            self._name = value.decode(errors="replace")
        elif field == b"data":
            self._data.append(value)
        return None
