"""Opening a case from a pasted permalink."""

from typing import Any
from urllib.parse import urlsplit

from aiohttp import web

from languages import mark
from models.errors import Refused
from models.incoming import IncomingAuthor, IncomingPost
from models.text import safe_url
from store import mentions
from store.mentions import BrandMatch, MatchedPost
from triage import case_actions
from web.forms import Form, read_form, row_id
from web.rendering import page
from web.viewer import VIEWER, FindPost, Viewer

FIND_POST: web.AppKey[FindPost] = web.AppKey("find_post", FindPost)  # type: ignore[arg-type]
MAX_URL = 2_000
BY_HAND = "manual"
"""In place of a connection's name."""


async def show(request: web.Request) -> web.Response:
    return _form_page(request)


async def submit(request: web.Request) -> web.Response:
    """From a stored mention, else from the post the platform returns, else from what was typed."""
    viewer = request[VIEWER]
    form = await read_form(request)
    url = safe_url(form.get("url", "").strip()[:MAX_URL])
    brand_id = row_id(form.get("brand", ""))
    if not url or brand_id not in viewer.brands:
        return _form_page(request, url, problem=viewer.t(mark("Paste the address of a post and choose a brand.")))
    brand = viewer.configuration.brands[brand_id]
    async with viewer.application.store.reading() as session:
        mention_id = await mentions.find_by_url(session, url, viewer.brands)
    post = None
    if mention_id is None:
        post = await request.app[FIND_POST](url, brand.slug) or _typed_post(viewer, brand.slug, url, form)
        if post is None:
            return _form_page(request, url, asks=True)
    try:
        number = await _open(viewer, brand_id, mention_id, post)
    except Refused as refusal:
        return _form_page(request, url, problem=refusal.message_for(viewer.t))
    raise web.HTTPSeeOther(f"/cases/{number}")


def _form_page(request: web.Request, url: str = "", *, asks: bool = False, problem: str = "") -> web.Response:
    """`asks` for the author and the text, where the post cannot be fetched."""
    viewer = request[VIEWER]
    brands: list[tuple[int, Any]] = [(number, viewer.configuration.brands[number].name) for number in viewer.brands]
    return page(request, "inbox/open_case.html", url=url, asks=asks, problem=problem, brands=brands)


def _typed_post(viewer: Viewer, brand: str, url: str, form: Form) -> IncomingPost | None:
    """What the member copied from a post that no listener can fetch."""
    text, author = form.get("text", "").strip(), form.get("author", "").strip().lstrip("@")
    if not text or not author:
        return None
    host = (urlsplit(url).hostname or "web").removeprefix("www.")
    return IncomingPost(
        platform=host,
        native_id=f"{brand}:{url}",  # what a member typed is their brand's alone
        url=url,
        author=IncomingAuthor(handle=author),
        text=text,
        created_at=viewer.now,
    )


async def _open(viewer: Viewer, brand_id: int, mention_id: int | None, post: IncomingPost | None) -> int:
    async with viewer.application.store.writing() as session:
        if post is not None:
            match = BrandMatch(brand_id=brand_id, matched_by="member", query="", words=viewer.member.name)
            await mentions.write_posts(session, BY_HAND, [MatchedPost(post, (match,))], viewer.now)
            mention_id = await mentions.id_of(session, post.key)
        context = viewer.context(session)
        return (await case_actions.open_by_hand(context, brand_id, mention_id or 0, viewer.member_id)).id
