"""`ascolto check`: tries everything once, and says how to fix what fails."""

import asyncio
import socket
from collections.abc import Awaitable
from typing import Final, Literal

import aiohttp
import msgspec
from rich.console import Console
from rich.table import Table
from rich.text import Text

from analysis import second_opinion
from ascolto.application import utc_now
from ascolto.commands.output import counted, print_json
from ascolto.factories import build_language_model, build_reader
from ascolto.logs import redaction
from ascolto.platforms import Tools, build
from ascolto.run_lock import RunLock
from config.connections import Connection
from config.settings import Drafting, SecondOpinion, Settings
from connections.chat_completions import ChatCompletions
from connections.feeds import FeedReader
from connections.http import session as http_session
from connections.webhooks import WebhookServer
from models.configuration import Brand, Configuration, Fact
from models.errors import EdgeError, OperatorError, Rejected, Unauthorized
from models.text import clean
from publishing import ai_drafts
from store import failed_items, schema
from store.configuration import load_configuration
from store.engine import Store

TIMEOUT: Final = 20.0
"""Seconds for each connection."""


class Finding(msgspec.Struct, frozen=True):
    subject: str
    state: Literal["ok", "warning", "failed"]
    message: str
    fix: str = ""


def check(settings: Settings, *, json: bool) -> int:
    """Prints the findings; returns 1 when anything failed."""
    findings = [_printable(finding) for finding in asyncio.run(_check(settings))]
    if json:
        print_json(findings)
    else:
        _print(findings)
    return int(any(finding.state == "failed" for finding in findings))


def _printable(finding: Finding) -> Finding:
    """Servers' messages, without secrets that they repeat and without terminal control characters."""
    message, fix = redaction.hide(clean(finding.message)), redaction.hide(finding.fix)
    return msgspec.structs.replace(finding, message=message, fix=fix)


def _print(findings: list[Finding]) -> None:
    signs = {"ok": ("✓", "green"), "warning": ("!", "yellow"), "failed": ("✗", "red")}
    table = Table(box=None, show_header=False, pad_edge=False)
    for finding in findings:
        sign, colour = signs[finding.state]
        message = Text(finding.message)
        if finding.fix:
            message.append(f"\n→ {finding.fix}", "bold")
        table.add_row(Text(sign, colour), Text(finding.subject, "bold"), message)
    Console().print(table)


async def _check(settings: Settings) -> list[Finding]:
    findings = [await _database(settings)]
    if findings[0].state == "failed":
        return findings
    configuration = await _configuration(settings)
    running = _is_running(settings)
    findings += [
        *_brands(settings, configuration),
        *_own_channels(settings, configuration),
        *_chats(settings, configuration),
        *_web_address(settings),
        *_web_port(settings, running),
        await _sentiment(settings),
        *await _set_aside(settings),
    ]
    return [*findings, *await _remote(settings, running)]


async def _database(settings: Settings) -> Finding:
    path = settings.store.path
    try:
        copy = await asyncio.to_thread(schema.prepare, path)
        store = Store(path)
        try:
            damage = await store.integrity_errors()
        finally:
            await store.close()
    except OperatorError as error:
        return Finding("database", "failed", error.problem, error.fix)
    if damage:
        return Finding("database", "failed", f"{path} is damaged: {damage[0]}", "Restore a copy: ascolto restore COPY")
    return Finding("database", "ok", f"{path}" + (f" (migrated; the copy made before is {copy})" if copy else ""))


async def _set_aside(settings: Settings) -> list[Finding]:
    """What could not be processed."""
    store = Store(settings.store.path)
    try:
        async with store.reading() as session:
            items = await failed_items.list_set_aside(session)
    finally:
        await store.close()
    return [
        Finding("set aside", "warning", f"{i.step} {i.item}: {i.error}", "Retry it on the status page.") for i in items
    ]


async def _configuration(settings: Settings) -> Configuration:
    store = Store(settings.store.path)
    try:
        async with store.reading() as session:
            return await load_configuration(session)
    finally:
        await store.close()


def _brands(settings: Settings, configuration: Configuration) -> list[Finding]:
    findings = []
    if settings.default_brand and configuration.brands.id_of(settings.default_brand) is None:
        message = f"There is no brand {settings.default_brand}."
        findings.append(Finding("default_brand", "failed", message, "Apply the brand, or correct `default_brand`."))
    if not configuration.brands:
        findings.append(Finding("brands", "warning", "There is no brand yet.", "Add one: ascolto apply brands.toml"))
    return findings + [_brand(settings, configuration, brand) for _, brand in configuration.brands]


def _brand(settings: Settings, configuration: Configuration, brand: Brand) -> Finding:
    names = {connection.name for connection in settings.connections}
    problems = [
        f"its replies on {platform} go to {connection}, which is not a connection"
        for platform, connection in brand.publish.items()
        if connection not in names
    ]
    if not brand.queries and not any(connection.brand == brand.slug for connection in settings.connections):
        problems.append("it has no query, so it gets no mentions")
    if not any(brand.slug in queue.brands for _, queue in configuration.queues):
        problems.append("it is in no queue, so its cases have no queue")
    if problems:
        return Finding(f"brand {brand.slug}", "warning", "; ".join(problems), "Fix and run ascolto apply.")
    return Finding(f"brand {brand.slug}", "ok", counted(len(brand.queries), "query", "queries"))


def _own_channels(settings: Settings, configuration: Configuration) -> list[Finding]:
    return [
        Finding(
            connection.name,
            "failed",
            f"there is no brand {connection.brand}",
            "Apply the brand, or correct `brand`.",
        )
        for connection in settings.connections
        if connection.brand and configuration.brands.id_of(connection.brand) is None
    ]


def _chats(settings: Settings, configuration: Configuration) -> list[Finding]:
    names = {connection.name for connection in settings.connections}
    return [
        Finding(
            f"queue {queue.slug}",
            "failed",
            f"its chat is on {chat.desk}, which is not a connection",
            "Correct `chats`, or add the connection.",
        )
        for _, queue in configuration.queues
        for chat in (*queue.chats, *queue.digests, *queue.direct_contact)
        if chat.desk not in names
    ]


def _is_running(settings: Settings) -> bool:
    """Whether Ascolto is running on this database, and holds the ports."""
    lock = RunLock(settings.store.path)
    try:
        lock.acquire()
    except OperatorError:
        return True
    lock.release()
    return False


def _web_port(settings: Settings, running: bool) -> list[Finding]:
    if running:
        return [Finding("web desk", "ok", "Ascolto is running on this database.")]
    host, port = settings.web.host, settings.web.port
    try:
        with socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET):
            return []
    except OSError as error:
        message = f"Cannot listen on {host}:{port}: {error.strerror or error}"
        return [
            Finding("web desk", "failed", message, "Choose another `port` under [web], or stop what is using this one.")
        ]


def _web_address(settings: Settings) -> list[Finding]:
    host = settings.web.host
    if host in ("127.0.0.1", "::1", "localhost"):
        return []
    return [
        Finding(
            "web desk",
            "warning",
            f"It listens on {host}, beyond this machine, with plain HTTP.",
            "Put a proxy with HTTPS in front of it, and list its host under `allowed_hosts`.",
        )
    ]


async def _sentiment(settings: Settings) -> Finding:
    section = settings.sentiment
    try:
        reader = await asyncio.to_thread(build_reader, section)
        await asyncio.to_thread(reader.read, ["Prova di lettura, una frase sola."])
    except OperatorError as error:
        return Finding("sentiment", "failed", error.problem, error.fix)
    return Finding("sentiment", "ok", f"{section.model}, for {', '.join(section.languages)}")


async def _remote(settings: Settings, running: bool) -> list[Finding]:
    webhook_server = WebhookServer(settings.webhooks.host, 0 if running else settings.webhooks.port)
    feeds = FeedReader()
    async with http_session() as http:
        tools = Tools(http, webhook_server, utc_now, feeds)
        checks = await asyncio.gather(*(_connection(section, tools) for section in settings.connections))
        await webhook_server.close()
        await feeds.close()
        models = [*await _second_opinion(settings.second_opinion, http), *await _drafting(settings.drafting, http)]
    if not settings.connections:
        models.append(
            Finding("connections", "warning", "There is none, so nothing is received.", "Add one to ascolto.toml.")
        )
    return [*models, *(finding for findings in checks for finding in findings)]


async def _second_opinion(section: SecondOpinion, http: aiohttp.ClientSession) -> list[Finding]:
    """Asked for once, on a sentence of ours; nothing where it is off."""
    if not section.url:
        return []
    return [await _try("second opinion", _try_second_opinion(build_language_model(section, http)))]


async def _try_second_opinion(model: ChatCompletions) -> None:
    post = "<post>Thank you, that was quick.</post>"
    answer = await model.complete(second_opinion.SYSTEM_PROMPT, post, second_opinion.MAX_TOKENS)
    if second_opinion.parse_answer(answer.text) is None:
        raise Rejected(f"The model should answer with one word, but answered: {answer.text[:80]!r}")


async def _drafting(section: Drafting, http: aiohttp.ClientSession) -> list[Finding]:
    if not section.url:
        return []
    return [await _try("drafting", _try_drafting(build_language_model(section, http), section.max_length))]


async def _try_drafting(model: ChatCompletions, max_length: int) -> None:
    """One draft from a fact of ours."""
    brand = Brand(slug="b", name="Ferroviola", facts=(Fact(name="hours", text="the desk is open 8 to 20"),))
    system = ai_drafts.SYSTEM_PROMPT.format(brand=brand.name, language="English", max_length=max_length)
    facts = "hours: the desk is open 8 to 20"
    answer = await model.complete(system, f"Facts:\n{facts}\n\n<post>When are you open?</post>", ai_drafts.MAX_TOKENS)
    if not ai_drafts.parse_answer(answer.text, facts, brand, max_length)[0]:
        raise Rejected(f"The model should answer with a draft in JSON, but answered: {answer.text[:80]!r}")


async def _connection(section: Connection, tools: Tools) -> list[Finding]:
    try:
        parts = build(section, tools)
    except OperatorError as error:
        return [Finding(section.name, "failed", error.problem, error.fix)]
    findings = []
    for role, part in (("listener", parts.listener), ("responder", parts.responder), ("desk", parts.desk)):
        if part is not None:
            findings.append(await _try(f"{section.name} ({role})", part.connect(), note_is_fine=role == "desk"))
            await part.close()
    return findings


async def _try(subject: str, connecting: Awaitable[str | None], *, note_is_fine: bool = False) -> Finding:
    """What `connect` returns is a warning, or a note, where it does not keep the connection from working."""
    try:
        note = await asyncio.wait_for(connecting, TIMEOUT)
    except TimeoutError:
        return Finding(subject, "failed", f"no response within {TIMEOUT:.0f} s", "Check the address and the network.")
    except OperatorError as error:
        return Finding(subject, "failed", error.problem, error.fix)
    except Unauthorized as error:
        return Finding(subject, "failed", error.reason, error.fix)
    except Rejected as error:
        return Finding(subject, "failed", error.reason, "Check this connection in ascolto.toml.")
    except EdgeError as error:
        fix = "Check the address and the network; a running Ascolto retries by itself."
        return Finding(subject, "failed", str(error), fix)
    if note and note_is_fine:
        return Finding(subject, "ok", f"connected; {note}")
    return Finding(subject, "warning", f"connected, but: {note}") if note else Finding(subject, "ok", "connected")
