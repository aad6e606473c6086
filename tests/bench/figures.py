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


def texts() -> list[str]:
    """The 3,900 written posts of the training data, in the order of their files."""
    return [
        json.loads(line)["text"] for file in sorted(POSTS.glob("*.jsonl")) for line in file.read_text().splitlines()
    ]


def rate(number: float) -> str:
    return f"{number:,.0f}/s"


def times(ratio: float) -> str:
    return f"{ratio:.2f}×" if ratio < 10 else f"{ratio:,.0f}×"
