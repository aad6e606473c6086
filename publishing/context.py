"""The transaction context with what replies are checked by."""

from dataclasses import dataclass

from publishing.checks import Checker
from triage.context import Context


@dataclass(frozen=True)
class ReplyContext(Context):
    checker: Checker
