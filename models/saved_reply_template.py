"""Saved replies are filled, never run: names in double braces, and sections that appear only when a name has a value.

Jinja2's sandbox does the work; what it could do beyond that is rejected before a text is stored.
"""

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Final

from jinja2 import DebugUndefined, Template, TemplateSyntaxError, nodes
from jinja2.sandbox import ImmutableSandboxedEnvironment

FILLED: Final = ("author", "name", "brand", "link")
"""The placeholders Ascolto fills in: the handle, the name, the brand's name, its help page."""

# No autoescaping: the result is plain text, escaped by whatever shows it. An unknown placeholder stays visible as written.
_JINJA = ImmutableSandboxedEnvironment(undefined=DebugUndefined, autoescape=False, keep_trailing_newline=False)
_JINJA.globals.clear()  # `range` or `dict` are placeholders like any other
_RESERVED = frozenset({"self", "loop", "caller", "varargs", "kwargs", "true", "false", "none", "True", "False", "None"})
"""Names that Jinja2 fills in itself."""
MAX_TEMPLATE: Final = 20_000
"""Characters."""
MAX_EXPRESSION: Final = 200
_EXPRESSION: Final = re.compile(r"\{[{%].*?(?:[%}]\}|\Z)", re.DOTALL)
MAX_NESTING: Final = 20
"""Of sections in one another."""
_ALLOWED = (nodes.Template, nodes.Output, nodes.TemplateData, nodes.Name, nodes.If)


def syntax_error(text: str) -> str | None:
    """What is wrong with a saved reply, or None."""
    if len(text) > MAX_TEMPLATE:
        return f"it is longer than {MAX_TEMPLATE} characters"
    if text.count("{%") > 2 * MAX_NESTING:
        return f"it has more than {MAX_NESTING} sections"
    if any(len(part) > MAX_EXPRESSION for part in _EXPRESSION.findall(text)):
        return f"between braces there are more than {MAX_EXPRESSION} characters"
    try:
        tree = _JINJA.parse(text)
    except TemplateSyntaxError as error:
        return f"{error.message} (line {error.lineno})"
    except (RecursionError, ValueError):
        return "it cannot be read"
    for name in tree.find_all(nodes.Name):
        if name.name in _RESERVED:
            return f"{name.name} cannot be a placeholder (line {name.lineno})"
    for node in tree.find_all(nodes.Node):
        if not isinstance(node, _ALLOWED):
            return f"only {{{{ names }}}} and {{% if name %}} are allowed (line {node.lineno})"
    return None


def open_placeholders(text: str) -> list[str]:
    """The placeholders that Ascolto does not fill in: whoever answers does."""
    names = {node.name for node in _JINJA.parse(text).find_all(nodes.Name)}
    return sorted(names - {*FILLED})


def fill(text: str, values: Mapping[str, str]) -> str:
    """The text with its placeholders filled in once; values are inserted as text, whatever syntax they contain."""
    return _template(text).render({name: value for name, value in values.items() if value}).strip()


@lru_cache(maxsize=512)
def _template(text: str) -> Template:
    return _JINJA.from_string(text)
