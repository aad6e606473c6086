"""Rendering: templates, and what they all may use."""

import hashlib
import re
from collections.abc import Sequence
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any, Final

import msgspec
from aiohttp import web
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from models.mention import MovedBy
from models.text import one_line, web_address
from triage import priority, wording
from web.visit import VISIT, Visit

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
    environment.globals.update(asset=asset, wording=wording, waiting=priority.waiting)
    environment.filters.update(safe_url=web_address, one_line=one_line, marked=marked, linked=linked)
    return environment


@cache
def asset(name: str) -> str:
    """The address of a static file, which changes with what is in it so that it can be kept for ever."""
    return f"/static/{name}?{hashlib.sha256((STATIC / name).read_bytes()).hexdigest()[:10]}"


def marked(text: str, moved: Sequence[MovedBy]) -> Markup:
    """A stranger's text, escaped, the words that moved the reader underlined."""
    words = {word.word for word in moved}
    pieces = (Markup("<mark>{}</mark>").format(p) if p in words else escape(p) for p in re.split(r"(\s+)", text))
    return Markup("").join(pieces)


def linked(line: str) -> Markup:
    """A line, escaped, the numbers of cases in it links to them."""
    pieces = re.split(r"(?<!\w)#(\d{1,9})\b", line)
    texts = (Markup('<a href="/cases/{0}">#{0}</a>').format(p) if n % 2 else escape(p) for n, p in enumerate(pieces))
    return Markup("").join(texts)


def render(visit: Visit, template: str, **values: Any) -> str:
    t = visit.t
    return (
        _environment()
        .get_template(template)
        .render(
            visit=visit,
            member=visit.member,
            _=t,
            count=t.count,
            t=t,
            now=visit.now,
            ago=lambda moment: t.ago(moment, visit.now),
            moment=lambda moment: t.moment(moment, visit.member.zone),
            **values,
        )
    )


def page(request: web.Request, template: str, *, status: int = 200, **values: Any) -> web.Response:
    return web.Response(text=render(request[VISIT], template, **values), content_type="text/html", status=status)


def plain_page(template: str, **values: Any) -> web.Response:
    """A page for somebody who is not signed in."""
    return web.Response(text=_environment().get_template(template).render(**values), content_type="text/html")


def toast(response: web.Response, sentence: str, *, refused: bool = False) -> web.Response:
    """Shows a sentence for a moment beside what the response holds."""
    said = {"toast": {"said": sentence, "refused": refused}}
    response.headers["HX-Trigger"] = msgspec.json.encode(said).decode("ascii", "backslashreplace")
    return response


def minutes_left(due: datetime, now: datetime) -> int:
    return int((due - now).total_seconds() // 60)
