"""Reading submitted forms."""

from aiohttp import web

Form = dict[str, str]


async def read_form(request: web.Request) -> Form:
    """The text fields; 400 for what is no form."""
    try:
        return {key: value for key, value in (await request.post()).items() if isinstance(value, str)}
    except (ValueError, LookupError) as error:
        raise web.HTTPBadRequest(text="This form cannot be read.\n") from error


def row_id(text: str) -> int | None:
    """An id as our own forms write it: plain digits, no more than a row's id has."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 16 else None
