"""What a measurement comes to."""

import json
from dataclasses import dataclass
from pathlib import Path

POSTS = Path(__file__).parents[2] / "models/sentiment/training/posts"


@dataclass(frozen=True)
class Figure:
    what: str
    said: str
    yardstick: str
    ratio: str
    aim: str = ""


def spoken() -> list[tuple[str, str]]:
    """The 3,900 written posts of the training data with their languages, in the order of their files."""
    files = sorted(POSTS.glob("*.jsonl"))
    return [(json.loads(line)["text"], file.stem[:2]) for file in files for line in file.read_text().splitlines()]


def texts() -> list[str]:
    return [text for text, _ in spoken()]


def rate(number: float) -> str:
    return f"{number:,.0f}/s"


def times(ratio: float) -> str:
    return f"{ratio:.2f}×" if ratio < 10 else f"{ratio:,.0f}×"
