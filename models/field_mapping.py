"""Other services' JSON, mapped to the fields of models/interchange.py by the settings of a webhook.

A mapping gives the path to each of our fields in their rows, by keys and indexes with dots between: `comment.user.login`,
`data.0.id`. Without any mapping the row is taken as it is.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from models.errors import OperatorError
from models.interchange import NESTED_TOO_DEEPLY, AuthorRecord, MentionRecord

EDIT: Final = frozenset({"edit", "edited", "update", "updated", "change", "changed", "modified", "modify", "revised"})
DELETION: Final = frozenset(
    {
        "deletion", "delete", "deleted", "remove", "removed", "destroy", "destroyed", "unpublish", "unpublished", "hide",
        "hidden", "trash", "trashed", "erased", "retracted", "withdrawn", "archived",
    }
)  # fmt: skip
POST: Final = frozenset(
    {
        "post", "posted", "create", "created", "new", "add", "added", "insert", "inserted", "publish", "published", "open",
        "opened", "submit", "submitted", "send", "sent", "receive", "received", "comment", "message", "mention", "review",
        "reply", "entry", "note", "issue", "question", "feedback", "article", "content", "item", "event", "ticket",
    }
)  # fmt: skip
_WORD_IN_NAME: Final = re.compile(r"[A-Z]?[a-z]+|[A-Z]+")
FIELDS: Final = (
    *(name for name in MentionRecord.__struct_fields__ if name not in ("author", "metrics")),
    *(f"author.{name}" for name in AuthorRecord.__struct_fields__),
    "kind",
)


class FieldMapping(msgspec.Struct, frozen=True, kw_only=True):
    """`items` is the path to a list of rows, empty where the body is one row or a list of them."""

    fields: Mapping[str, str] = {}
    items: str = ""


def require_known_fields(fields: Mapping[str, str]) -> None:
    unknown = [name for name in fields if name not in FIELDS]
    if unknown:
        raise OperatorError(f"There is no field {unknown[0]} to map.", f"Fields: {', '.join(FIELDS)}")


def rows(body: bytes, mapping: FieldMapping) -> list[Any]:
    """The rows of a body in our shape; raises ValueError where it is no JSON or has nothing at `items`."""
    try:
        content = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ValueError(str(error)) from error
    except RecursionError as error:
        raise ValueError(NESTED_TOO_DEEPLY) from error
    items = value_at(content, mapping.items) if mapping.items else content
    if items is None:
        raise ValueError(f"there is nothing at {mapping.items}")
    many = items if isinstance(items, list) else [items]
    return [map_row(row, mapping.fields) for row in many] if mapping.fields else many


def map_row(row: Any, fields: Mapping[str, str]) -> dict[str, Any]:
    """One row in our shape."""
    ours: dict[str, Any] = {}
    for name, path in fields.items():
        value = value_at(row, path)
        if value is None:
            continue
        group, _, key = name.rpartition(".")
        if group:
            ours.setdefault(group, {})[key] = value
        else:
            ours[name] = value
    return ours


def value_at(value: Any, path: str) -> Any:
    """The value at the end of a path, or None. A key may contain dots itself: the longest key that exists is taken."""
    return _value_at(value, path.split("."))


def _value_at(value: Any, steps: Sequence[str]) -> Any:
    if not steps:
        return value
    if isinstance(value, Mapping):
        for length in range(len(steps), 0, -1):
            key = ".".join(steps[:length])
            if key in value and (found := _value_at(value[key], steps[length:])) is not None:
                return found
    elif isinstance(value, Sequence) and not isinstance(value, str) and steps[0].isdigit():
        index = int(steps[0][:9])
        return _value_at(value[index], steps[1:]) if index < len(value) else None
    return None


def kind_of(row: Any) -> str:
    """`post`, `edit` or `deletion`, from what the sender calls it: `comment.deleted`, `MessageUpdated`, `create`.

    Raises ValueError for a kind that is none of them: it may be the deletion of something that must not stay.
    """
    name = str(row.get("kind") or "") if isinstance(row, Mapping) else ""
    words = {word.casefold() for word in _WORD_IN_NAME.findall(name[:100])}
    if words & DELETION:
        return "deletion"
    if words & EDIT:
        return "edit"
    if words <= POST:
        return "post"
    raise ValueError(f"unknown kind {name[:100]}: post, edit or deletion")
