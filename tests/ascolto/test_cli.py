"""The commands as they are typed."""

import contextlib
import io
import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path
from unittest import mock

import pytest

from ascolto.cli import main
from ascolto.lock import RunLock
from config.settings import load

ROOT = Path(__file__).parents[2]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setattr("ascolto.logs.configure", lambda *_: None)
    return tmp_path


def run(*arguments: str, said: bytes = b"") -> subprocess.CompletedProcess[str]:
    """A command as `main` runs it, in this process: a new one each time would cost a second each time."""
    out, err = io.StringIO(), io.StringIO()
    code: object = 0
    with (
        mock.patch.object(sys, "argv", ["ascolto", *arguments]),
        mock.patch.object(sys, "stdin", io.TextIOWrapper(io.BytesIO(said))),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        try:
            main()
        except SystemExit as ended:
            code = ended.code
    return subprocess.CompletedProcess(arguments, int(str(code or 0)), out.getvalue(), err.getvalue())


def process(*arguments: str) -> subprocess.CompletedProcess[str]:
    """A command in a process of its own."""
    command = [sys.executable, "-m", "ascolto", *arguments]
    return subprocess.run(command, capture_output=True, text=True, env=_environment(), timeout=90)


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "200"}


def test_help_is_quick_and_loads_no_sdk():
    began = time.perf_counter()
    assert process("--help").returncode == 0
    assert time.perf_counter() - began < 1.5  # half a second on a quiet machine; a busy one gets thrice that
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


def test_every_command_has_its_sentence(here: Path):
    shown = run("--help").stdout
    commands = "demo init check run digest cases mentions import export apply invite backup restore query"
    assert not [command for command in commands.split() if f" {command} " not in shown]


def test_a_newcomer_begins(here: Path):
    done = run("init", "--brand", "Caffè dell'Órtica")
    assert done.returncode == 0, done.stderr
    assert 'default_brand = "caffe-dell-ortica"' in (here / "ascolto.toml").read_text()
    assert "new: brand caffe-dell-ortica" in done.stdout
    assert run("init", "--brand", "x").returncode == 1, "it does not write over what is there"

    settings = (here / "ascolto.toml").read_text()
    (here / "ascolto.toml").write_text(settings.replace("port = 8420", "port = 0"))  # somebody may be using that one
    checked = run("check", "--json")
    findings = {finding["what"]: finding for finding in json.loads(checked.stdout)}
    assert checked.returncode == 0
    assert findings["database"]["state"] == "ok"
    assert findings["connections"]["state"] == "warning"

    link = run("invite", "me")
    assert "/enter/" in link.stdout
    assert run("invite", "nobody").returncode == 1
    assert "Known: me" in run("invite", "nobody").stderr
    assert "everything" in run("apply", "brands.toml").stdout.lower()


def test_without_settings_it_says_how_to_make_them(here: Path):
    done = process("run")
    assert done.returncode == 1
    assert "ascolto init" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("toml", "said"),
    [
        ("[web]\nprot = 1", "did you mean port?"),
        ('[[connections]]\nname = "t"\nplatform = "telegram"', "TELEGRAM_TOKEN is not set"),
        ('[[connections]]\nname = "f"\nplatform = "feed"\nurl = "http://127.0.0.1:9/x"', "private network"),
        ('[sentiment]\nmodel = "./nowhere"', "sentiment"),
        (
            '[[connections]]\nname = "s"\nplatform = "square"\nurl = "http://127.0.0.1:9"\nbrand = "unknown"',
            "its brand unknown",
        ),
    ],
)
def test_check_says_in_words_what_to_mend(here: Path, toml: str, said: str):
    (here / "ascolto.toml").write_text(toml)
    done = run("check")
    assert done.returncode == 1
    assert said in done.stdout + done.stderr
    assert "Traceback" not in done.stderr


def test_check_names_a_port_that_is_taken_and_a_default_brand_that_is_not(here: Path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        (here / "ascolto.toml").write_text(f'default_brand = "nope"\n[web]\nport = {taken.getsockname()[1]}\n')
        done = run("check")
    assert done.returncode == 1
    assert "cannot be listened on" in done.stdout
    assert "There is no brand nope" in done.stdout


def test_check_does_not_take_a_running_ascolto_for_another_program(here: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("ASCOLTO_WEBHOOK_SECRET", "0123456789abcdef")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        (here / "ascolto.toml").write_text(
            f'[web]\nport = {port}\n[webhooks]\nport = {port}\n[[connections]]\nname = "site"\nplatform = "webhook"\n'
        )
        lock = RunLock(load(here / "ascolto.toml").store.path)
        lock.take()
        done = process("check")
        lock.release()
    assert done.returncode == 0, done.stdout
    assert "is running" in done.stdout


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (("export", "nowhere/x.jsonl"), "nowhere/x.jsonl"),
        (("apply", "."), "."),
        (("backup", "nowhere/b.db"), "There is no folder nowhere"),
        (("import", "."), "is a folder"),
        (("classify", "-c", "nofile.toml"), "There is no nofile.toml"),
    ],
)
def test_a_wrong_file_is_named_and_no_trace_is_shown(here: Path, command: tuple[str, ...], said: str):
    run("init", "--brand", "Ferroviola")
    done = process(*command)
    assert done.returncode == 1
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_a_file_of_which_nothing_can_be_taken_is_a_failure(here: Path):
    run("init", "--brand", "Ferroviola")
    (here / "x.csv").write_text("a,b,c\n1,2,3\n")
    assert run("import", "x.csv").returncode == 1


def test_the_database_is_its_owners_alone(here: Path):
    run("init", "--brand", "Ferroviola")
    [database] = here.glob("*.db")
    assert database.stat().st_mode & 0o077 == 0


def test_apply_names_the_places_of_a_saved_reply_that_are_left_open(here: Path):
    run("init", "--brand", "Ferroviola")
    (here / "replies.toml").write_text(
        '[[saved_replies]]\ncode = "x"\nbrand = "ferroviola"\nlanguage = "it"\n'
        'text = "{{ autor }} la pratica {{ numero }} è aperta. {{ link }}"\n'
    )
    done = run("apply", "replies.toml")
    assert done.returncode == 0
    assert "{{ autor }} is left for whoever answers to fill in. Did you mean author?" in done.stderr
    assert "{{ numero }} is left" in done.stderr
    assert "link" not in done.stderr


def test_apply_is_all_or_nothing(here: Path):
    run("init", "--brand", "Ferroviola")
    (here / "bad.toml").write_text(
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
    ("toml", "said"),
    [
        ('[[brands]]\nname = "x"', "missing required field `slug`"),
        ('[[brands]]\nslug = "x"\nname = "x"\ncolour = "red"', "colour"),
        ('[[brands]]\nslug = "Bad Slug"\nname = "x"', "slug"),
        ("[[brands", "is not TOML"),
        ('[[saved_replies]]\ncode = "a"\nbrand = "ferroviola"\nlanguage = "it"\ntext = "{{ x"', "saved reply a"),
        (
            '[[saved_replies]]\ncode = "a"\nbrand = "ferroviola"\nlanguage = "it"\ntext = "{{ 9**9**9 }}"',
            "only {{ names }}",
        ),
    ],
)
def test_apply_says_where_a_file_is_wrong(here: Path, toml: str, said: str):
    run("init", "--brand", "Ferroviola")
    (here / "x.toml").write_text(toml)
    done = run("apply", "x.toml")
    assert done.returncode == 1
    assert said in done.stderr


def test_query_test_says_which_lines_and_why(here: Path):
    (here / "posts.txt").write_text("Il treno è in RITARDO\nniente\n#ferroviola che ritardo\n")
    done = run("query", "test", "ritardo -niente", "posts.txt", "--json")
    assert [json.loads(line) for line in done.stdout.splitlines()] == [
        {"line": 1, "why": ["RITARDO"], "text": "Il treno è in RITARDO"},
        {"line": 3, "why": ["ritardo"], "text": "#ferroviola che ritardo"},
    ]
    assert run("query", "test", "assente", said=b"presente\n").returncode == 1
    wrong = run("query", "test", 'treno "in ritardo', said=b"x\n")
    assert "unclosed quote (column 7)" in wrong.stderr
    assert run("query", "test", "rita lang:it", said=b"\xff non utf-8 rita\n").returncode in (0, 1)


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


def test_import_mentions_export_and_digest(here: Path):
    run("init", "--brand", "Ferroviola")
    (here / "old.jsonl").write_text("\n".join(map(json.dumps, ROWS)) + "\nnot json\n")
    report = json.loads(run("import", "old.jsonl", "--json").stdout)
    assert {k: report[k] for k in ("rows", "new", "duplicates", "rejected", "read")} == {
        "rows": 3, "new": 2, "duplicates": 0, "rejected": 1, "read": 2,
    }  # fmt: skip
    [reject] = (here / "old.jsonl.rejected.jsonl").read_text().splitlines()
    assert json.loads(reject)["line"] == 3
    assert json.loads(run("import", "old.jsonl", "--json").stdout)["duplicates"] == 2

    [found] = [json.loads(line) for line in run("mentions", "--search", "OTTIMA", "--json").stdout.splitlines()]
    assert (found["author"], found["brand"]) == ("a", "ferroviola")
    assert run("cases", "--json").stdout == "", "an import opens no case"
    lines = json.loads(run("digest", "--date", "2026-11-20", "--language", "ro", "--json").stdout)
    assert "2 mențiuni" in lines[1]
    assert len(lines) <= 12

    assert run("export", "out.csv").returncode == 0
    assert "'=HYPERLINK" in (here / "out.csv").read_text(), "a spreadsheet must not run what a stranger wrote"
    assert run("export", "out.jsonl").returncode == 0
    assert [json.loads(line)["id"] for line in (here / "out.jsonl").read_text().splitlines()] == ["1", "2"]
    assert run("export", "out.jsonl").returncode == 1
    assert json.loads(run("import", "out.jsonl", "--json").stdout)["duplicates"] == 2, "an export can be imported"


def test_backup_and_restore(here: Path):
    run("init", "--brand", "Ferroviola")
    assert run("backup", "copy.db").returncode == 0
    (here / "ascolto.db").write_bytes(b"broken" * 10_000)
    broken = run("cases")
    assert broken.returncode == 1
    assert "ascolto restore" in broken.stderr
    assert run("restore", "copy.db").returncode == 0
    assert run("cases").returncode == 0


def test_a_full_disk_ends_an_import_in_words_and_it_goes_on_later(here: Path):
    run("init", "--brand", "Ferroviola")
    rows = [{**ROWS[0], "id": str(n), "text": f"ferroviola {n} " + "x" * 500} for n in range(6_000)]
    (here / "old.jsonl").write_text("\n".join(map(json.dumps, rows)))
    limited = f"ulimit -f 4000; exec {sys.executable} -m ascolto import old.jsonl --no-read --json"
    done = subprocess.run(["bash", "-c", limited], capture_output=True, text=True, env=_environment())
    assert done.returncode != 0
    done = run("import", "old.jsonl", "--no-read", "--json")
    report = json.loads(done.stdout)
    assert report["new"] + report["duplicates"] + report["resumed_at"] == 6_000
    assert len(run("mentions", "--limit", "1000", "--json").stdout.splitlines()) == 1_000


def test_the_headless_demo_leaves_nothing_half_done():
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
    assert any("GRAVE" in line for line in story)
    assert any("say the same" in line for line in story)
    assert any("takes it back" in line for line in story)
    assert "Traceback" not in done.stderr


def test_classify_reads_a_line_and_writes_a_line(here: Path):
    said = b"Servizio pessimo, vergogna\r\n\nGrazie mille, gentilissimi\n" + b"\xff\xfe\x00\n" + b"ultimo rigo"
    done = run("classify", said=said)
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [line["sentiment"] for line in lines[:3]] == ["negative", "neutral", "positive"]
    assert len(lines) == 5
    assert lines[1] == {"language": "und", "sentiment": "neutral", "negative": 0.0, "neutral": 1.0, "positive": 0.0}
    assert all(abs(line["negative"] + line["neutral"] + line["positive"] - 1) < 1e-3 for line in lines)


def test_classify_takes_a_file_a_language_and_says_why(here: Path):
    Path("posts.txt").write_text("ok\nServizio pessimo\n", encoding="utf-8")
    lines = [json.loads(line) for line in run("classify", "posts.txt", "--lang", "it", "--why").stdout.splitlines()]
    assert [line["language"] for line in lines] == ["it", "it"]
    assert lines[1]["why"][0]["word"] == "pessimo"
    assert run("classify", "nowhere.txt").returncode == 1
    assert "no file nowhere.txt" in run("classify", "nowhere.txt").stderr


def test_evaluate_prints_the_figures_by_language(here: Path):
    rows = [
        ("Servizio pessimo", "negative", "it"),
        ("Grazie mille, gentilissimi", "positive", "it"),
        ("Foarte prost", "negative", "ro"),
    ]
    Path("gold.jsonl").write_text(
        "\n".join(json.dumps(dict(zip(("text", "label", "language"), row, strict=True))) for row in rows)
    )
    found = json.loads(run("sentiment", "evaluate", "gold.jsonl", "--json").stdout)
    assert set(found) == {"it", "ro", "all"}
    assert (found["it"]["texts"], found["it"]["accuracy"], found["all"]["texts"]) == (2, 100.0, 3)
    assert "macro-F1" in run("sentiment", "evaluate", "gold.jsonl").stdout
    Path("gold.jsonl").write_text('{"text": "a", "label": "angry"}')
    assert "line 1: there is no label angry" in run("sentiment", "evaluate", "gold.jsonl").stderr
    Path("gold.jsonl").write_text("rubbish")
    assert "line 1" in run("sentiment", "evaluate", "gold.jsonl").stderr
    Path("gold.jsonl").write_text("")
    assert "is empty" in run("sentiment", "evaluate", "gold.jsonl").stderr


def test_learning_commands_say_what_is_missing(here: Path):
    run("init", "--brand", "Ferroviola")
    assert "0 corrections to learn from, and 20 are needed" in run("sentiment", "learn").stderr
    assert "ascolto sentiment learn" in run("sentiment", "replay").stderr
    assert "ascolto sentiment learn" in run("sentiment", "use").stderr
    assert "Nothing that was learned is in use" in run("sentiment", "back").stdout
    assert "0 asked this month" in run("sentiment", "opinions").stdout
    assert "calibrated already" in run("sentiment", "calibrate", "x.jsonl").stderr
