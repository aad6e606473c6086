"""The steps of the training. Each writes a file into the work folder, which later steps start from."""

import json
import os
import random
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import cached_property, partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from scipy.sparse import vstack
from tokenizers import Tokenizer

from models.sentiment.classifier import INTENTS, LABELS, Floats, softmax
from models.sentiment.encoder import Encoder as BundledEncoder
from models.sentiment.ensemble import Proportion
from models.sentiment.evaluation import Labels, macro_f1, macro_recall
from models.sentiment.ngrams import Ngrams
from models.sentiment.training import bundle, datasets, encoder, mixture, ngrams, vocabulary
from models.sentiment.training.datasets import Example, Pair
from models.sentiment.training.encoder import Plan
from models.sentiment.training.mixture import HeldOut

DISTIL: Final = Plan(4.0, 3e-4, batch=4_096)
MAX_PAIRS: Final = 17_000
"""Per language: Portuguese alone would be a third."""
TUNE: Final = Plan(2.0, 1.2e-4)
"""On the labels of the public rows. The result predicts the sentiment of the English lines of the pairs."""
PROJECT: Final = Plan(1.0, 8e-5, seed=1)
"""The same rows again, and the other side of each pair with the prediction for its English side."""
BRAND_TUNE: Final = (Plan(2.0, 6e-5), Plan(3.0, 8e-5, seed=9))
"""On written posts, first with public rows of all their languages, then with Romanian ones alone, whose scores drop otherwise."""
BRAND_SHARE: Final = 0.875
"""The share of the weights after BRAND_TUNE in the bundled ones; the rest are those from before it (Wortsman et al., "Robust
Fine-Tuning of Zero-Shot Models", CVPR 2022), which recovers what the last stages forget."""
MAX_SUBTITLES: Final = {"en": 6_000, "it": 5_000, "ro": 7_000}
MAX_SUBTITLES_OTHER: Final = 4_000
REPEATS: Final = {"it": 2, "ro": 3}
"""How often an epoch repeats the public rows of a language, except subtitles: these languages have few."""
ALWAYS_TRAINED_REPEATS: Final = 2
"""How often an epoch on the public rows repeats the written posts that no fold holds out."""
ATTENTION_HEADS: Final = 12
ALL: Final = "all"


NO_DATA: Final = "There are no sets under {data}: DATA is the folder with sentiment/train and sentiment/val."


class Run:
    """The data sets of one run, and its work folder."""

    def __init__(self, data: Path, english: Path, work: Path, *, free_only: bool, jobs: int = 1) -> None:
        self.data = data
        self.english = english
        self.work = work
        self.jobs = jobs
        work.mkdir(parents=True, exist_ok=True)
        self.written_posts = datasets.written_posts()
        self.validation = datasets.public_sets(data, "val")
        if not self.validation:
            raise SystemExit(NO_DATA.format(data=data))
        self.validation |= datasets.held_out_posts()
        leaks = datasets.Leaks(example.text for examples in self.validation.values() for example in examples)
        train = datasets.public_sets(data, "train", free_only=free_only)
        if not train:
            raise SystemExit(NO_DATA.format(data=data))
        self.train = {name: datasets.without_leaks(examples, leaks) for name, examples in train.items()}
        self.pairs = [pair for pair in datasets.pairs(data) if pair.english not in leaks and pair.other not in leaks]
        self.always_trained = [
            e for name, posts in self.written_posts.items() if name[-1] in datasets.ALWAYS_TRAINED for e in posts
        ]
        self.folds = sorted({name[-1] for name in self.written_posts} - {*datasets.ALWAYS_TRAINED})

    def training_posts(self, fold: str) -> list[Example]:
        """Written posts of all files except those of a fold; of all files for ALL."""
        return [example for name, posts in self.written_posts.items() if name[-1] != fold for example in posts]

    def held_out(self, fold: str) -> dict[str, list[Example]]:
        """What the models of a fold are not trained on: its own files, or for ALL the validation sets."""
        if fold == ALL:
            return self.validation
        return {name: posts for name, posts in self.written_posts.items() if name[-1] == fold}

    @cached_property
    def pieces(self) -> list[str]:
        path = self.ensure("pieces.json", lambda to: to.write_text(json.dumps(_build_vocabulary(self))))
        pieces: list[str] = json.loads(path.read_text())
        return pieces

    @cached_property
    def tokenizer(self) -> encoder.PieceTokenizer:
        return encoder.PieceTokenizer(self.pieces)

    def ensure(self, name: str, create: Callable[[Path], object]) -> Path:
        """The path of a file in the work folder, which is created unless an earlier run has finished it."""
        path = self.work / name
        if not path.exists():
            log_progress(f"creating {name}")
            partial_path = path.with_name(f"new-{name}")
            create(partial_path)
            partial_path.rename(path)
        return path


def log_progress(line: str) -> None:
    print(time.strftime("%H:%M:%S"), line, flush=True)  # noqa: T201


def train(run: Run) -> tuple[list[HeldOut], tuple[Proportion, Proportion]]:
    """Trains both models for every fold and for ALL; returns their logits on held-out texts, and the proportions for intent:
    of both models, and of the n-gram model alone."""
    if any(not (run.work / f"predictions-{fold}.npz").exists() for fold in (*run.folds, ALL)):
        _train_encoders(run)
    _train_ngrams(run)
    return _evaluate(run)


def _train_encoders(run: Run) -> None:
    run.ensure("distilled.pt", partial(_distil, run))
    run.ensure("tuned.pt", partial(_tune, run))
    run.ensure("pair-predictions.npz", partial(_predict_pairs, run))
    run.ensure("projected.pt", partial(_project, run))
    folds = (*run.folds, ALL)
    _in_parallel(run, [(f"brand-tuned-{fold}.pt", partial(_tune_on_brands, run, fold)) for fold in folds])
    _in_parallel(run, [(f"predictions-{fold}.npz", partial(_predict_held_out, run, fold)) for fold in folds])


def _in_parallel(run: Run, steps: Sequence[tuple[str, Callable[[Path], object]]]) -> None:
    """Independent steps, at most `jobs` at once."""
    if run.jobs == 1:
        for name, create in steps:
            run.ensure(name, create)
        return
    threads = max(1, (os.cpu_count() or 1) // run.jobs)
    with ProcessPoolExecutor(run.jobs, get_context("spawn"), torch.set_num_threads, (threads,)) as pool:
        for step in [pool.submit(run.ensure, name, create) for name, create in steps]:
            step.result()


def _build_vocabulary(run: Run) -> list[str]:
    texts: dict[str, dict[str, None]] = {}
    for examples in (*run.train.values(), *run.written_posts.values()):
        for example in examples:
            texts.setdefault(example.language, {})[example.text] = None
    for pair in run.pairs:
        texts.setdefault(pair.language, {})[pair.other] = None
        texts.setdefault("en", {})[pair.english] = None
    english = Tokenizer.from_file(str(run.english / "tokenizer.json"))
    english.no_padding()
    english.no_truncation()
    return vocabulary.build_vocabulary({language: list(group) for language, group in texts.items()}, english)


def _distil(run: Run, to: Path) -> None:
    model = encoder.initial_model(run.english, run.pieces)
    pairs = _sample_pairs(run.pairs, DISTIL.seed)
    encoder.distil(model, run.english, pairs, run.tokenizer, DISTIL, log_progress)
    torch.save(model.state_dict(), to)


def _sample_pairs(pairs: Iterable[Pair], seed: int) -> list[Pair]:
    by_language: dict[str, list[Pair]] = {}
    for pair in pairs:
        by_language.setdefault(pair.language, []).append(pair)
    rng = random.Random(seed)
    return [pair for group in by_language.values() for pair in rng.sample(group, min(len(group), MAX_PAIRS))]


def _labelled_rows(run: Run) -> list[Example]:
    """An epoch of all labelled rows, without the written posts of the folds."""
    return [*_public_rows(run), *run.always_trained * ALWAYS_TRAINED_REPEATS]


def _tune(run: Run, to: Path) -> None:
    _tune_from(run, "distilled.pt", _labelled_rows(run), TUNE, to)


def _project(run: Run, to: Path) -> None:
    _tune_from(run, "tuned.pt", [*_labelled_rows(run), *_projected_rows(run)], PROJECT, to)


def _tune_from(run: Run, start: str, rows: Sequence[Example], plan: Plan, to: Path) -> None:
    model = _load(run, start)
    encoder.tune(model, rows, run.tokenizer, plan, log_progress)
    _log_validation(run, model, to.name)
    torch.save(model.state_dict(), to)


def _predict_pairs(run: Run, to: Path) -> None:
    """The encoder's predictions for the English side of each pair, which are the targets for the other side."""
    model = _load(run, "tuned.pt")
    lines = list(dict.fromkeys(pair.english for pair in run.pairs))
    by_line = dict(zip(lines, softmax(encoder.predict(model, lines, run.tokenizer)[0]), strict=True))
    with to.open("wb") as file:
        np.savez(file, probabilities=np.stack([by_line[pair.english] for pair in run.pairs]))


def _projected_rows(run: Run) -> list[Example]:
    """The other sides of the pairs, with the predictions for the English ones."""
    predictions = map(tuple, np.load(run.work / "pair-predictions.npz")["probabilities"].tolist())
    by_pair = dict(zip(run.pairs, predictions, strict=True))
    return [
        Example(pair.other, 0, pair.language, datasets.WEIGHTS["xed"], datasets.PAIRS, soft_label=by_pair[pair])
        for pair in _sample_pairs(run.pairs, PROJECT.seed)
    ]


def metric_of(name: str) -> Callable[[Labels, Labels], float]:
    """The metric that a set was published with: macro-recall for TweetEval, macro-F1 for the others."""
    return macro_recall if "tweeteval" in name else macro_f1


def _log_validation(run: Run, model: encoder.Encoder, name: str) -> None:
    """The scores of an intermediate model on the validation sets."""
    scores = []
    for set_name, examples in run.validation.items():
        predicted = encoder.predict(model, [e.text for e in examples], run.tokenizer)[0].argmax(axis=1)
        score = metric_of(set_name)(np.array([e.label for e in examples]), predicted)
        scores.append(f"{set_name} {100 * score:.1f}")
    log_progress(f"{name}: {', '.join(scores)}")


def _public_rows(run: Run) -> list[Example]:
    """An epoch of the public training rows for the encoder."""
    rng = random.Random(3)
    rows: list[Example] = []
    for name, examples in run.train.items():
        language = name[:2]
        if name.endswith("xed"):
            rows += rng.sample(examples, min(len(examples), MAX_SUBTITLES.get(language, MAX_SUBTITLES_OTHER)))
        else:
            rows += examples * REPEATS.get(language, 1)
    return rows


def _tune_on_brands(run: Run, fold: str, to: Path) -> None:
    """On the written posts outside a fold, first with as many public rows of the same languages, then with all Romanian
    ones."""
    posts = run.training_posts(fold)
    languages = {example.language for example in posts}
    public = [e for e in _public_rows(run) if e.language in languages and e.source != "xed"]
    rehearsed = random.Random(4).sample(public, min(len(posts), len(public)))
    romanian = [e for examples in run.train.values() for e in examples if e.language == "ro" and e.source != "xed"]
    model = _load(run, "projected.pt")
    before = {name: weight.clone() for name, weight in model.state_dict().items()}
    for plan, public_rows in zip(BRAND_TUNE, (rehearsed, romanian), strict=True):
        encoder.tune(model, [*posts, *public_rows], run.tokenizer, plan, log_progress)
    after = model.state_dict()
    torch.save({name: torch.lerp(before[name], after[name].cpu(), _brand_share(name)) for name in after}, to)


def _brand_share(name: str) -> float:
    """The intent head is untrained before."""
    return 1.0 if name.startswith("intent") else BRAND_SHARE


def _predict_held_out(run: Run, fold: str, to: Path) -> None:
    """The logits of a fold's encoder, in its bundled form, for the texts that are held out from it."""
    bundled = BundledEncoder.load(run.ensure(f"encoder-{fold}.onnx", partial(_export, run, fold)))
    logits: dict[str, Any] = {}
    for name, examples in run.held_out(fold).items():
        encoded = bundled.encode([example.text for example in examples])
        logits |= {f"{name}.sentiment": encoded.sentiment, f"{name}.intent": encoded.intent}
    with to.open("wb") as file:
        np.savez(file, **logits)


def _export(run: Run, fold: str, to: Path) -> None:
    model = _load(run, f"brand-tuned-{fold}.pt")
    state = {name: weight.float().cpu().numpy() for name, weight in model.state_dict().items()}
    bundle.save(state, ATTENTION_HEADS, run.pieces, to)


def _load(run: Run, name: str) -> encoder.Encoder:
    model = encoder.initial_model(run.english, run.pieces)
    model.load_state_dict(torch.load(run.work / name, map_location="cpu", weights_only=True))
    return model


def _train_ngrams(run: Run) -> None:
    """One n-gram model per fold and one for ALL, each starting from weights fitted on the public rows."""
    if all((run.work / f"ngrams-{fold}.npz").exists() for fold in (*run.folds, ALL)):
        return
    public = [example for examples in run.train.values() for example in examples if ngrams.weight(example)]
    weights = [ngrams.weight(example) for example in public]
    rows, _ = ngrams.rows(public)
    log_progress(f"{len(public)} public rows for the n-grams")
    initial = ngrams.fit(rows, [e.label for e in public], weights, len(LABELS))
    for fold in (*run.folds, ALL):
        posts = run.training_posts(fold)
        post_rows, intent_rows = ngrams.rows(posts)
        labels = [e.label for e in (*public, *posts)]
        sentiment = ngrams.fit(
            vstack([rows, post_rows]).tocsr(), labels, [*weights, *map(ngrams.weight, posts)], len(LABELS),
            initial=initial, steps=ngrams.STEPS // 2,
        )  # fmt: skip
        intents = [INTENTS.index(e.intent) for e in posts]
        intent = ngrams.fit(intent_rows, intents, [1.0] * len(posts), len(INTENTS), penalty=ngrams.INTENT_PENALTY)
        run.ensure(f"ngrams-{fold}.npz", ngrams.quantized(sentiment, intent).save)


def _evaluate(run: Run) -> tuple[list[HeldOut], tuple[Proportion, Proportion]]:
    """The logits of both models on texts that they were not trained on, and the proportions for intent."""
    held_out: list[HeldOut] = []
    intents: list[tuple[list[int], Floats, Floats]] = []
    by_language: dict[str, list[HeldOut]] = {}
    for fold in (*run.folds, ALL):
        ngram_model = Ngrams.load(run.work / f"ngrams-{fold}.npz")
        predictions = np.load(run.work / f"predictions-{fold}.npz")
        for name, examples in run.held_out(fold).items():
            held_out_set, intent = _with_ngrams(name, examples, ngram_model, predictions[f"{name}.sentiment"])
            if fold == ALL:
                held_out.append(held_out_set)
                continue
            by_language.setdefault(name[:2], []).append(held_out_set)
            intents.append(([INTENTS.index(e.intent) for e in examples], intent, predictions[f"{name}.intent"]))
    held_out += [_joined(f"{language}-{datasets.WRITTEN}", parts) for language, parts in sorted(by_language.items())]
    labels = np.array([label for part, _, _ in intents for label in part])
    ngram, encoded = (np.concatenate([part[n] for part in intents]) for n in (1, 2))
    weights = np.full(len(labels), 1 / len(labels), np.float32)
    together = mixture.fit_proportion(ngram, encoded, labels, weights)
    log_progress(f"intent, folds by file: macro-F1 {100 * _macro_f1(labels, together.logits(ngram, encoded)):.1f}")
    return held_out, (together, mixture.fit_proportion(ngram, encoded, labels, weights, alone=True))


def _macro_f1(labels: np.ndarray, logits: Floats) -> float:
    """Of intents, over those that occur."""
    guess = logits.argmax(axis=1)
    scores = [
        2 * ((guess == n) & (labels == n)).sum() / max((guess == n).sum() + (labels == n).sum(), 1) for n in set(labels)
    ]
    return float(np.mean(scores))


def _with_ngrams(
    name: str, examples: Sequence[Example], model: Ngrams, encoder_logits: Floats
) -> tuple[HeldOut, Floats]:
    """The set with the n-gram model's logits, and its logits for intent."""
    texts = [example.text for example in examples]
    sentiment, intent = model.logits(texts, [name[:2]] * len(texts))
    shared, _ = model.logits(texts, ["und"] * len(texts))
    labels = np.array([example.label for example in examples], dtype=np.intp)
    return HeldOut(name, name[:2], labels, sentiment, shared, encoder_logits), intent


def _joined(name: str, parts: Sequence[HeldOut]) -> HeldOut:
    joined = [
        np.concatenate([getattr(part, field) for part in parts]) for field in ("labels", "ngram", "shared", "encoder")
    ]
    return HeldOut(name, name[:2], *joined)
