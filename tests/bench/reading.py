"""Posts read a second, on as many threads as there are cores, against a RoBERTa-base through transformers.

The yardstick has random weights (no hub is asked) and is handed numbers instead of words: as many as our own tokenizer makes
of the same posts, which flatters it, because its own English pieces are shorter outside English. It pays for no tokenizing.
The posts are those that the reader was trained on, of which the gate spares more than of others: hence the rows without it.
"""

import os
import time
from collections.abc import Callable
from importlib.util import find_spec

import msgspec
import numpy as np
from bench.figures import Figure, rate, spoken, times

from models.sentiment.normalizing import normalize, spaced
from models.sentiment.pair import Pair

BATCH = 64
ALONE = 300
"""Posts that are read one by one."""
ROUNDS = 3


def measure() -> list[Figure]:
    posts = spoken()[::3]
    said, languages = [text for text, _ in posts], [language for _, language in posts]
    pair = Pair.load()
    tier = _best(lambda: pair.ngrams.logits(said, languages), len(said))
    runs = [slice(n, n + BATCH) for n in _starts(said)]
    batches = _best(lambda: [pair.classify(said[run], languages[run]) for run in runs], len(said))
    some = posts[:: len(posts) // ALONE]
    alone = _best(lambda: [pair.classify([text], [language]) for text, language in some], len(some))
    words = max(said[:200], key=len)
    why = _best(lambda: pair.moved(words, "it", 0), 1)
    figures = [
        Figure("reading, n-gram tier alone", rate(tier), "", "", "≥ 4,000/s"),
        Figure(f"why, a post of {len(words.split())} words", f"{1000 / why:.0f} ms", "", "", "≤ 50 ms"),
    ]
    open_gate = Pair(pair.ngrams, pair.encoder, msgspec.structs.replace(pair.mix, gate=2.0), pair.name)
    whole = _best(lambda: [open_gate.classify(said[run], languages[run]) for run in runs], len(said))
    whole_alone = _best(lambda: [open_gate.classify([text], [language]) for text, language in some], len(some))
    whats = (
        "reading in batches, the gate on",
        "reading one by one, the gate on",
        "reading in batches, every post through the encoder",
        "reading one by one, every post through the encoder",
    )
    ours = (batches, alone, whole, whole_alone)
    if find_spec("torch") is None or find_spec("transformers") is None:
        missing = "PyTorch is not installed: pip install 'ascolto[torch]'"
        pairs = zip(whats, ours, strict=True)
        return [*(Figure(what, rate(speed), missing, "", "≥ 25×") for what, speed in pairs), *figures]
    yardstick = _Roberta(
        [len(e.ids) for e in pair.encoder.tokenizer.encode_batch([spaced(normalize(t)) for t in said])]
    )
    theirs = (
        _best(yardstick.batches, yardstick.count, rounds=1),
        _best(yardstick.alone, yardstick.alone_count, rounds=1),
    )
    compared = [
        Figure(what, rate(speed), f"{rate(big)} RoBERTa-base", times(speed / big), "≥ 25×")
        for what, speed, big in zip(whats, ours, theirs * 2, strict=True)
    ]
    return [*compared, *figures]


class _Roberta:
    """The same batches of the same lengths, a tenth as many."""

    def __init__(self, lengths: list[int]) -> None:
        import torch
        from transformers import RobertaConfig, RobertaForSequenceClassification

        torch.set_num_threads(len(os.sched_getaffinity(0)))
        self._torch = torch
        self._model = RobertaForSequenceClassification(RobertaConfig(vocab_size=50_265, num_labels=3)).eval()
        chance = np.random.default_rng(0)
        rows = [chance.integers(4, 50_000, length) for length in lengths]
        self._batches = [rows[n : n + BATCH] for n in _starts(rows)][::6]
        self._alone = rows[:: len(rows) // 40]
        self.count, self.alone_count = sum(map(len, self._batches)), len(self._alone)

    def batches(self) -> None:
        for batch in self._batches:
            self._read(batch)

    def alone(self) -> None:
        for row in self._alone:
            self._read([row])

    def _read(self, rows: list[np.ndarray]) -> None:
        ids = np.ones((len(rows), max(map(len, rows))), np.int64)
        for line, row in zip(ids, rows, strict=True):
            line[: len(row)] = row
        given = self._torch.from_numpy(ids)
        with self._torch.inference_mode():
            self._model(input_ids=given, attention_mask=(given != 1).long()).logits.softmax(-1)


def _starts(said: list) -> range:
    return range(0, len(said), BATCH)


def _best(work: Callable[[], object], count: int, rounds: int = ROUNDS) -> float:
    """The most a second, after one warm-up."""
    work()
    spent = []
    for _ in range(rounds):
        began = time.perf_counter()
        work()
        spent.append(time.perf_counter() - began)
    return count / min(spent)
