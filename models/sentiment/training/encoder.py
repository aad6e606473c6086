"""Fitting the encoder tier, in three stages, with PyTorch; a GPU is used when there is one.

1. `distil`: our vocabulary is new to the English model, and Italian and Romanian are. So the student learns to give a
   sentence, and its translation, the place that the untouched English model gives it (Reimers & Gurevych, "Making
   Monolingual Sentence Embeddings Multilingual using Knowledge Distillation", EMNLP 2020).
2. `tune`: sentiment, on the public sets; then on them again, beside lines that were told what their English side is.
3. `tune` a last time, some minutes: our written posts for sentiment and intent, with public rows rehearsed beside them.
"""

import math
import random
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import torch
from tokenizers import Tokenizer
from torch import nn
from transformers import AutoModel, BertConfig, BertModel

from models.sentiment.classifier import INTENTS, LABELS
from models.sentiment.encoder import MAX_TOKENS, word_pieces
from models.sentiment.normalizing import normalize, spaced
from models.sentiment.training.augmenting import messy
from models.sentiment.training.sets import PAIRS, Example, Pair
from models.sentiment.training.vocabulary import embeddings

TOKENS_A_BATCH: Final = 2_048
SMOOTHING: Final = 0.05
NO_LABEL: Final = -100
HALF: Final = ("avx512_bf16", "amx_bf16")
"""Instructions for bfloat16, as PyTorch names what a processor can."""
BIASED: Final = ("xed", PAIRS)
"""Sets whose labels lean one way (XED knows no neutral outside English, and what is told of its pairs is mostly negative): each
has a bias that is dropped afterwards."""

Floats = npt.NDArray[np.float32]
Said = Callable[[str], None]
Step = Callable[[], torch.Tensor]
Epoch = Callable[[random.Random], Iterator[Step]]


class Encoder(nn.Module):  # type: ignore[misc]  # without PyTorch's own types
    """MiniLM with our vocabulary, the mean of its last states, and two linear heads over it."""

    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        self.bert = BertModel(config, add_pooling_layer=False)
        self.dropout = nn.Dropout(0.1)
        self.sentiment = nn.Linear(config.hidden_size, len(LABELS))
        self.intent = nn.Linear(config.hidden_size, len(INTENTS))
        self.lean = nn.Parameter(torch.zeros(len(BIASED) + 1, len(LABELS)))

    def vectors(self, ids: torch.Tensor) -> torch.Tensor:
        """The mean over the pieces of a text, padding left out: (texts, hidden)."""
        mask = (ids != 0).long()
        states = self.bert(input_ids=ids, attention_mask=mask).last_hidden_state
        return (states * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)

    def forward(self, ids: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        vectors = self.vectors(ids)
        dropped = self.dropout(vectors)
        return self.sentiment(dropped), self.intent(dropped), vectors


@dataclass(frozen=True)
class Plan:
    """`rate` is the highest learning rate, reached after a tenth of the steps; `seconds` bounds it; `batch` is in tokens."""

    epochs: float
    rate: float
    seconds: float = math.inf
    seed: int = 0
    batch: int = TOKENS_A_BATCH


def begin(english: Path, pieces: Sequence[str]) -> Encoder:
    """The English model's layers under our vocabulary."""
    teacher = AutoModel.from_pretrained(english, dtype=torch.float32)
    old = Tokenizer.from_file(str(english / "tokenizer.json"))
    table = embeddings(pieces, old, teacher.embeddings.word_embeddings.weight.detach().numpy())
    config = BertConfig(**{**teacher.config.to_dict(), "vocab_size": len(pieces), "attention_probs_dropout_prob": 0.0})
    config._attn_implementation = "eager"  # the fused one is slower backwards on processors
    model = Encoder(config)
    kept = {k: v for k, v in teacher.state_dict().items() if "word_embeddings" not in k and "pooler" not in k}
    model.bert.load_state_dict({**kept, "embeddings.word_embeddings.weight": torch.from_numpy(table)}, strict=False)
    return model


class Cutter:
    """Texts to rows of numbers, `[PAD]` being 0."""

    def __init__(self, pieces: Sequence[str]) -> None:
        self._tokenizer = word_pieces(pieces)

    def ids(self, texts: Sequence[str]) -> list[list[int]]:
        return [e.ids for e in self._tokenizer.encode_batch([spaced(normalize(text)) for text in texts])]


def padded(rows: Sequence[Sequence[int]]) -> torch.Tensor:
    width = max(map(len, rows))
    return torch.tensor([[*row, *[0] * (width - len(row))] for row in rows]).to(_device())


def batches(lengths: Sequence[int], chance: random.Random, tokens: int = TOKENS_A_BATCH) -> list[list[int]]:
    """Places in the order of nearly their lengths, cut so that a batch holds about so many tokens, then shuffled."""
    order = sorted(range(len(lengths)), key=lambda n: lengths[n] * chance.uniform(0.9, 1.1))
    found: list[list[int]] = [[]]
    for n in order:
        if (len(found[-1]) + 1) * lengths[n] > tokens:
            found.append([])
        found[-1].append(n)
    chance.shuffle(found)
    return [batch for batch in found if batch]


def distil(model: Encoder, english: Path, pairs: Sequence[Pair], cutter: Cutter, plan: Plan, said: Said) -> None:
    """Both sides of each pair are drawn to where the English model puts the English side."""
    sides = list(dict.fromkeys((text, pair.english) for pair in pairs for text in (pair.other, pair.english)))
    originals = list(dict.fromkeys(original for _, original in sides))
    places = dict(zip(originals, _taught(english, originals, said), strict=True))
    rows = cutter.ids([text for text, _ in sides])

    def loss(batch: Sequence[int]) -> torch.Tensor:
        want = torch.from_numpy(np.stack([places[sides[n][1]] for n in batch])).to(_device())
        with _fast():
            got = nn.functional.normalize(model.vectors(padded([rows[n] for n in batch])).float(), dim=-1)
        alike = got @ want.T / 0.05
        return (
            nn.functional.cross_entropy(alike, torch.arange(len(batch)).to(_device()))
            + 10 * (1 - (got * want).sum(-1)).mean()
        )

    lengths = [len(row) for row in rows]

    def epoch(chance: random.Random) -> Iterator[Step]:
        return (partial(loss, batch) for batch in batches(lengths, chance, plan.batch))

    _train(model, epoch, plan, said)


def _taught(english: Path, texts: Sequence[str], said: Said) -> Floats:
    """Where the untouched English model puts each text: unit vectors."""
    teacher = AutoModel.from_pretrained(english, dtype=torch.float32).eval().to(_device())
    cut = Tokenizer.from_file(str(english / "tokenizer.json"))
    cut.no_padding()
    cut.enable_truncation(MAX_TOKENS)
    rows = [encoding.ids for encoding in cut.encode_batch(list(texts))]
    places = np.zeros((len(texts), teacher.config.hidden_size), np.float32)
    for batch in batches([len(row) for row in rows], random.Random(0)):
        ids = padded([rows[n] for n in batch])
        mask = (ids != 0).long()
        with torch.inference_mode(), _fast():
            states = teacher(input_ids=ids, attention_mask=mask).last_hidden_state.float()
            mean = (states * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)
        places[batch] = nn.functional.normalize(mean, dim=-1).cpu().numpy()
    said(f"{len(texts)} English lines placed")
    return places


def tune(model: Encoder, examples: Sequence[Example], cutter: Cutter, plan: Plan, said: Said) -> None:
    """Sentiment for all, intent for those that have one; each epoch sees the texts in another state of carelessness."""
    spelled = random.Random(plan.seed)

    def epoch(chance: random.Random) -> Iterator[Step]:
        rows = cutter.ids([messy(e.text, e.language, spelled) for e in examples])
        for batch in batches([len(row) for row in rows], chance, plan.batch):
            yield partial(_loss, model, [examples[n] for n in batch], [rows[n] for n in batch])

    _train(model, epoch, plan, said)


def _loss(model: Encoder, examples: Sequence[Example], rows: Sequence[Sequence[int]]) -> torch.Tensor:
    ids = padded(rows)
    device = ids.device
    with _fast():
        sentiment, intent, _ = model(ids)
    lean = torch.tensor(
        [BIASED.index(e.source) + 1 if e.source in BIASED and e.language != "en" else 0 for e in examples]
    )
    leaning = model.lean[lean.to(device)] * (lean > 0)[:, None].to(device)
    wanted = torch.tensor([_wanted(e) for e in examples]).to(device)
    weights = torch.tensor([e.weight for e in examples]).to(device)
    losses = nn.functional.cross_entropy(
        sentiment.float() + leaning, wanted, reduction="none", label_smoothing=SMOOTHING
    )
    total = (losses * weights).sum() / len(examples)
    if any(e.intent for e in examples):
        intents = torch.tensor([INTENTS.index(e.intent) if e.intent else NO_LABEL for e in examples]).to(device)
        total = total + 0.5 * nn.functional.cross_entropy(intent.float(), intents, ignore_index=NO_LABEL)
    return total


def _wanted(example: Example) -> list[float]:
    """A share a label."""
    return list(example.shares) or [float(n == example.label) for n in range(len(LABELS))]


def _train(model: Encoder, epoch: Epoch, plan: Plan, said: Said) -> None:
    model.to(_device()).train()
    chance = random.Random(plan.seed)
    torch.manual_seed(plan.seed)
    slow = [p for n, p in model.named_parameters() if n.startswith("bert")]
    quick = [p for n, p in model.named_parameters() if not n.startswith("bert")]
    optimizer = torch.optim.AdamW(
        [{"params": slow, "lr": plan.rate}, {"params": quick, "lr": plan.rate * 10}], weight_decay=0.01, fused=True
    )
    rates = [group["lr"] for group in optimizer.param_groups]
    began, done, heard, told = time.monotonic(), 0.0, [], 0
    whole = math.ceil(plan.epochs)
    for number in range(whole):
        steps = list(epoch(chance))
        for n, step in enumerate(steps):
            done = max((number + n / len(steps)) / plan.epochs, (time.monotonic() - began) / plan.seconds)
            if done >= 1:
                break
            pace = min(done / 0.1, 1.0) * (1 - done)
            for group, rate in zip(optimizer.param_groups, rates, strict=True):
                group["lr"] = rate * pace
            loss = step()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            optimizer.zero_grad()
            heard.append(loss.detach())
            if len(heard) == 200:
                told += len(heard)
                said(f"step {told}, {done:.0%}, loss {torch.stack(heard).mean():.3f}, {time.monotonic() - began:.0f} s")
                heard.clear()
    model.eval()


def predict(model: Encoder, texts: Sequence[str], cutter: Cutter) -> tuple[Floats, Floats, Floats]:
    """Logits for sentiment and for intent, and vectors, one row a text."""
    rows = cutter.ids(texts)
    sizes = (len(LABELS), len(INTENTS), model.sentiment.in_features)
    found = tuple(np.zeros((len(texts), size), np.float32) for size in sizes)
    model.to(_device()).eval()
    for batch in batches([len(row) for row in rows], random.Random(0)):
        with torch.inference_mode():
            for kept, said in zip(found, model(padded([rows[n] for n in batch])), strict=True):
                kept[batch] = said.float().cpu().numpy()
    return found[0], found[1], found[2]


def _device() -> str:
    return "cuda" if torch.cuda.is_available() else "cpu"


def _fast() -> AbstractContextManager[Any]:
    """Half the bits on a GPU, and on a processor that has instructions for them: on one without they take ten times as long."""
    able = _device() == "cuda" or any(torch.cpu.get_capabilities().get(name) for name in HALF)
    fast: AbstractContextManager[Any] = torch.autocast(_device(), dtype=torch.bfloat16, enabled=able)
    return fast
