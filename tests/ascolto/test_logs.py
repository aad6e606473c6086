"""What a program that logs writes to its standard error."""

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
    "http://127.0.0.1:8420/sign_in/2ZPYEu4-UtA-t5MBJ72Mspyj6Lel9s6MmZ5bk7OUhnQ",
    "https://ana:hunter22@example.com/feed",
    "https://example.com/feed?lang=it&api_key=sesame77&x=1",
]
PARTS = ["AAF-abcdef", "xoxb-1234", "xapp-1-A", "abc.def", "eyJzdWIi", "abababab", "2ZPYEu4", "hunter22", "sesame77"]

PROGRAM = """
import json, logging, sys
import structlog
from ascolto import logs

logs.configure("debug", sys.argv[1])
logs.redaction.add_secret("correct horse")
ours, library = structlog.get_logger("ascolto"), logging.getLogger("some.library")
for secret in json.loads(sys.argv[2]):
    ours.info("calling", url=secret, nested={"headers": [secret]})
    ours.error("trace", exc_info=RuntimeError(secret))
    library.warning("failed: %s", secret)
    library.error("trace", exc_info=RuntimeError(secret))
ours.info("received", text="my address is 12 Elm Street", platform="bluesky")
ours.info("x", message="the password is correct horse")
library.warning("the password is correct horse")
"""


def log_of(style: str) -> str:
    arguments = [sys.executable, "-c", PROGRAM, style, json.dumps(SECRETS)]
    return subprocess.run(arguments, cwd=ROOT, capture_output=True, text=True, check=True).stderr


def test_secrets_are_hidden_wherever_they_appear():
    for style in ("json", "pretty"):
        lines = log_of(style)
        assert lines.count("trace") >= 2 * len(SECRETS)
        assert not [part for part in PARTS if part in lines], style
        assert "correct horse" not in lines


def test_the_text_of_a_post_is_not_in_the_log():
    lines = log_of("json")
    assert "Elm Street" not in lines
    assert "bluesky" in lines


def test_every_line_of_the_json_log_is_json():
    assert all(json.loads(line)["event"] for line in log_of("json").splitlines())
