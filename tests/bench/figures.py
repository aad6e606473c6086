"""Figures as they are printed, and the texts they are measured on."""

import json
from dataclasses import dataclass
from pathlib import Path

POSTS = Path(__file__).parents[2] / "models/sentiment/training/posts"


@dataclass(frozen=True)
class Figure:
    what: str
    value: str
    yardstick: str
    ratio: str
    target: str = ""


def posts() -> list[tuple[str, str]]:
    """The texts of the written posts in the training data, and their languages, in the order of their files."""
    files = sorted(POSTS.glob("*.jsonl"))
    return [(json.loads(line)["text"], file.stem[:2]) for file in files for line in file.read_text().splitlines()]


def texts() -> list[str]:
    return [text for text, _ in posts()]


def rate(number: float) -> str:
    return f"{number:,.0f}/s"


def times(ratio: float) -> str:
    return f"{ratio:.2f}×" if ratio < 10 else f"{ratio:,.0f}×"
