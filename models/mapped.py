"""Other people's JSON, brought into the shape of models/exported.py by a few lines of settings.

A map names for each field of ours the way to it in theirs, by keys and numbers with dots between: `comment.user.login`,
`data.0.id`. What has no way there stays as it is where there is no map at all, and is missing otherwise.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from models.exported import TOO_DEEP

EDIT: Final = frozenset({"edit", "edited", "update", "updated", "changed"})
DELETION: Final = frozenset({"deletion", "delete", "deleted", "remove", "removed", "destroyed"})


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """`items` is the way to a list of rows, empty where the body is one row or a list of them."""

    fields: Mapping[str, str] = {}
    items: str = ""


def rows(body: bytes, wanted: Wanted) -> list[Any]:
    """The rows of a body in our shape; raises ValueError for what is no JSON or has nothing at `items`."""
    try:
        said = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ValueError(str(error)) from error
    except RecursionError as error:
        raise ValueError(TOO_DEEP) from error
    found = reached(said, wanted.items) if wanted.items else said
    if found is None:
        raise ValueError(f"there is nothing at {wanted.items}")
    many = found if isinstance(found, list) else [found]
    return [mapped(row, wanted.fields) for row in many] if wanted.fields else many


def mapped(row: Any, fields: Mapping[str, str]) -> dict[str, Any]:
    """One row in our shape."""
    ours: dict[str, Any] = {}
    for name, way in fields.items():
        value = reached(row, way)
        if value is None:
            continue
        group, _, key = name.rpartition(".")
        if group:
            ours.setdefault(group, {})[key] = value
        else:
            ours[name] = value
    return ours


def reached(said: Any, way: str) -> Any:
    """What stands at the end of a way, or None."""
    for step in way.split("."):
        if isinstance(said, Mapping):
            said = said.get(step)
        elif isinstance(said, Sequence) and not isinstance(said, str) and step.isdigit() and int(step) < len(said):
            said = said[int(step)]
        else:
            return None
    return said


def kind_of(row: Any) -> str:
    """`post`, `edit` or `deletion`, from what the sender calls it."""
    said = str(row.get("kind", "")).casefold() if isinstance(row, Mapping) else ""
    return "edit" if said in EDIT else "deletion" if said in DELETION else "post"
