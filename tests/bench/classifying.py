"""Posts classified per second, on as many threads as there are cores, compared with RoBERTa-base through transformers.

The yardstick has random weights (nothing is downloaded) and gets token ids instead of text: as many as our own tokenizer makes of
the same posts. This favours it, because its English pieces are shorter in other languages, and it does no tokenization.
The posts are those that the classifier was trained on, for which the gate skips the encoder more often than for others: hence
the rows without it.
"""

import os
import time
from collections.abc import Callable
from importlib.util import find_spec

import msgspec
import numpy as np
from bench.figures import Figure, posts, rate, times

from models.sentiment.ensemble import Ensemble
from models.sentiment.normalization import normalize, separate_emoji

BATCH = 64
ONE_BY_ONE = 300
"""Posts that are classified one by one."""
ROUNDS = 3


def measure() -> list[Figure]:
    sample = posts()[::3]
    texts, languages = [text for text, _ in sample], [language for _, language in sample]
    gated = Ensemble.load()
    ngrams_alone = _best(lambda: gated.ngrams.logits(texts, languages), len(texts))
    batches = [slice(n, n + BATCH) for n in _starts(texts)]
    singles = sample[:: len(sample) // ONE_BY_ONE]

    def in_batches(classifier: Ensemble) -> float:
        return _best(lambda: [classifier.classify(texts[batch], languages[batch]) for batch in batches], len(texts))

    def one_by_one(classifier: Ensemble) -> float:
        return _best(lambda: [classifier.classify([text], [language]) for text, language in singles], len(singles))

    gated_speeds = (in_batches(gated), one_by_one(gated))
    longest = max(texts[:200], key=len)
    explanations = _best(lambda: gated.influences(longest, "it", 0), 1)
    figures = [
        Figure("classifying, n-gram model alone", rate(ngrams_alone), "", "", "≥ 4,000/s"),
        Figure(
            f"influential words of a post of {len(longest.split())} words", f"{1000 / explanations:.0f} ms", "", "", "≤ 50 ms"
        ),
    ]  # fmt: skip
    without_gate = Ensemble(gated.ngrams, gated.encoder, msgspec.structs.replace(gated.mix, gate=2.0), gated.name)
    speeds = (*gated_speeds, in_batches(without_gate), one_by_one(without_gate))
    whats = (
        "classifying in batches, the gate on",
        "classifying one by one, the gate on",
        "classifying in batches, every post through the encoder",
        "classifying one by one, every post through the encoder",
    )
    if find_spec("torch") is None or find_spec("transformers") is None:
        missing = "PyTorch is not installed: pip install 'ascolto[torch]'"
        without_yardstick = (
            Figure(what, rate(speed), missing, "", "≥ 25×") for what, speed in zip(whats, speeds, strict=True)
        )
        return [*without_yardstick, *figures]
    yardstick = _Roberta(
        [len(e.ids) for e in gated.encoder.tokenizer.encode_batch([separate_emoji(normalize(t)) for t in texts])]
    )
    roberta_speeds = (
        _best(yardstick.in_batches, yardstick.batch_count, rounds=1),
        _best(yardstick.one_by_one, yardstick.single_count, rounds=1),
    )
    compared = [
        Figure(what, rate(speed), f"{rate(roberta)} RoBERTa-base", times(speed / roberta), "≥ 25×")
        for what, speed, roberta in zip(whats, speeds, roberta_speeds * 2, strict=True)
    ]
    return [*compared, *figures]


class _Roberta:
    """The same batches of the same lengths, but a sixth of them, and about forty single posts."""

    def __init__(self, lengths: list[int]) -> None:
        import torch
        from transformers import RobertaConfig, RobertaForSequenceClassification

        torch.set_num_threads(len(os.sched_getaffinity(0)))
        self._torch = torch
        self._model = RobertaForSequenceClassification(RobertaConfig(vocab_size=50_265, num_labels=3)).eval()
        rng = np.random.default_rng(0)
        rows = [rng.integers(4, 50_000, length) for length in lengths]
        self._batches = [rows[n : n + BATCH] for n in _starts(rows)][::6]
        self._singles = rows[:: len(rows) // 40]
        self.batch_count, self.single_count = sum(map(len, self._batches)), len(self._singles)

    def in_batches(self) -> None:
        for batch in self._batches:
            self._classify(batch)

    def one_by_one(self) -> None:
        for row in self._singles:
            self._classify([row])

    def _classify(self, rows: list[np.ndarray]) -> None:
        ids = np.ones((len(rows), max(map(len, rows))), np.int64)
        for line, row in zip(ids, rows, strict=True):
            line[: len(row)] = row
        tensor = self._torch.from_numpy(ids)
        with self._torch.inference_mode():
            self._model(input_ids=tensor, attention_mask=(tensor != 1).long()).logits.softmax(-1)


def _starts(rows: list) -> range:
    return range(0, len(rows), BATCH)


def _best(work: Callable[[], object], count: int, rounds: int = ROUNDS) -> float:
    """The most per second, after one warm-up."""
    work()
    seconds = []
    for _ in range(rounds):
        started = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - started)
    return count / min(seconds)
