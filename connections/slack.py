"""One app on Slack: calls of the Web API, and a socket over which everything that happens is told.

https://docs.slack.dev/apis/web-api/, https://docs.slack.dev/apis/events-api/using-socket-mode

What is told is acknowledged only after it was written down, within the three seconds that Slack waits; what it tells again
is known by its id. The socket is opened here, and not by the SDK, whose client never comes back from being offline.
"""

from collections.abc import AsyncGenerator, Sequence
from contextlib import suppress
from typing import Any, Final

import aiohttp
import msgspec
from slack_sdk.errors import SlackApiError, SlackClientError
from slack_sdk.web.async_client import AsyncWebClient

from connections.sockets import frames
from models.errors import EdgeError, Rejected, Unauthorized, Unavailable

FIX: Final = (
    "Make the app from docs/platforms/slack-manifest.yaml at api.slack.com/apps, install it, and put its bot token (xoxb-) and"
    " its app-level token (xapp-, with connections:write) into the environment variables that ascolto.toml names."
)
NEED_A_HUMAN: Final = frozenset(
    {
        "invalid_auth", "not_authed", "account_inactive", "token_revoked", "token_expired", "missing_scope",
        "not_allowed_token_type", "team_access_not_granted", "no_permission",
    }
)  # fmt: skip
LATER: Final = frozenset(
    {"ratelimited", "internal_error", "fatal_error", "service_unavailable", "request_timeout", "team_added_to_org"}
)
BATCH: Final = 50
PATIENCE: Final = 0.02
HEARTBEAT: Final = 20.0


class Envelope(msgspec.Struct):
    """What the socket tells: https://docs.slack.dev/apis/events-api/using-socket-mode#events"""

    type: str
    envelope_id: str = ""
    payload: msgspec.Raw = msgspec.Raw(b"{}")
    reason: str = ""


class Slack:
    """`base_url` ends with /api/. The bot's token speaks, the app's opens sockets."""

    platform = "slack"

    def __init__(self, name: str, token: str, app_token: str, http: aiohttp.ClientSession, *, base_url: str) -> None:
        self.name = name
        self.user = ""
        """Our own id, once proved."""
        self._http = http
        self._app_token = app_token
        self._client = AsyncWebClient(token, base_url=base_url, session=http, retry_handlers=[])

    async def prove(self) -> None:
        self.user = (await self.call("auth.test"))["user_id"]

    async def call(self, method: str, **fields: Any) -> dict[str, Any]:
        """One call of the Web API, its failures as ours."""
        return await self._called(method, json=fields)

    async def ask(self, method: str, **fields: Any) -> dict[str, Any]:
        """Likewise, of a method that reads no JSON."""
        return await self._called(method, params=fields)

    async def _called(self, method: str, **sent: Any) -> dict[str, Any]:
        try:
            answer = await self._client.api_call(method, **sent)
        except SlackApiError as error:
            raise _ours(error) from error
        except (SlackClientError, aiohttp.ClientError, TimeoutError, OSError) as error:
            raise Unavailable(f"Slack does not answer: {error}") from error
        found: dict[str, Any] = answer.data if isinstance(answer.data, dict) else {}
        return found

    async def upload(self, url: str, body: bytes) -> None:
        """To an address that Slack has just given for it; raises Unavailable where that does not take it."""
        try:
            async with self._http.post(url, data=body) as answer:
                answer.raise_for_status()
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise Unavailable(f"Slack takes no file ({type(error).__name__}).") from error

    async def follow_up(self, url: str, body: dict[str, Any]) -> None:
        """An answer to the address that came with what somebody pressed; one that is too old is no error."""
        with suppress(aiohttp.ClientError, TimeoutError):
            async with self._http.post(url, json=body):
                pass

    async def told(self) -> AsyncGenerator[Sequence[Envelope], None]:
        """For ever what happens, perhaps nothing; acknowledged when asked for more. Raises Unavailable when the socket ends."""
        async with await self._open() as socket:
            yield ()
            while True:
                texts = await frames(socket, "Slack", quiet=None, patience=PATIENCE, most=BATCH)
                envelopes = [envelope for text in texts if (envelope := _decoded(text)) is not None]
                yield [envelope for envelope in envelopes if envelope.envelope_id]
                for envelope in envelopes:
                    if envelope.envelope_id:
                        await socket.send_json({"envelope_id": envelope.envelope_id})
                    if envelope.type == "disconnect":
                        raise Unavailable(f"Slack asks to connect anew ({envelope.reason or 'refresh'}).", 0.0)

    async def _open(self) -> aiohttp.ClientWebSocketResponse:
        try:
            url = (await self._client.api_call("apps.connections.open", headers=_bearer(self._app_token)))["url"]
            return await self._http.ws_connect(url, heartbeat=HEARTBEAT, max_msg_size=16_000_000)
        except SlackApiError as error:
            raise _ours(error) from error
        except (SlackClientError, aiohttp.ClientError, TimeoutError, OSError, KeyError) as error:
            # Not in its own words: they may hold the socket's address, which is as good as a key.
            raise Unavailable(f"Slack opens no socket ({type(error).__name__}).") from error

    async def close(self) -> None:
        """Nothing is held: the HTTP session is shared."""


def _bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


_decoder = msgspec.json.Decoder(Envelope)


def _decoded(text: str) -> Envelope | None:
    """None for what is malformed."""
    try:
        return _decoder.decode(text)
    except (msgspec.DecodeError, UnicodeEncodeError):
        return None


def _ours(error: SlackApiError) -> EdgeError:
    answer = error.response
    said = str(answer.get("error") or "") if answer is not None else ""
    if answer is not None and (answer.status_code == 429 or said in LATER or answer.status_code >= 500):
        headers = {str(name).lower(): value for name, value in (answer.headers or {}).items()}
        wait = str(headers.get("retry-after") or "")
        return Unavailable(
            f"Slack asks to wait ({said or answer.status_code})", float(wait) if wait.isdigit() else None
        )
    if said in NEED_A_HUMAN:
        return Unauthorized(f"Slack refuses: {said}", FIX)
    return Rejected(f"Slack: {said or error}")
