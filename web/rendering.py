"""Rendering: templates, and what they all may use."""

import hashlib
import json
import re
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any, Final

from aiohttp import web
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from actions.table import ACTIONS, is_possible
from models.tables.mention import InfluentialWord
from models.text import one_line, safe_url
from triage import labels
from web.viewer import VIEWER, Viewer

MENU: web.AppKey[list[tuple[str, str]]] = web.AppKey("menu", list)
"""(path, label) of the pages in the navigation, from the table of routes."""
FOLDER: Final = Path(__file__).parent
STATIC: Final = FOLDER / "static"


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(FOLDER / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals.update(asset=asset, labels=labels, actions=ACTIONS, is_possible=is_possible)
    environment.filters.update(safe_url=safe_url, one_line=one_line, highlighted=highlighted, with_links=with_links)
    return environment


@cache
def asset(name: str) -> str:
    """The address of a static file, which changes with its content so that it can be cached forever."""
    return f"/static/{name}?{hashlib.sha256((STATIC / name).read_bytes()).hexdigest()[:10]}"


def highlighted(text: str, words: Sequence[InfluentialWord]) -> Markup:
    """An author's text, escaped, with the words that influenced the sentiment marked."""
    influential = {word.word for word in words}
    parts = (Markup("<mark>{}</mark>").format(p) if p in influential else escape(p) for p in re.split(r"(\s+)", text))
    return Markup("").join(parts)


def with_links(line: str) -> Markup:
    """A line, escaped, with case numbers as links."""
    parts = re.split(r"(?<!\w)#(\d{1,9})\b", line)
    texts = (Markup('<a href="/cases/{0}">#{0}</a>').format(p) if n % 2 else escape(p) for n, p in enumerate(parts))
    return Markup("").join(texts)


def render(viewer: Viewer, template: str, **values: Any) -> str:
    t = viewer.t
    return (
        _environment()
        .get_template(template)
        .render(
            viewer=viewer,
            member=viewer.member,
            _=t,
            count=t.count,
            t=t,
            now=viewer.now,
            ago=lambda moment: t.ago(moment, viewer.now),
            moment=lambda moment: t.moment(moment, viewer.member.zone),
            **values,
        )
    )


def page(request: web.Request, template: str, **values: Any) -> web.Response:
    navigation = {"menu": request.app[MENU], "path": request.path}
    return web.Response(text=render(request[VIEWER], template, **navigation, **values), content_type="text/html")


def plain_page(template: str, **values: Any) -> web.Response:
    """A page for somebody who is not signed in."""
    return web.Response(text=_environment().get_template(template).render(**values), content_type="text/html")


def with_toast(response: web.Response, message: str, *, refused: bool = False) -> web.Response:
    """Shows a sentence for a moment beside what the response contains."""
    trigger = {"toast": {"message": message, "refused": refused}}
    response.headers["HX-Trigger"] = json.dumps(trigger)  # ASCII: headers know no other letters
    return response
