"""Posts per second against 1,000 queries, including JSON decoding, on one core."""

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
    posts = texts() * 4
    lines = [
        json.dumps({"platform": "x", "id": str(n), "text": text, "author": {"handle": f"a{n}"}}).encode()
        for n, text in enumerate(posts)
    ]
    queries, words = make_queries(posts)
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

    our_speed, hits = _speed(ours, lines)
    naive_speed, _ = _speed(naive, lines[: len(lines) // 8])
    regex_speed, _ = _speed(regex, lines[: len(lines) // 8])
    what = f"matching against {QUERIES:,} queries ({hits:.0%} of posts match)"
    naive_ratio, regex_ratio = times(our_speed / naive_speed), times(our_speed / regex_speed)
    return [
        Figure(what, rate(our_speed), f"{rate(naive_speed)} naive `in`", naive_ratio, "≥ 15×, ≥ 80,000/s"),
        Figure(what, rate(our_speed), f"{rate(regex_speed)} `re` alternation", regex_ratio),
    ]


def make_queries(posts: list[str]) -> tuple[list[str], list[str]]:
    """Queries of five kinds for invented brands of three and four syllables and forty words of the posts; and those names
    and words."""
    rng = random.Random(7)
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
        names.add("".join(rng.choices(syllables, k=rng.randint(3, 4))))
    common = sorted({word for text in posts for word in re.findall(r"\w{9,}", fold(text))})
    words = [*sorted(names), *rng.sample(common, 40)]
    kinds = (
        "{0}",
        '{0} OR "{0} italia"',
        "{0} OR #{0} OR @{0} -concorso",
        "{0} (ritardo OR guasto OR intarziere)",
        '{0} OR "{0} servizio"~3',
    )
    return [kinds[number % len(kinds)].format(word) for number, word in enumerate(words)], words


def _speed(matches: Callable[[bytes], bool], lines: list[bytes]) -> tuple[float, float]:
    """Lines per second in the best of ROUNDS, and the share of lines that match."""
    best, hits = 0.0, 0
    for _ in range(ROUNDS):
        started = time.perf_counter()
        hits = sum(map(matches, lines))
        best = max(best, len(lines) / (time.perf_counter() - started))
    return best, hits / len(lines)
