"""The commands, as an operator types them."""

import contextlib
import io
import json
import os
import re
import socket
import subprocess
import sys
import time
from pathlib import Path
from unittest import mock

import pytest

from ascolto.cli import main
from ascolto.run_lock import RunLock
from config.settings import load

ROOT = Path(__file__).parents[2]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder, in which the commands run."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setattr("ascolto.logs.configure", lambda *_: None)
    return tmp_path


def run(*arguments: str, stdin: bytes = b"") -> subprocess.CompletedProcess[str]:
    """A command as `main` runs it, in this process: a new one each time would cost a second each time."""
    out, err = io.StringIO(), io.StringIO()
    code: object = 0
    with (
        mock.patch.object(sys, "argv", ["ascolto", *arguments]),
        mock.patch.object(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin))),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        try:
            main()
        except SystemExit as exited:
            code = exited.code
    return subprocess.CompletedProcess(arguments, int(str(code or 0)), out.getvalue(), err.getvalue())


def process(*arguments: str) -> subprocess.CompletedProcess[str]:
    """A command in a process of its own."""
    command = [sys.executable, "-m", "ascolto", *arguments]
    return subprocess.run(command, capture_output=True, text=True, env=_environment(), timeout=90)


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "200"}


def test_help_is_fast_and_loads_no_sdk():
    start = time.perf_counter()
    assert process("--help").returncode == 0
    assert time.perf_counter() - start < 1.5  # half a second on a quiet machine; three times that on a busy one
    program = "import sys; from ascolto import cli; print([m for m in sys.modules if m.split('.')[0] in sys.argv[1:]])"
    heavy = [
        "telegram",
        "sqlalchemy",
        "aiohttp",
        "numpy",
        "lingua",
        "pydantic",
        "alembic",
        "transformers",
        "feedparser",
    ]
    done = subprocess.run([sys.executable, "-c", program, *heavy], capture_output=True, text=True, env=_environment())
    assert done.stdout.strip() == "[]"


def test_every_command_is_in_the_help(folder: Path):
    text = run("--help").stdout
    commands = "demo init check run digest cases mentions import export apply invite backup restore query"
    assert not [command for command in commands.split() if f" {command} " not in text]


def test_init_check_invite_and_apply(folder: Path):
    done = run("init", "--brand", "Caffè dell'Órtica")
    assert done.returncode == 0, done.stderr
    assert 'default_brand = "caffe-dell-ortica"' in (folder / "ascolto.toml").read_text()
    assert "brand caffe-dell-ortica: new" in done.stdout
    assert run("init", "--brand", "x").returncode == 1, "it never overwrites a file"

    settings = (folder / "ascolto.toml").read_text()
    (folder / "ascolto.toml").write_text(settings.replace("port = 8420", "port = 0"))  # that one may be in use
    checked = run("check", "--json")
    findings = {finding["subject"]: finding for finding in json.loads(checked.stdout)}
    assert checked.returncode == 0
    assert findings["database"]["state"] == "ok"
    assert findings["connections"]["state"] == "warning"

    link = run("invite", "me")
    assert "/sign_in/" in link.stdout
    assert run("invite", "nobody").returncode == 1
    assert "Members: me" in run("invite", "nobody").stderr
    assert "Nothing to change." in run("apply", "brands.toml").stdout


def test_without_settings_the_error_says_how_to_create_them(folder: Path):
    done = process("run")
    assert done.returncode == 1
    assert "ascolto init" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("toml", "message"),
    [
        ("[web]\nprot = 1", "did you mean port?"),
        ('[[connections]]\nname = "t"\nplatform = "telegram"', "TELEGRAM_TOKEN is not set"),
        ('[[connections]]\nname = "f"\nplatform = "feed"\nurl = "http://127.0.0.1:9/x"', "private network"),
        ('[sentiment]\nmodel = "./nowhere"', "sentiment"),
        (
            '[[connections]]\nname = "s"\nplatform = "square"\nurl = "http://127.0.0.1:9"\nbrand = "unknown"',
            "there is no brand unknown",
        ),
    ],
)
def test_check_explains_what_to_fix(folder: Path, toml: str, message: str):
    (folder / "ascolto.toml").write_text(toml)
    done = run("check")
    assert done.returncode == 1
    assert message in done.stdout + done.stderr
    assert "Traceback" not in done.stderr


def test_check_reports_a_port_in_use_and_a_missing_default_brand(folder: Path):
    with socket.create_server(("127.0.0.1", 0)) as server:
        (folder / "ascolto.toml").write_text(f'default_brand = "nope"\n[web]\nport = {server.getsockname()[1]}\n')
        done = run("check")
    assert done.returncode == 1
    assert "Cannot listen on" in done.stdout
    assert "There is no brand nope" in done.stdout


def test_check_recognizes_a_running_ascolto(folder: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("ASCOLTO_WEBHOOK_SECRET", "0123456789abcdef")
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        (folder / "ascolto.toml").write_text(
            f'[web]\nport = {port}\n[webhooks]\nport = {port}\n[[connections]]\nname = "site"\nplatform = "webhook"\n'
        )
        lock = RunLock(load(folder / "ascolto.toml").store.path)
        lock.acquire()
        done = process("check")
        lock.release()
    assert done.returncode == 0, done.stdout
    assert "is running" in done.stdout


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (("export", "nowhere/x.jsonl"), "nowhere/x.jsonl"),
        (("apply", "."), "."),
        (("backup", "nowhere/b.db"), "There is no folder nowhere"),
        (("import", "."), "is a folder"),
        (("classify", "-c", "nofile.toml"), "There is no nofile.toml"),
    ],
)
def test_a_wrong_file_is_reported_without_a_traceback(folder: Path, command: tuple[str, ...], message: str):
    run("init", "--brand", "Ferroviola")
    done = process(*command)
    assert done.returncode == 1
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_an_import_without_a_valid_row_fails(folder: Path):
    run("init", "--brand", "Ferroviola")
    (folder / "x.csv").write_text("a,b,c\n1,2,3\n")
    assert run("import", "x.csv").returncode == 1


def test_only_the_owner_can_read_the_database(folder: Path):
    run("init", "--brand", "Ferroviola")
    [database] = folder.glob("*.db")
    assert database.stat().st_mode & 0o077 == 0


def test_apply_reports_placeholders_that_are_not_filled_in(folder: Path):
    run("init", "--brand", "Ferroviola")
    (folder / "replies.toml").write_text(
        '[[saved_replies]]\ncode = "x"\nbrand = "ferroviola"\nlanguage = "it"\n'
        'text = "{{ autor }} la pratica {{ numero }} è aperta. {{ link }}"\n'
    )
    done = run("apply", "replies.toml")
    assert done.returncode == 0
    assert "{{ autor }} is left for the manager to fill in. Did you mean author?" in done.stderr
    assert "{{ numero }} is left" in done.stderr
    assert "link" not in done.stderr


def test_apply_is_all_or_nothing(folder: Path):
    run("init", "--brand", "Ferroviola")
    (folder / "bad.toml").write_text(
        '[[brands]]\nslug = "good"\nname = "Good"\n[[brands]]\nslug = "bad"\nname = "Bad"\n'
        '[[brands.queries]]\nslug = "q"\ntext = \'"unclosed\'\n[[queues]]\nslug = "q"\nname = "Q"\n'
        'brands = ["nobody"]\nzone = "Mars/Base"'
    )
    done = run("apply", "bad.toml")
    assert done.returncode == 1
    for words in ("unclosed quote at column 1", "there is no brand nobody", "there is no time zone Mars/Base"):
        assert words in done.stderr
    assert "There is no brand good" in run("cases", "--brand", "good").stderr


@pytest.mark.parametrize(
    ("toml", "message"),
    [
        ('[[brands]]\nname = "x"', "missing required field `slug`"),
        ('[[brands]]\nslug = "x"\nname = "x"\ncolour = "red"', "colour"),
        ('[[brands]]\nslug = "Bad Slug"\nname = "x"', "slug"),
        ("[[brands", "is not valid TOML"),
        ('[[saved_replies]]\ncode = "a"\nbrand = "ferroviola"\nlanguage = "it"\ntext = "{{ x"', "saved reply a"),
        (
            '[[saved_replies]]\ncode = "a"\nbrand = "ferroviola"\nlanguage = "it"\ntext = "{{ 9**9**9 }}"',
            "only {{ names }}",
        ),
    ],
)
def test_apply_reports_where_a_file_is_invalid(folder: Path, toml: str, message: str):
    run("init", "--brand", "Ferroviola")
    (folder / "x.toml").write_text(toml)
    done = run("apply", "x.toml")
    assert done.returncode == 1
    assert message in done.stderr


def test_query_test_prints_matching_lines_and_words(folder: Path):
    (folder / "posts.txt").write_text("Il treno è in RITARDO\nniente\n#ferroviola che ritardo\n")
    done = run("query", "test", "ritardo -niente", "posts.txt", "--json")
    assert [json.loads(line) for line in done.stdout.splitlines()] == [
        {"line": 1, "why": ["RITARDO"], "text": "Il treno è in RITARDO"},
        {"line": 3, "why": ["ritardo"], "text": "#ferroviola che ritardo"},
    ]
    assert run("query", "test", "assente", stdin=b"presente\n").returncode == 1
    invalid = run("query", "test", 'treno "in ritardo', stdin=b"x\n")
    assert "unclosed quote (column 7)" in invalid.stderr
    assert run("query", "test", "rita lang:it", stdin=b"\xff non utf-8 rita\n").returncode in (0, 1)


ROWS = [
    {
        "platform": "x",
        "id": "1",
        "author": {"handle": "a"},
        "text": "ferroviola ottima",
        "created_at": "2026-11-20T10:00:00Z",
    },
    {
        "platform": "x",
        "id": "2",
        "author": {"handle": "b", "followers": 7},
        "text": "=HYPERLINK(1)",
        "created_at": "2026-11-20T11:00:00+01:00",
    },
]


def test_import_mentions_export_and_digest(folder: Path):
    run("init", "--brand", "Ferroviola")
    (folder / "old.jsonl").write_text("\n".join(map(json.dumps, ROWS)) + "\nnot json\n")
    report = json.loads(run("import", "old.jsonl", "--json").stdout)
    assert {k: report[k] for k in ("rows", "new", "duplicates", "rejected", "analyzed")} == {
        "rows": 3, "new": 2, "duplicates": 0, "rejected": 1, "analyzed": 2,
    }  # fmt: skip
    [reject] = (folder / "old.jsonl.rejected.jsonl").read_text().splitlines()
    assert json.loads(reject)["line"] == 3
    assert json.loads(run("import", "old.jsonl", "--json").stdout)["duplicates"] == 2

    [mention] = [json.loads(line) for line in run("mentions", "--search", "OTTIMA", "--json").stdout.splitlines()]
    assert (mention["author"], mention["brand"]) == ("a", "ferroviola")
    assert run("cases", "--json").stdout == "", "an import opens no case"
    lines = json.loads(run("digest", "--date", "2026-11-20", "--language", "ro", "--json").stdout)
    assert "2 mențiuni" in lines[1]
    assert len(lines) <= 12

    assert run("export", "out.csv").returncode == 0
    assert "'=HYPERLINK" in (folder / "out.csv").read_text(), "a spreadsheet must not run it as a formula"
    assert run("export", "out.jsonl").returncode == 0
    assert [json.loads(line)["id"] for line in (folder / "out.jsonl").read_text().splitlines()] == ["1", "2"]
    assert run("export", "out.jsonl").returncode == 1
    assert json.loads(run("import", "out.jsonl", "--json").stdout)["duplicates"] == 2, "an export can be imported"


def test_backup_and_restore(folder: Path):
    run("init", "--brand", "Ferroviola")
    assert run("backup", "copy.db").returncode == 0
    (folder / "ascolto.db").write_bytes(b"broken" * 10_000)
    broken = run("cases")
    assert broken.returncode == 1
    assert "ascolto restore" in broken.stderr
    assert run("restore", "copy.db").returncode == 0
    assert run("cases").returncode == 0


def test_an_import_that_fills_the_disk_can_be_resumed(folder: Path):
    run("init", "--brand", "Ferroviola")
    rows = [{**ROWS[0], "id": str(n), "text": f"ferroviola {n} " + "x" * 500} for n in range(6_000)]
    (folder / "old.jsonl").write_text("\n".join(map(json.dumps, rows)))
    limited = f"ulimit -f 4000; exec {sys.executable} -m ascolto import old.jsonl --no-analyze --json"
    done = subprocess.run(["bash", "-c", limited], capture_output=True, text=True, env=_environment())
    assert done.returncode != 0
    done = run("import", "old.jsonl", "--no-analyze", "--json")
    report = json.loads(done.stdout)
    assert report["new"] + report["duplicates"] + report["resumed_at"] == 6_000
    assert len(run("mentions", "--limit", "1000", "--json").stdout.splitlines()) == 1_000


def test_the_headless_demo_leaves_nothing_unfinished():
    done = process("demo", "--headless")
    assert done.returncode == 0, done.stderr
    *story, last = done.stdout.splitlines()
    counts = json.loads(last)
    assert list(counts) == [
        "mentions", "duplicates", "negative", "cases", "claimed", "replies_published", "dismissed", "escalated", "alerts",
        "digest_lines",
    ]  # fmt: skip
    assert counts["mentions"] >= 150
    assert counts["duplicates"] > 0
    assert counts["cases"] == counts["claimed"]
    assert counts["replies_published"] > 30
    assert 3 < counts["digest_lines"] <= 12
    assert any("SEVERE" in line for line in story)
    assert any(re.search(r", \d+ similar", line) for line in story)
    assert any("undoes it" in line for line in story)
    assert "Traceback" not in done.stderr


def test_classify_writes_a_line_for_each_line(folder: Path):
    texts = b"Servizio pessimo, vergogna\r\n\nGrazie mille, gentilissimi\n" + b"\xff\xfe\x00\n" + b"ultimo rigo"
    done = run("classify", stdin=texts)
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [line["sentiment"] for line in lines[:3]] == ["negative", "neutral", "positive"]
    assert len(lines) == 5
    assert lines[1] == {"language": "und", "sentiment": "neutral", "negative": 0.0, "neutral": 1.0, "positive": 0.0}
    assert all(abs(line["negative"] + line["neutral"] + line["positive"] - 1) < 1e-3 for line in lines)


def test_classify_accepts_a_file_and_a_language_and_explains(folder: Path):
    Path("posts.txt").write_text("ok\nServizio pessimo\n", encoding="utf-8")
    lines = [json.loads(line) for line in run("classify", "posts.txt", "--lang", "it", "--why").stdout.splitlines()]
    assert [line["language"] for line in lines] == ["it", "it"]
    assert lines[1]["why"][0]["word"] == "pessimo"
    assert run("classify", "nowhere.txt").returncode == 1
    assert "no file nowhere.txt" in run("classify", "nowhere.txt").stderr


def test_evaluate_prints_the_metrics_by_language(folder: Path):
    rows = [
        ("Servizio pessimo", "negative", "it"),
        ("Grazie mille, gentilissimi", "positive", "it"),
        ("Foarte prost", "negative", "ro"),
    ]
    Path("gold.jsonl").write_text(
        "\n".join(json.dumps(dict(zip(("text", "label", "language"), row, strict=True))) for row in rows)
    )
    metrics = json.loads(run("sentiment", "evaluate", "gold.jsonl", "--json").stdout)
    assert set(metrics) == {"it", "ro", "all"}
    assert (metrics["it"]["texts"], metrics["it"]["accuracy"], metrics["all"]["texts"]) == (2, 100.0, 3)
    assert "macro-F1" in run("sentiment", "evaluate", "gold.jsonl").stdout
    Path("gold.jsonl").write_text('{"text": "a", "label": "angry"}')
    assert "line 1: there is no label angry" in run("sentiment", "evaluate", "gold.jsonl").stderr
    Path("gold.jsonl").write_text("not json")
    assert "line 1" in run("sentiment", "evaluate", "gold.jsonl").stderr
    Path("gold.jsonl").write_text("")
    assert "is empty" in run("sentiment", "evaluate", "gold.jsonl").stderr


def test_training_commands_say_what_is_missing(folder: Path):
    run("init", "--brand", "Ferroviola")
    assert "0 corrections to learn from; 20 are needed" in run("sentiment", "learn").stderr
    assert "ascolto sentiment learn" in run("sentiment", "replay").stderr
    assert "ascolto sentiment learn" in run("sentiment", "use").stderr
    assert "The classifier as shipped is in use already" in run("sentiment", "reset").stdout
    assert "This month: 0 answered, 0 waiting" in run("sentiment", "opinions").stdout
    assert "calibrated already" in run("sentiment", "calibrate", "x.jsonl").stderr
