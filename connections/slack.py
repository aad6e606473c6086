"""One app on Slack: calls of the Web API, and a socket that sends every event.

https://docs.slack.dev/apis/web-api/, https://docs.slack.dev/apis/events-api/using-socket-mode

An event is acknowledged only after it is stored, within the three seconds that Slack waits; an event that Slack repeats is
recognized by its id. The socket is opened here and not by the SDK, whose client does not recover from being offline.
"""

from collections.abc import AsyncGenerator, Sequence
from contextlib import suppress
from typing import Any, Final

import aiohttp
import msgspec
from slack_sdk.errors import SlackApiError, SlackClientError
from slack_sdk.web.async_client import AsyncWebClient

from connections.batches import receive_batch
from models.errors import EdgeError, Rejected, Unauthorized, Unavailable

FIX: Final = (
    "Create the app from docs/platforms/slack-manifest.yaml at api.slack.com/apps, install it, and put its bot token (xoxb-) and"
    " its app-level token (xapp-, with connections:write) in the environment variables that ascolto.toml names."
)
UNAUTHORIZED: Final = frozenset(
    {
        "invalid_auth", "not_authed", "account_inactive", "token_revoked", "token_expired", "missing_scope",
        "not_allowed_token_type", "team_access_not_granted", "no_permission",
    }
)  # fmt: skip
UNAVAILABLE: Final = frozenset(
    {"ratelimited", "internal_error", "fatal_error", "service_unavailable", "request_timeout", "team_added_to_org"}
)
"""Error codes of the Web API: https://docs.slack.dev/reference/methods"""
BATCH: Final = 50
BATCH_WINDOW: Final = 0.02
"""Seconds after its first event in which a batch collects more."""
HEARTBEAT: Final = 20.0
"""Seconds between two pings."""


class Envelope(msgspec.Struct):
    """One message of the socket: https://docs.slack.dev/apis/events-api/using-socket-mode#events"""

    type: str
    envelope_id: str = ""
    payload: msgspec.Raw = msgspec.Raw(b"{}")
    reason: str = ""


class Slack:
    """`base_url` ends with /api/. `token` is the bot's, for calls; `app_token` opens sockets."""

    platform = "slack"

    def __init__(self, name: str, token: str, app_token: str, http: aiohttp.ClientSession, *, base_url: str) -> None:
        self.name = name
        self.user = ""
        """Our own id, once the credentials are verified."""
        self._http = http
        self._app_token = app_token
        self._client = AsyncWebClient(token, base_url=base_url, session=http, retry_handlers=[])

    async def verify_credentials(self) -> None:
        self.user = (await self.call("auth.test"))["user_id"]

    async def call(self, method: str, **fields: Any) -> dict[str, Any]:
        """One call of the Web API; raises EdgeError."""
        return await self._call(method, json=fields)

    async def call_with_query(self, method: str, **fields: Any) -> dict[str, Any]:
        """The same for a method that does not accept JSON."""
        return await self._call(method, params=fields)

    async def _call(self, method: str, **arguments: Any) -> dict[str, Any]:
        try:
            response = await self._client.api_call(method, **arguments)
        except SlackApiError as error:
            raise _to_edge_error(error) from error
        except (SlackClientError, aiohttp.ClientError, TimeoutError, OSError) as error:
            raise Unavailable(f"Slack does not answer: {error}") from error
        fields: dict[str, Any] = response.data if isinstance(response.data, dict) else {}
        return fields

    async def upload(self, url: str, body: bytes) -> None:
        """To an address that Slack has just returned for it; raises Unavailable where the upload fails."""
        try:
            async with self._http.post(url, data=body) as response:
                response.raise_for_status()
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise Unavailable(f"The upload to Slack failed ({type(error).__name__}).") from error

    async def follow_up(self, url: str, body: dict[str, Any]) -> None:
        """Responds to the address that came with a button press; one that has expired is no error."""
        with suppress(aiohttp.ClientError, TimeoutError):
            async with self._http.post(url, json=body):
                pass

    async def envelopes(self) -> AsyncGenerator[Sequence[Envelope], None]:
        """The events, perhaps none, forever; acknowledged when resumed. Raises Unavailable when the socket is closed."""
        async with await self._open() as socket:
            yield ()
            while True:
                texts = await receive_batch(socket, "Slack", idle_timeout=None, window=BATCH_WINDOW, max_size=BATCH)
                envelopes = [envelope for text in texts if (envelope := _decoded(text)) is not None]
                yield [envelope for envelope in envelopes if envelope.envelope_id]
                for envelope in envelopes:
                    if envelope.envelope_id:
                        await socket.send_json({"envelope_id": envelope.envelope_id})
                    if envelope.type == "disconnect":
                        raise Unavailable(f"Slack requests a new connection ({envelope.reason or 'refresh'}).", 0.0)

    async def _open(self) -> aiohttp.ClientWebSocketResponse:
        try:
            url = (await self._client.api_call("apps.connections.open", headers=_bearer(self._app_token)))["url"]
            return await self._http.ws_connect(url, heartbeat=HEARTBEAT, max_msg_size=16_000_000)
        except SlackApiError as error:
            raise _to_edge_error(error) from error
        except (SlackClientError, aiohttp.ClientError, TimeoutError, OSError, KeyError) as error:
            # Without the error's message: it may contain the socket's address, which is a secret.
            raise Unavailable(f"The socket to Slack could not be opened ({type(error).__name__}).") from error

    async def close(self) -> None:
        """Nothing to close: the HTTP session is shared."""


def _bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


_decoder = msgspec.json.Decoder(Envelope)


def _decoded(text: str) -> Envelope | None:
    """None for what is malformed."""
    try:
        return _decoder.decode(text)
    except (msgspec.DecodeError, UnicodeEncodeError):
        return None


def _to_edge_error(error: SlackApiError) -> EdgeError:
    response = error.response
    if response is not None and not hasattr(response, "get"):  # the SDK hands over a response that is not what it says
        return Unavailable("Slack returned something that cannot be read.")
    code = str(response.get("error") or "") if response is not None else ""
    if response is not None and (response.status_code == 429 or code in UNAVAILABLE or response.status_code >= 500):
        headers = {str(name).lower(): value for name, value in (response.headers or {}).items()}
        wait = str(headers.get("retry-after") or "")
        reason = f"Slack is unavailable ({code or response.status_code})"
        return Unavailable(reason, float(wait) if wait.isdigit() else None)
    if code in UNAUTHORIZED:
        return Unauthorized(f"Slack refused the call: {code}", FIX)
    return Rejected(f"Slack: {code or error}")
