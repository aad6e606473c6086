"""Posts a second against 1,000 queries, JSON decoding included, on one core."""

import json
import random
import re
import time
from collections.abc import Callable

import msgspec
from bench.figures import Figure, rate, texts, times

from models.query import Matcher, Subject, parse
from models.text import fold

QUERIES = 1_000
ROUNDS = 3


class _Author(msgspec.Struct):
    handle: str


class _Post(msgspec.Struct):
    text: str
    author: _Author


def measure() -> list[Figure]:
    said = texts() * 4
    lines = [
        json.dumps({"platform": "x", "id": str(n), "text": text, "author": {"handle": f"a{n}"}}).encode()
        for n, text in enumerate(said)
    ]
    queries, words = made_up(said)
    matcher = Matcher([(number, parse(query)) for number, query in enumerate(queries)])
    alternation = re.compile(r"(?<!\w)(?:" + "|".join(map(re.escape, words)) + r")(?!\w)")
    decode = msgspec.json.Decoder(_Post).decode

    def ours(line: bytes) -> bool:
        post = decode(line)
        return bool(matcher.match(Subject(post.text, author=post.author.handle, sources=("x",))))

    def naive(line: bytes) -> bool:
        folded = fold(decode(line).text)
        return any([word in folded for word in words])

    def regex(line: bytes) -> bool:
        return bool(alternation.findall(fold(decode(line).text)))

    fast, hits = _speed(ours, lines)
    slow, _ = _speed(naive, lines[: len(lines) // 8])
    middle, _ = _speed(regex, lines[: len(lines) // 8])
    what = f"matching against {QUERIES:,} queries ({hits:.0%} of posts match)"
    return [
        Figure(what, rate(fast), f"{rate(slow)} naive `in`", times(fast / slow), "≥ 15×, ≥ 80,000/s"),
        Figure(what, rate(fast), f"{rate(middle)} `re` alternation", times(fast / middle)),
    ]


def made_up(said: list[str]) -> tuple[list[str], list[str]]:
    """Made-up brands of two and three syllables in five kinds of query, and forty words that are in the posts."""
    chance = random.Random(7)
    syllables = [
        "fer",
        "vio",
        "lan",
        "cor",
        "mar",
        "tel",
        "zef",
        "pan",
        "gra",
        "nor",
        "vel",
        "dra",
        "lin",
        "via",
        "net",
        "ro",
        "bri",
        "ska",
        "lun",
        "dor",
    ]
    names: set[str] = set()
    while len(names) < QUERIES - 40:
        names.add("".join(chance.choices(syllables, k=chance.randint(3, 4))))
    common = sorted({word for text in said for word in re.findall(r"\w{9,}", fold(text))})
    words = [*sorted(names), *chance.sample(common, 40)]
    kinds = (
        "{0}",
        '{0} OR "{0} italia"',
        "{0} OR #{0} OR @{0} -concorso",
        "{0} (ritardo OR guasto OR intarziere)",
        '{0} OR "{0} servizio"~3',
    )
    return [kinds[number % len(kinds)].format(word) for number, word in enumerate(words)], words


def _speed(does: Callable[[bytes], bool], lines: list[bytes]) -> tuple[float, float]:
    """The best of some rounds, and the share of lines that hit."""
    best, hits = 0.0, 0
    for _ in range(ROUNDS):
        began = time.perf_counter()
        hits = sum(map(does, lines))
        best = max(best, len(lines) / (time.perf_counter() - began))
    return best, hits / len(lines)
