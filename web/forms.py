"""Reading submitted forms."""

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError
from multidict import MultiDict, MultiDictProxy

Form = dict[str, str]


async def read_form(request: web.Request) -> Form:
    """The text fields; 400 for what is no form."""
    try:
        return {key: value for key, value in (await request.post()).items() if isinstance(value, str)}
    except (ValueError, LookupError, RuntimeError, AssertionError, HttpProcessingError) as error:
        raise web.HTTPBadRequest(text="This form cannot be read.\n") from error


async def read_form_lists(request: web.Request) -> MultiDictProxy[str]:
    """The text fields, where a name may stand several times."""
    try:
        fields = MultiDict((k, v) for k, v in (await request.post()).items() if isinstance(v, str))
    except (ValueError, LookupError, RuntimeError, AssertionError, HttpProcessingError) as error:
        raise web.HTTPBadRequest(text="This form cannot be read.\n") from error
    return MultiDictProxy(fields)


def row_id(text: str) -> int | None:
    """An id as our own forms write it: plain digits, no more than a row's id has."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 16 else None
