"""Training sets contain no text that is used for evaluation."""

import gzip
import json
import random
from pathlib import Path

import pytest

from models.sentiment.training import datasets
from models.sentiment.training.augmentation import augment
from models.sentiment.training.datasets import Leaks


@pytest.mark.parametrize(
    ("text", "leaks"),
    [
        ("Il treno è in ritardo anche oggi, che vergogna", True),
        ("IL TRENO e in ritardo anche oggi che vergogna!!!", True),
        ("oh: il treno è in ritardo anche oggi, che vergogna davvero", True),
        ("il treno è in orario anche oggi, che bello", False),
        ("che vergogna", False),
        ("", False),
    ],
)
def test_a_text_that_repeats_a_held_out_one_leaks(text: str, leaks: bool):
    assert (text in Leaks(["Il treno è in ritardo anche oggi, che vergogna"])) is leaks


def _data(tmp_path: Path) -> Path:
    held_out = {"text": "questo è il testo che nessuno deve vedere prima", "label": "negative"}
    rows = {
        "train/it-umsab": [{"text": "va bene così", "label": "positive"}, held_out],
        "train/it-sart": [{"text": "QUESTO e il testo che nessuno deve vedere prima!", "label": "negative"}],
        "val/it-umsab": [held_out],
    }
    for name, lines in rows.items():
        path = tmp_path / "sentiment" / f"{name}.jsonl.gz"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(gzip.compress("\n".join(json.dumps(line) for line in lines).encode()))
    return tmp_path


def test_validation_texts_are_not_trained_on(tmp_path: Path):
    pytest.importorskip("torch", reason="the train extra is not installed: pip install 'ascolto[train]'")
    from models.sentiment.training.pipeline import Run

    run = Run(_data(tmp_path), tmp_path, tmp_path / "work", free_only=False)
    assert [e.text for examples in run.train.values() for e in examples] == ["va bene così"]
    assert [e.text for examples in run.validation.values() for e in examples] != []


def test_free_only_leaves_research_sets_out(tmp_path: Path):
    assert set(datasets.public_sets(_data(tmp_path), "train", free_only=True)) == {"it-sart"}
    assert set(datasets.public_sets(_data(tmp_path), "train")) == {"it-sart", "it-umsab"}


def test_written_posts_are_complete_and_no_file_repeats_another():
    written_posts = datasets.written_posts()
    assert sum(len(posts) for name, posts in written_posts.items() if name[-1] not in datasets.ALWAYS_TRAINED) == 3_900
    keys: dict[tuple[str, str], str] = {}
    for name, posts in {**written_posts, **datasets.held_out_posts()}.items():
        for post in posts:
            assert keys.setdefault((post.language, datasets.key(post.text)), name) == name, post.text
            assert post.intent


def test_no_written_post_repeats_a_held_out_one():
    leaks = Leaks(post.text for posts in datasets.held_out_posts().values() for post in posts)
    assert [post.text for posts in datasets.written_posts().values() for post in posts if post.text in leaks] == []


def test_augmentation_varies_the_text_and_is_reproducible():
    text = "Perché il treno è così in ritardo? Non rispondete mai 😡 #vergogna"
    variants = {augment(text, "it", random.Random(n)) for n in range(200)}
    assert text in variants
    assert any("e'" in variant or "ì'" in variant or "i'" in variant for variant in variants)
    assert any("😡" not in variant for variant in variants)
    assert all(variant.strip() for variant in variants)
    assert augment(text, "it", random.Random(4)) == augment(text, "it", random.Random(4))
