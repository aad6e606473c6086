"""The steps of the training, each leaving a file that the next ones begin from."""

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
from models.sentiment.encoder import Encoder as Shipped
from models.sentiment.measuring import Labels, macro_f1, macro_recall
from models.sentiment.ngrams import Ngrams
from models.sentiment.pair import Proportion
from models.sentiment.training import encoder, exporting, mixing, ngrams, sets, vocabulary
from models.sentiment.training.encoder import Plan
from models.sentiment.training.mixing import HeldOut
from models.sentiment.training.sets import Example, Pair

DISTIL: Final = Plan(4.0, 3e-4, batch=4_096)
MOST_PAIRS: Final = 17_000
"""A language: Portuguese alone would be a third."""
TUNE: Final = Plan(2.0, 1.2e-4)
"""Towards the labels of the public rows. What comes of it says what it makes of the English lines of pairs."""
AGAIN: Final = Plan(1.0, 8e-5, seed=1)
"""The rows once more, and the other side of each pair towards what was said of the English one."""
FINISH: Final = (Plan(2.0, 6e-5), Plan(3.0, 8e-5, seed=9))
"""With public rows of all the posts' languages beside the posts, then with Romanian ones alone, whose scores fall without."""
FINISHED: Final = 0.875
"""The share of the finished weights in what is shipped, the rest being those from before (Wortsman et al., "Robust
Fine-Tuning of Zero-Shot Models", CVPR 2022): what the last stages made it forget comes back."""
SUBTITLES: Final = {"en": 6_000, "it": 5_000, "ro": 7_000}
OTHER_SUBTITLES: Final = 4_000
TIMES: Final = {"it": 2, "ro": 3}
"""How often an epoch sees the public rows of a language, subtitles apart: these have few."""
ALWAYS_TIMES: Final = 2
"""How often an epoch on the public rows sees the written posts that no fold holds out."""
HEADS: Final = 12
ALL: Final = "all"


NO_DATA: Final = "There are no sets under {data}: DATA is the folder that holds sentiment/train and sentiment/val."


class Making:
    """One run: what is read once, and where things are left."""

    def __init__(self, data: Path, english: Path, work: Path, *, free_only: bool, jobs: int = 1) -> None:
        self.data = data
        self.english = english
        self.work = work
        self.jobs = jobs
        work.mkdir(parents=True, exist_ok=True)
        self.written = sets.written()
        self.validation = sets.public(data, "val")
        if not self.validation:
            raise SystemExit(NO_DATA.format(data=data))
        self.validation |= sets.held()
        leaks = sets.Leaks(example.text for known in self.validation.values() for example in known)
        train = sets.public(data, "train", free_only=free_only)
        if not train:
            raise SystemExit(NO_DATA.format(data=data))
        self.train = {name: sets.without_leaks(known, leaks) for name, known in train.items()}
        self.pairs = [pair for pair in sets.pairs(data) if pair.english not in leaks and pair.other not in leaks]
        self.always = [e for name, known in self.written.items() if name[-1] in sets.ALWAYS for e in known]
        self.folds = sorted({name[-1] for name in self.written} - {*sets.ALWAYS})

    def outside(self, fold: str) -> list[Example]:
        """Written posts of all files but those of a fold; of all files for ALL."""
        return [example for name, known in self.written.items() if name[-1] != fold for example in known]

    def held_out(self, fold: str) -> dict[str, list[Example]]:
        """What a fold's tiers never saw: its own files, or for ALL the public validation sets."""
        if fold == ALL:
            return self.validation
        return {name: known for name, known in self.written.items() if name[-1] == fold}

    @cached_property
    def pieces(self) -> list[str]:
        path = self.made("pieces.json", lambda to: to.write_text(json.dumps(_pieces(self))))
        found: list[str] = json.loads(path.read_text())
        return found

    @cached_property
    def cutter(self) -> encoder.Cutter:
        return encoder.Cutter(self.pieces)

    def made(self, name: str, make: Callable[[Path], object]) -> Path:
        path = self.work / name
        if not path.exists():
            said(f"making {name}")
            beside = path.with_name(f"new-{name}")
            make(beside)
            beside.rename(path)
        return path


def said(line: str) -> None:
    print(time.strftime("%H:%M:%S"), line, flush=True)  # noqa: T201


def make(making: Making) -> tuple[list[HeldOut], tuple[Proportion, Proportion]]:
    """Both tiers of every fold and of everything; gives what they say of texts that they did not see, and the proportions of
    their intents."""
    if any(not (making.work / f"heard-{fold}.npz").exists() for fold in (*making.folds, ALL)):
        _make_encoders(making)
    _fit_ngrams(making)
    return _held_out(making)


def _make_encoders(making: Making) -> None:
    making.made("distilled.pt", partial(_distil, making))
    making.made("tuned.pt", partial(_tune, making))
    making.made("told.npz", partial(_tell, making))
    making.made("base.pt", partial(_tune_again, making))
    folds = (*making.folds, ALL)
    _together(making, [(f"finished-{fold}.pt", partial(_finish, making, fold)) for fold in folds])
    _together(making, [(f"heard-{fold}.npz", partial(_hear, making, fold)) for fold in folds])


def _together(making: Making, steps: Sequence[tuple[str, Callable[[Path], object]]]) -> None:
    """Steps that do not wait for each other, at most `jobs` at once."""
    if making.jobs == 1:
        for name, make in steps:
            making.made(name, make)
        return
    threads = max(1, (os.cpu_count() or 1) // making.jobs)
    with ProcessPoolExecutor(making.jobs, get_context("spawn"), torch.set_num_threads, (threads,)) as pool:
        for step in [pool.submit(making.made, name, make) for name, make in steps]:
            step.result()


def _pieces(making: Making) -> list[str]:
    texts: dict[str, dict[str, None]] = {}
    for known in (*making.train.values(), *making.written.values()):
        for example in known:
            texts.setdefault(example.language, {})[example.text] = None
    for pair in making.pairs:
        texts.setdefault(pair.language, {})[pair.other] = None
        texts.setdefault("en", {})[pair.english] = None
    english = Tokenizer.from_file(str(making.english / "tokenizer.json"))
    english.no_padding()
    english.no_truncation()
    return vocabulary.pieces({language: list(known) for language, known in texts.items()}, english)


def _distil(making: Making, to: Path) -> None:
    model = encoder.begin(making.english, making.pieces)
    encoder.distil(model, making.english, _some(making.pairs, DISTIL.seed), making.cutter, DISTIL, said)
    torch.save(model.state_dict(), to)


def _some(pairs: Iterable[Pair], seed: int) -> list[Pair]:
    by_language: dict[str, list[Pair]] = {}
    for pair in pairs:
        by_language.setdefault(pair.language, []).append(pair)
    chance = random.Random(seed)
    return [pair for known in by_language.values() for pair in chance.sample(known, min(len(known), MOST_PAIRS))]


def _rows(making: Making) -> list[Example]:
    """An epoch of all rows that have a label, the written ones of the folds apart."""
    return [*_public_rows(making), *making.always * ALWAYS_TIMES]


def _tune(making: Making, to: Path) -> None:
    _tuned(making, "distilled.pt", _rows(making), TUNE, to)


def _tune_again(making: Making, to: Path) -> None:
    _tuned(making, "tuned.pt", [*_rows(making), *_projected(making)], AGAIN, to)


def _tuned(making: Making, begin: str, rows: Sequence[Example], plan: Plan, to: Path) -> None:
    model = _loaded(making, begin)
    encoder.tune(model, rows, making.cutter, plan, said)
    _watch(making, model, to.name)
    torch.save(model.state_dict(), to)


def _tell(making: Making, to: Path) -> None:
    """What the encoder makes of the pairs by their English side, which goes for the other side, too."""
    model = _loaded(making, "tuned.pt")
    lines = list(dict.fromkeys(pair.english for pair in making.pairs))
    shares = dict(zip(lines, softmax(encoder.predict(model, lines, making.cutter)[0]), strict=True))
    with to.open("wb") as file:
        np.savez(file, shares=np.stack([shares[pair.english] for pair in making.pairs]))


def _projected(making: Making) -> list[Example]:
    """The other sides of pairs with what was told of the English ones."""
    told = map(tuple, np.load(making.work / "told.npz")["shares"].tolist())
    known = dict(zip(making.pairs, told, strict=True))
    return [
        Example(pair.other, 0, pair.language, sets.WEIGHTS["xed"], sets.PAIRS, shares=known[pair])
        for pair in _some(making.pairs, AGAIN.seed)
    ]


def figure_of(name: str) -> Callable[[Labels, Labels], float]:
    """How a set is scored where it was published: TweetEval by macro-recall, the others by macro-F1."""
    return macro_recall if "tweeteval" in name else macro_f1


def _watch(making: Making, model: encoder.Encoder, name: str) -> None:
    """Says on the way how a model does on the validation sets."""
    told = []
    for held_out, known in making.validation.items():
        guess = encoder.predict(model, [e.text for e in known], making.cutter)[0].argmax(axis=1)
        told.append(f"{held_out} {100 * figure_of(held_out)(np.array([e.label for e in known]), guess):.1f}")
    said(f"{name}: {', '.join(told)}")


def _public_rows(making: Making) -> list[Example]:
    """The public training rows as the encoder sees them in an epoch."""
    chance = random.Random(3)
    rows: list[Example] = []
    for name, known in making.train.items():
        language = name[:2]
        if name.endswith("xed"):
            rows += chance.sample(known, min(len(known), SUBTITLES.get(language, OTHER_SUBTITLES)))
        else:
            rows += known * TIMES.get(language, 1)
    return rows


def _finish(making: Making, fold: str, to: Path) -> None:
    """The written posts outside a fold, first with as many public rows of the same languages beside them, then with all that
    are Romanian."""
    posts = making.outside(fold)
    languages = {example.language for example in posts}
    public = [e for e in _public_rows(making) if e.language in languages and e.source != "xed"]
    rehearsed = random.Random(4).sample(public, min(len(posts), len(public)))
    romanian = [e for known in making.train.values() for e in known if e.language == "ro" and e.source != "xed"]
    model = _loaded(making, "base.pt")
    before = {name: weight.clone() for name, weight in model.state_dict().items()}
    for plan, beside in zip(FINISH, (rehearsed, romanian), strict=True):
        encoder.tune(model, [*posts, *beside], making.cutter, plan, said)
    after = model.state_dict()
    torch.save({name: torch.lerp(before[name], after[name].cpu(), _share(name)) for name in after}, to)


def _share(name: str) -> float:
    """The head for intent knew nothing before."""
    return 1.0 if name.startswith("intent") else FINISHED


def _hear(making: Making, fold: str, to: Path) -> None:
    """What the shipped form of a fold's encoder says of the texts that are held out from it."""
    shipped = Shipped.load(making.made(f"encoder-{fold}.onnx", partial(_export, making, fold)))
    heard: dict[str, Any] = {}
    for name, known in making.held_out(fold).items():
        seen = shipped.encode([example.text for example in known])
        heard |= {f"{name}.sentiment": seen.sentiment, f"{name}.intent": seen.intent}
    with to.open("wb") as file:
        np.savez(file, **heard)


def _export(making: Making, fold: str, to: Path) -> None:
    model = _loaded(making, f"finished-{fold}.pt")
    state = {name: weight.float().cpu().numpy() for name, weight in model.state_dict().items()}
    exporting.save(state, HEADS, making.pieces, to)


def _loaded(making: Making, name: str) -> encoder.Encoder:
    model = encoder.begin(making.english, making.pieces)
    model.load_state_dict(torch.load(making.work / name, map_location="cpu", weights_only=True))
    return model


def _fit_ngrams(making: Making) -> None:
    """One tier a fold and one of everything, each begun from what the public rows alone taught."""
    if all((making.work / f"ngrams-{fold}.npz").exists() for fold in (*making.folds, ALL)):
        return
    public = [example for known in making.train.values() for example in known if ngrams.weight(example)]
    weights = [ngrams.weight(example) for example in public]
    rows, _ = ngrams.rows(public)
    said(f"{len(public)} public rows for the n-grams")
    base = ngrams.fit(rows, [e.label for e in public], weights, len(LABELS))
    for fold in (*making.folds, ALL):
        posts = making.outside(fold)
        post_rows, intent_rows = ngrams.rows(posts)
        labels = [e.label for e in (*public, *posts)]
        sentiment = ngrams.fit(
            vstack([rows, post_rows]).tocsr(), labels, [*weights, *map(ngrams.weight, posts)], len(LABELS),
            begin=base, steps=ngrams.STEPS // 2,
        )  # fmt: skip
        places = [INTENTS.index(e.intent) for e in posts]
        intent = ngrams.fit(intent_rows, places, [1.0] * len(posts), len(INTENTS), penalty=ngrams.INTENT_PENALTY)
        making.made(f"ngrams-{fold}.npz", ngrams.tier(sentiment, intent).save)


def _held_out(making: Making) -> tuple[list[HeldOut], tuple[Proportion, Proportion]]:
    """What both tiers say of texts that they were not trained on, and the proportions for intent."""
    found: list[HeldOut] = []
    told: list[tuple[list[int], Floats, Floats]] = []
    by_language: dict[str, list[HeldOut]] = {}
    for fold in (*making.folds, ALL):
        tier = Ngrams.load(making.work / f"ngrams-{fold}.npz")
        heard = np.load(making.work / f"heard-{fold}.npz")
        for name, known in making.held_out(fold).items():
            one, intent = _said_of(name, known, tier, heard[f"{name}.sentiment"])
            if fold == ALL:
                found.append(one)
                continue
            by_language.setdefault(name[:2], []).append(one)
            told.append(([INTENTS.index(e.intent) for e in known], intent, heard[f"{name}.intent"]))
    found += [_joined(f"{language}-{sets.WRITTEN}", parts) for language, parts in sorted(by_language.items())]
    labels = np.array([place for places, _, _ in told for place in places])
    first, second = (np.concatenate([part[n] for part in told]) for n in (1, 2))
    shares = np.full(len(labels), 1 / len(labels), np.float32)
    both = mixing.proportion(first, second, labels, shares)
    said(f"intent, folds by file: macro-F1 {100 * _macro(labels, both.logits(first, second)):.1f}")
    return found, (both, mixing.proportion(first, second, labels, shares, alone=True))


def _macro(labels: np.ndarray, logits: Floats) -> float:
    guess = logits.argmax(axis=1)
    scores = [
        2 * ((guess == n) & (labels == n)).sum() / max((guess == n).sum() + (labels == n).sum(), 1) for n in set(labels)
    ]
    return float(np.mean(scores))


def _said_of(name: str, known: Sequence[Example], tier: Ngrams, heard: Floats) -> tuple[HeldOut, Floats]:
    texts = [example.text for example in known]
    sentiment, intent = tier.logits(texts, [name[:2]] * len(texts))
    shared, _ = tier.logits(texts, ["und"] * len(texts))
    labels = np.array([example.label for example in known], dtype=np.intp)
    return HeldOut(name, name[:2], labels, sentiment, shared, heard), intent


def _joined(name: str, parts: Sequence[HeldOut]) -> HeldOut:
    joined = [
        np.concatenate([getattr(part, field) for part in parts]) for field in ("labels", "ngram", "shared", "encoder")
    ]
    return HeldOut(name, name[:2], *joined)
