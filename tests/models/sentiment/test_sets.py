"""What is trained on never holds what is measured on."""

import gzip
import json
import random
from pathlib import Path

import pytest

from models.sentiment.training import sets
from models.sentiment.training.augmenting import messy
from models.sentiment.training.sets import Leaks


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
def test_a_text_that_repeats_a_held_out_one_is_known(text: str, leaks: bool):
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


def test_the_training_never_sees_a_validation_text(tmp_path: Path):
    pytest.importorskip("torch", reason="the train extra is not installed: pip install 'ascolto[train]'")
    from models.sentiment.training.making import Making

    making = Making(_data(tmp_path), tmp_path, tmp_path / "work", free_only=False)
    assert [e.text for known in making.train.values() for e in known] == ["va bene così"]
    assert [e.text for known in making.validation.values() for e in known] != []


def test_free_only_leaves_research_sets_out(tmp_path: Path):
    assert set(sets.public(_data(tmp_path), "train", free_only=True)) == {"it-sart"}
    assert set(sets.public(_data(tmp_path), "train")) == {"it-sart", "it-umsab"}


def test_written_posts_are_whole_and_no_file_repeats_another():
    written = sets.written()
    assert sum(len(posts) for name, posts in written.items() if name[-1] not in sets.ALWAYS) == 3_900
    keys: dict[tuple[str, str], str] = {}
    for name, posts in {**written, **sets.held()}.items():
        for post in posts:
            assert keys.setdefault((post.language, sets.key(post.text)), name) == name, post.text
            assert post.intent


def test_no_written_post_repeats_one_that_is_only_measured_on():
    leaks = Leaks(post.text for posts in sets.held().values() for post in posts)
    assert [post.text for posts in sets.written().values() for post in posts if post.text in leaks] == []


def test_careless_twins_keep_their_words_and_chance_is_repeatable():
    text = "Perché il treno è così in ritardo? Non rispondete mai 😡 #vergogna"
    twins = {messy(text, "it", random.Random(n)) for n in range(200)}
    assert text in twins
    assert any("e'" in twin or "ì'" in twin or "i'" in twin for twin in twins)
    assert any("😡" not in twin for twin in twins)
    assert all(twin.strip() for twin in twins)
    assert messy(text, "it", random.Random(4)) == messy(text, "it", random.Random(4))
