"""`ascolto check`: everything is tried once, and what is wrong is said with what to do."""

import asyncio
import socket
from collections.abc import Awaitable
from typing import Final

import aiohttp
import msgspec
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ascolto.house import utc_now
from ascolto.lock import RunLock
from ascolto.logs import redaction
from ascolto.platforms import Tools, build
from ascolto.printing import counted, print_json
from ascolto.reader import chat_of, reader_of
from config.settings import Connection, Drafting, SecondOpinion, Settings
from connections.chat import Chat
from connections.http import session as http_session
from connections.webhooks import WebhookDoor
from models.catalogue import Brand, Catalogue, Fact
from models.errors import EdgeError, OperatorError, Rejected, Unauthorized
from models.text import clean
from store import catalogue as catalogues
from store import schema
from store.engine import Store
from triage import drafting, opinions

PATIENCE: Final = 20.0
"""Seconds that one connection is given."""


class Finding(msgspec.Struct, frozen=True):
    """`state` is ok, warning or wrong."""

    what: str
    state: str
    said: str
    fix: str = ""


def check(settings: Settings, *, json: bool) -> int:
    """Prints the findings; returns 1 when anything is wrong."""
    findings = [_shown(finding) for finding in asyncio.run(_check(settings))]
    if json:
        print_json(findings)
    else:
        _print(findings)
    return int(any(finding.state == "wrong" for finding in findings))


def _shown(finding: Finding) -> Finding:
    """Far sides' words, without secrets that they echo and without what would steer a terminal."""
    return msgspec.structs.replace(finding, said=redaction.hide(clean(finding.said)), fix=redaction.hide(finding.fix))


def _print(findings: list[Finding]) -> None:
    signs = {"ok": ("✓", "green"), "warning": ("!", "yellow"), "wrong": ("✗", "red")}
    table = Table(box=None, show_header=False, pad_edge=False)
    for finding in findings:
        sign, colour = signs[finding.state]
        said = Text(finding.said)
        if finding.fix:
            said.append(f"\n→ {finding.fix}", "bold")
        table.add_row(Text(sign, colour), Text(finding.what, "bold"), said)
    Console().print(table)


async def _check(settings: Settings) -> list[Finding]:
    findings = [await _database(settings)]
    if findings[0].state == "wrong":
        return findings
    catalogue = await _catalogue(settings)
    running = _running(settings)
    findings += [
        *_brands(settings, catalogue),
        *_loopback(settings),
        *_ports(settings, running),
        await _model(settings),
    ]
    return [*findings, *await _connections(settings, running)]


async def _database(settings: Settings) -> Finding:
    path = settings.store.path
    try:
        copy = await asyncio.to_thread(schema.prepare, path)
        store = Store(path)
        try:
            damage = await store.damage()
        finally:
            await store.close()
    except OperatorError as error:
        return Finding("database", "wrong", error.problem, error.fix)
    if damage:
        return Finding(
            "database", "wrong", f"{path} is damaged: {damage[0]}", "Bring back a copy: ascolto restore COPY"
        )
    return Finding(
        "database", "ok", f"{path}" + (f" (brought up to date; the copy from before is {copy})" if copy else "")
    )


async def _catalogue(settings: Settings) -> Catalogue:
    store = Store(settings.store.path)
    try:
        async with store.reading() as session:
            return await catalogues.load(session)
    finally:
        await store.close()


def _brands(settings: Settings, catalogue: Catalogue) -> list[Finding]:
    findings = []
    if settings.default_brand and catalogue.brands.id_of(settings.default_brand) is None:
        said = f"There is no brand {settings.default_brand}."
        findings.append(Finding("default_brand", "wrong", said, "Apply it, or correct `default_brand`."))
    names = {connection.name: connection for connection in settings.connections}
    served = {slug for _, queue in catalogue.queues for slug in queue.brands}
    for _, brand in catalogue.brands:
        problems = [
            f"{p} is to be published on {c}, which is no connection" for p, c in brand.publish.items() if c not in names
        ]
        if not brand.queries and not any(connection.brand == brand.slug for connection in settings.connections):
            problems.append("it has no query, so nothing is heard of it")
        if brand.slug not in served:
            problems.append("no queue serves it, so its cases are nobody's")
        state, said = (
            ("warning", "; ".join(problems)) if problems else ("ok", counted(len(brand.queries), "query", "queries"))
        )
        findings.append(Finding(f"brand {brand.slug}", state, said, "Mend it with ascolto apply." if problems else ""))
    if not catalogue.brands:
        findings.append(Finding("brands", "warning", "There is no brand yet.", "Add one: ascolto apply brands.toml"))
    for connection in settings.connections:
        if connection.brand and catalogue.brands.id_of(connection.brand) is None:
            said = f"its brand {connection.brand} is not known"
            findings.append(Finding(connection.name, "wrong", said, "Apply the brand, or correct `brand`."))
    for _, queue in catalogue.queues:
        for chat in (*queue.chats, *queue.digests, *queue.in_person):
            if chat.desk not in names:
                said = f"its chat is on {chat.desk}, which is no connection"
                findings.append(
                    Finding(f"queue {queue.slug}", "wrong", said, "Correct `chats`, or add the connection.")
                )
    return findings


def _running(settings: Settings) -> bool:
    """Whether an Ascolto runs on this database: the ports are its own then."""
    lock = RunLock(settings.store.path)
    try:
        lock.take()
    except OperatorError:
        return True
    lock.release()
    return False


def _ports(settings: Settings, running: bool) -> list[Finding]:
    if running:
        return [Finding("web desk", "ok", "Ascolto is running on this database.")]
    host, port = settings.web.host, settings.web.port
    try:
        with socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET):
            return []
    except OSError as error:
        said = f"{host}:{port} cannot be listened on: {error.strerror or error}"
        return [
            Finding("web desk", "wrong", said, "Choose another `port` under [web], or end the program that holds it.")
        ]


def _loopback(settings: Settings) -> list[Finding]:
    host = settings.web.host
    if host in ("127.0.0.1", "::1", "localhost"):
        return []
    return [
        Finding(
            "web desk",
            "warning",
            f"It listens on {host}, beyond this machine, and speaks plain HTTP.",
            "Put a proxy with HTTPS in front of it, and name its host under `allowed_hosts`.",
        )
    ]


async def _model(settings: Settings) -> Finding:
    sentiment = settings.sentiment
    try:
        reader = await asyncio.to_thread(reader_of, sentiment)
        await asyncio.to_thread(reader.read, ["Prova di lettura, una frase sola."])
    except OperatorError as error:
        return Finding("sentiment", "wrong", error.problem, error.fix)
    return Finding("sentiment", "ok", f"{sentiment.model}, for {', '.join(sentiment.languages)}")


async def _connections(settings: Settings, running: bool) -> list[Finding]:
    door = WebhookDoor(settings.webhooks.host, 0 if running else settings.webhooks.port)
    async with http_session() as http:
        tools = Tools(http, door, utc_now)
        found = await asyncio.gather(*(_connection(section, tools) for section in settings.connections))
        await door.close()
        second = [*await _second_opinion(settings.second_opinion, http), *await _drafting(settings.drafting, http)]
    if not settings.connections:
        nothing = Finding("connections", "warning", "There is none, so nothing is heard.", "Add one to ascolto.toml.")
        return [*second, nothing]
    return [*second, *(finding for findings in found for finding in findings)]


async def _second_opinion(section: SecondOpinion, http: aiohttp.ClientSession) -> list[Finding]:
    """Asked once, about a sentence of ours; nothing to say while nobody is to be asked."""
    if not section.url:
        return []
    return [await _tried("second opinion", _asked(chat_of(section, http)))]


async def _drafting(section: Drafting, http: aiohttp.ClientSession) -> list[Finding]:
    if not section.url:
        return []
    return [await _tried("drafting", _drafted(chat_of(section, http), section.longest))]


async def _drafted(asker: Chat, longest: int) -> None:
    """One draft from a fact of ours: whether the model answers as it is asked to."""
    brand = Brand(slug="b", name="Ferroviola", facts=(Fact(name="hours", text="the desk is open 8 to 20"),))
    system = drafting.SYSTEM.format(brand=brand.name, language="English", longest=longest)
    told = "hours: the desk is open 8 to 20"
    said = await asker.ask(system, f"Facts:\n{told}\n\n<post>When are you open?</post>", drafting.LONGEST)
    if not drafting.understood(said.text, told, brand, longest)[0]:
        raise Rejected(f"It was to answer with a draft in JSON, and said: {said.text[:80]!r}")


async def _asked(asker: Chat) -> None:
    said = await asker.ask(opinions.SYSTEM, "<post>Thank you, that was quick.</post>", opinions.LONGEST)
    if opinions.understood(said.text) is None:
        raise Rejected(f"It was to answer with one word, and said: {said.text[:80]!r}")


async def _connection(section: Connection, tools: Tools) -> list[Finding]:
    try:
        parts = build(section, tools)
    except OperatorError as error:
        return [Finding(section.name, "wrong", error.problem, error.fix)]
    findings = []
    for role, part in (("hears", parts.ear), ("speaks", parts.voice), ("desk", parts.desk)):
        if part is not None:
            findings.append(await _tried(f"{section.name} ({role})", part.connect(), advice=role == "desk"))
            await part.close()
    return findings


async def _tried(what: str, connecting: Awaitable[str | None], *, advice: bool = False) -> Finding:
    """What connecting says is a warning; or good advice, where it proves all the same that all is well."""
    try:
        remark = await asyncio.wait_for(connecting, PATIENCE)
    except TimeoutError:
        return Finding(what, "wrong", f"no answer within {PATIENCE:.0f} s", "Check the address and the network.")
    except OperatorError as error:
        return Finding(what, "wrong", error.problem, error.fix)
    except Unauthorized as error:
        return Finding(what, "wrong", error.reason, error.fix)
    except Rejected as error:
        return Finding(what, "wrong", error.reason, "Check this connection in ascolto.toml.")
    except EdgeError as error:
        return Finding(
            what, "wrong", str(error), "Check the address and the network; a running Ascolto tries again by itself."
        )
    if remark and advice:
        return Finding(what, "ok", f"connected; {remark}")
    return Finding(what, "warning", f"connected, but: {remark}") if remark else Finding(what, "ok", "connected")
