"""Secrets stand in no output, row or page, whoever repeats them; and what we run on is told to nobody."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from conftest import Harness
from web_desk import Desk, RunningApplication, Settings

from ascolto.supervisor import Supervisor, Watch
from config.settings import Drafting, SecondOpinion
from connections.webhooks import WebhookServer
from languages import translator
from models.errors import Paused, Rejected, Unauthorized, Unavailable
from store.connection_status import save_reports
from web.server import WebDesk

ROOT = Path(__file__).parents[2]
SECRET = "correct-horse-battery-staple"
"""Matches no pattern of a platform's tokens: only who knows it can hide it."""


@asynccontextmanager
async def echo(content_type: str) -> AsyncIterator[str]:
    """A server that refuses everything and repeats what it was asked; the address it is reached at."""

    async def refuse(request: web.Request) -> web.Response:
        text = f"{dict(request.headers)} {await request.text()}"
        body = json.dumps({"error": text, "message": text}) if content_type == "application/json" else text
        return web.Response(status=400, text=body, content_type=content_type)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", refuse)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


BLUESKY = '[[connections]]\nname = "b"\nplatform = "bluesky"\nlisten = false\nhandle = "a.example"\nservice = "{url}"\n'
SLACK = '[[connections]]\nname = "s"\nplatform = "slack"\nbase_url = "{url}/api/"\n'
MASTODON = '[[connections]]\nname = "m"\nplatform = "mastodon"\nserver = "{url}"\n'
WEBHOOK = '[[connections]]\nname = "w"\nplatform = "webhook"\nreply_url = "{url}"\n'
SECOND = '[second_opinion]\nurl = "{url}"\nmodel = "m"\n'
DRAFTING = '[drafting]\nurl = "{url}"\nmodel = "m"\n'
VARIABLES = (
    "BLUESKY_APP_PASSWORD", "SLACK_BOT_TOKEN", "SLACK_APP_TOKEN", "MASTODON_TOKEN", "MASTODON_ACCESS_TOKEN",
    "ASCOLTO_SECOND_OPINION_KEY", "ASCOLTO_DRAFTING_KEY", "ASCOLTO_WEBHOOK_SECRET",
)  # fmt: skip


async def check(folder: Path) -> tuple[int, str]:
    """`ascolto check` in a process of its own."""
    environment = {**os.environ, **dict.fromkeys(VARIABLES, SECRET), "PYTHONPATH": str(ROOT), "COLUMNS": "1000"}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "ascolto", "check"),
        cwd=folder,
        env=environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    return process.returncode or 0, output.decode()


@pytest.mark.parametrize("content_type", ["application/json", "text/plain"])
async def test_check_repeats_no_secret_that_a_far_side_repeats(tmp_path: Path, content_type: str):
    sections = f"{SECOND}{DRAFTING}{BLUESKY}{SLACK}{WEBHOOK}{MASTODON}"
    async with echo(content_type) as url:
        (tmp_path / "ascolto.toml").write_text("[web]\nport = 0\n[webhooks]\nport = 0\n" + sections.format(url=url))
        code, output = await check(tmp_path)
    assert code == 1, output
    assert "Traceback" not in output, output[-2_000:]
    for subject in ("b ", "s ", "second opinion"):
        assert subject in output, "every connection is reported"
    assert SECRET not in output


async def test_slack_that_answers_no_json_under_the_name_of_json_ends_in_no_trace(tmp_path: Path):
    async def nonsense(request: web.Request) -> web.Response:
        return web.Response(text=f"<{dict(request.headers)}", content_type="application/json")

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", nonsense)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    sections = SLACK.format(url=f"http://127.0.0.1:{runner.addresses[0][1]}")
    (tmp_path / "ascolto.toml").write_text("[web]\nport = 0\n" + sections)
    code, output = await check(tmp_path)
    await runner.cleanup()
    assert (code, "Traceback" in output, SECRET in output) == (1, False, False), output[-2_000:]


@pytest.mark.parametrize("section", [SecondOpinion(url="http://127.0.0.1:9"), Drafting(url="http://127.0.0.1:9")])
def test_the_keys_of_language_models_are_known_to_the_redaction(
    section: SecondOpinion | Drafting, monkeypatch: pytest.MonkeyPatch
):
    from ascolto.factories import build_language_model
    from ascolto.logs import Redaction

    known = Redaction()
    monkeypatch.setattr("ascolto.logs.redaction", known)
    for module in ("ascolto.factories", "ascolto.platforms"):
        monkeypatch.setattr(f"{module}.redaction", known, raising=False)
    monkeypatch.setenv(section.key_env, SECRET)
    build_language_model(section, None)  # type: ignore[arg-type]
    assert SECRET not in known.hide(f"the server said: key {SECRET} is wrong")


ERRORS = [
    Unavailable(f"away: {SECRET}"),
    Unauthorized(f"no: {SECRET}", "Change it"),
    Rejected(f"never: {SECRET}"),
    Paused(f"later: {SECRET}", "Pay for it"),
    RuntimeError(f"a bug with {SECRET}"),
]


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
async def test_what_a_far_side_says_is_stored_and_shown_without_secrets(desk: Desk, error: Exception):
    from ascolto.logs import redaction

    redaction.add_secret(SECRET)

    async def worker(_watch: Watch) -> None:
        raise error

    supervisor = Supervisor(desk.application.now)
    watch = supervisor.start(worker, "square", "listener", "square")
    while watch.health == "starting":
        await asyncio.sleep(0)
    report = watch.report()
    assert report is not None
    async with desk.harness.store.writing() as session:
        await save_reports(session, [report], desk.harness.now)
    await supervisor.stop()
    async with (await desk.sign_in("lidia")).get("/status") as response:
        page = await response.text()
    assert "square" in page
    assert SECRET not in page + str(report)


# What came of a click (F9).


@pytest.mark.parametrize("member", ["bruno", "maria"])
async def test_what_came_of_a_click_is_json_in_ascii_in_every_language(desk: Desk, harness: Harness, member: str):
    from models.configuration import ConfigurationFile, Member

    await harness.apply(ConfigurationFile(members=(Member(slug="maria", name="Măria Șerban", language="ro"),)))
    case = await harness.case()
    browser = await desk.sign_in(member)
    toasts = []
    for verb, form in (("claim", {}), ("note", {"text": " "}), ("snooze", {"minutes": "1"}), ("reopen", {}), ("x", {})):
        async with browser.post(f"/cases/{case.id}/actions/{verb}", data=form) as response:
            if "HX-Trigger" in response.headers:
                toasts.append(response.headers["HX-Trigger"])
    assert len(toasts) >= 3
    assert all(toast.isascii() for toast in toasts)
    messages = [json.loads(toast)["toast"]["message"] for toast in toasts]
    assert not all(message.isascii() for message in messages), "none has a letter beyond ASCII: choose other clicks"
    assert not [message for message in messages if "\\" in message or "&" in message]


async def test_a_refusal_reads_as_it_is_written_in_italian(desk: Desk, harness: Harness):
    case = await harness.case()
    ana, bruno = await desk.sign_in("ana"), await desk.sign_in("bruno")
    await ana.post(f"/cases/{case.id}/actions/claim")
    async with bruno.post(f"/cases/{case.id}/actions/claim") as response:
        toast = json.loads(response.headers["HX-Trigger"])["toast"]
    sentence = translator("it")("{member} claimed this case {minutes} min ago.", member="Ana", minutes=0)
    assert (toast["message"], toast["refused"]) == (sentence, True)


# What is told of us (F23).


async def raw(port: int, request: bytes) -> bytes:
    """What a server answers to these bytes, until it closes or says nothing for a second."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request)
    answer = b""
    try:
        while part := await asyncio.wait_for(reader.read(65_536), 1):
            answer += part
    except (TimeoutError, ConnectionError):
        pass
    writer.close()
    return answer


REQUESTS = {
    "a page": b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n",
    "the health check": b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n",
    "no such page": b"GET /wp-login.php HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n",
    "no such method": b"BREW / HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n",
    "a static file": b"GET /static/desk.css HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n",
    "no such file": b"GET /static/x HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n",
    "another host": b"GET / HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n",
    "a bad header": b"GET / HTTP/1.1\r\nHost 127.0.0.1\r\n\r\n",
    "a bad line": b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n",
    "a long line": b"GET /" + b"a" * 20_000 + b" HTTP/1.1\r\n\r\n",
    "a bad length": b"POST /hooks/x HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: x\r\n\r\n",
    "an expectation": b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nExpect: 200-x\r\nConnection: close\r\n\r\n",
    "a large body": b"POST /sign_out HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 9000000\r\nConnection: close\r\n\r\n",
}


@pytest.mark.parametrize("request_name", REQUESTS)
async def test_no_response_says_what_the_server_is_made_with(desk: Desk, request_name: str):
    webhooks = WebhookServer("127.0.0.1", 0)
    await webhooks.start()
    answers = await asyncio.gather(*(raw(port, REQUESTS[request_name]) for port in (desk.web.port, webhooks.port)))
    await webhooks.close()
    for answer in answers:
        assert answer.startswith(b"HTTP/1."), answer[:100]
        assert b"\r\nserver:" not in answer.lower(), answer[:300]
        assert b"aiohttp" not in answer.lower()
        assert b"python" not in answer.lower()


async def test_an_error_of_ours_tells_nothing_of_itself(desk: Desk, monkeypatch: pytest.MonkeyPatch):
    async def broken() -> None:
        raise RuntimeError(f"secret detail {SECRET}")

    monkeypatch.setattr(desk.application, "configuration", broken)
    browser = await desk.sign_in("ana")
    async with browser.get("/") as response:
        text = await response.text()
        assert (response.status, "Server" in response.headers) == (500, False)
    assert "secret detail" not in text
    assert "Traceback" not in text


async def test_a_session_ends_however_often_it_is_used(desk: Desk, harness: Harness):
    browser = await desk.sign_in("ana")
    days = 0
    while days < 400:
        harness.advance(days=7)
        days += 7
        async with browser.get("/me") as response:
            if response.status == 401:
                break
    assert 30 <= days <= 366, f"a session in daily use lived {days} days"


async def test_a_session_that_is_not_used_ends_sooner(desk: Desk, harness: Harness):
    browser = await desk.sign_in("ana")
    harness.advance(days=31)
    async with browser.get("/me") as response:
        assert response.status == 401


@dataclass(frozen=True)
class Https(Settings):
    allowed_hosts: tuple[str, ...] = ("desk.example",)
    public_url: str = "https://desk.example"


Post = Callable[[str, dict[str, str]], Awaitable[aiohttp.ClientResponse]]


@pytest.fixture
async def behind_https(harness: Harness) -> AsyncIterator[tuple[Desk, Post]]:
    """The desk as it is behind a proxy with HTTPS, and how a browser posts to it."""

    async def find_post(_url: str, _brand: str) -> None:
        return None

    application = RunningApplication(harness)
    server = WebDesk(application, Https(), find_post)
    await server.start()
    http = aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar())

    async def post(path: str, headers: dict[str, str]) -> aiohttp.ClientResponse:
        address = f"http://127.0.0.1:{server.port}{path}"
        response = await http.post(address, headers={"Host": "desk.example", **headers}, allow_redirects=False)
        await response.read()
        return response

    yield Desk(harness, application, server), post
    await http.close()
    await server.stop()


async def test_behind_https_the_cookie_is_for_this_host_alone(behind_https: tuple[Desk, Post]):
    desk, post = behind_https
    path = "/sign_in/" + (await desk.link("ana")).rpartition("/")[2]
    response = await post(path, {"Origin": "https://desk.example"})
    assert response.status == 303
    [cookie] = response.headers.getall("Set-Cookie")
    name, *attributes = cookie.split(";")
    assert name.startswith("__Host-")
    assert {"secure", "httponly", "path=/"} <= {attribute.strip().lower() for attribute in attributes}
    assert "domain=" not in cookie.lower()
    plain = {"Cookie": "ascolto=" + name.partition("=")[2], "Origin": "https://desk.example"}
    assert (await post("/sign_out", plain)).status == 401, "a cookie that any page could set signs nobody in"
    own = {"Cookie": name, "Origin": "https://desk.example"}
    assert (await post("/sign_out", own)).status == 303


@pytest.mark.parametrize(
    "origin",
    [
        "http://desk.example",
        "https://desk.example:444",
        "https://evil.example",
        "null",
        "https://desk.example.evil.example",
    ],
)
async def test_behind_https_another_origin_changes_nothing(behind_https: tuple[Desk, Post], origin: str):
    desk, post = behind_https
    path = "/sign_in/" + (await desk.link("ana")).rpartition("/")[2]
    assert (await post(path, {"Origin": origin})).status == 403
    assert (await post(path, {"Origin": "https://desk.example"})).status == 303
