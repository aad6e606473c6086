"""What a program that logs writes to its standard error, seen from outside."""

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
SECRETS = [
    "1234567890:AAF-abcdefghijklmnopqrstuvwxyz012345",
    "https://api.telegram.org/bot1234567890:AAF-abcdefghijklmnopqrstuvwxyz012345/getMe",
    "xoxb-123456789012-abcdefghijkl",
    "xapp-1-A0123-456-abcdef",
    "Bearer abc.def.ghi",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.c2lnbmF0dXJl",
    "v1=" + "ab" * 32,
    "http://127.0.0.1:8420/enter/2ZPYEu4-UtA-t5MBJ72Mspyj6Lel9s6MmZ5bk7OUhnQ",
    "https://ana:hunter22@example.com/feed",
    "https://example.com/feed?lang=it&api_key=sesame77&x=1",
]
PARTS = ["AAF-abcdef", "xoxb-1234", "xapp-1-A", "abc.def", "eyJzdWIi", "abababab", "2ZPYEu4", "hunter22", "sesame77"]

PROGRAM = """
import json, logging, sys
import structlog
from ascolto import logs

logs.configure("debug", sys.argv[1])
logs.redaction.know("correct horse")
ours, theirs = structlog.get_logger("ascolto"), logging.getLogger("somebody.elses")
for secret in json.loads(sys.argv[2]):
    ours.info("calling", url=secret, nested={"headers": [secret]})
    ours.error("trace", exc_info=RuntimeError(secret))
    theirs.warning("failed: %s", secret)
    theirs.error("trace", exc_info=RuntimeError(secret))
ours.info("heard", text="my address is 12 Elm Street", platform="bluesky")
ours.info("x", said="the password is correct horse")
theirs.warning("the password is correct horse")
"""


def written(style: str) -> str:
    arguments = [sys.executable, "-c", PROGRAM, style, json.dumps(SECRETS)]
    return subprocess.run(arguments, cwd=ROOT, capture_output=True, text=True, check=True).stderr


def test_a_secret_is_hidden_wherever_it_turns_up():
    for style in ("json", "pretty"):
        lines = written(style)
        assert lines.count("trace") >= 2 * len(SECRETS)
        assert not [part for part in PARTS if part in lines], style
        assert "correct horse" not in lines


def test_what_somebody_wrote_is_not_in_the_log():
    lines = written("json")
    assert "Elm Street" not in lines
    assert "bluesky" in lines


def test_for_machines_every_line_is_json():
    assert all(json.loads(line)["event"] for line in written("json").splitlines())
