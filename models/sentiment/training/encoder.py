"""Trains the encoder in three stages, with PyTorch, on a GPU if there is one.

1. `distil`: the vocabulary, Italian and Romanian are new to the English model. The student learns to give a sentence and its
   translation the vector that the original English model gives the sentence (Reimers & Gurevych, "Making Monolingual
   Sentence Embeddings Multilingual using Knowledge Distillation", EMNLP 2020).
2. `tune`: sentiment, on the public sets; then on them again, with the pairs whose targets are the predictions for their English
   side.
3. `tune` a last time, for some minutes: sentiment and intent on written posts, with public rows mixed in.
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
from models.sentiment.encoder import MAX_TOKENS, word_piece_tokenizer
from models.sentiment.normalization import normalize, separate_emoji
from models.sentiment.training.augmentation import augment
from models.sentiment.training.datasets import PAIRS, Example, Pair
from models.sentiment.training.vocabulary import embeddings

BATCH_TOKENS: Final = 2_048
LABEL_SMOOTHING: Final = 0.05
NO_LABEL: Final = -100
BFLOAT16_INSTRUCTIONS: Final = ("avx512_bf16", "amx_bf16")
"""As PyTorch names the capabilities of a processor."""
BIASED: Final = ("xed", PAIRS)
"""Sets with a skewed distribution of labels (XED has no neutral outside English, and predictions for its pairs are mostly
negative): each gets a bias of its own during training, which is dropped afterwards."""

Floats = npt.NDArray[np.float32]
Log = Callable[[str], None]
Step = Callable[[], torch.Tensor]
Epoch = Callable[[random.Random], Iterator[Step]]


class Encoder(nn.Module):  # type: ignore[misc]  # without PyTorch's own types
    """MiniLM with our vocabulary, mean pooling, and two linear heads."""

    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        self.bert = BertModel(config, add_pooling_layer=False)
        self.dropout = nn.Dropout(0.1)
        self.sentiment = nn.Linear(config.hidden_size, len(LABELS))
        self.intent = nn.Linear(config.hidden_size, len(INTENTS))
        self.set_bias = nn.Parameter(torch.zeros(len(BIASED) + 1, len(LABELS)))

    def vectors(self, ids: torch.Tensor) -> torch.Tensor:
        """The mean over the word pieces of each text, without padding: (texts, hidden)."""
        mask = (ids != 0).long()
        states = self.bert(input_ids=ids, attention_mask=mask).last_hidden_state
        return (states * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)

    def forward(self, ids: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        vectors = self.vectors(ids)
        dropped = self.dropout(vectors)
        return self.sentiment(dropped), self.intent(dropped), vectors


@dataclass(frozen=True)
class Plan:
    """`rate` is the peak learning rate, reached after a tenth of the steps; `seconds` limits the time; `batch` is in tokens."""

    epochs: float
    rate: float
    seconds: float = math.inf
    seed: int = 0
    batch: int = BATCH_TOKENS


def initial_model(english: Path, pieces: Sequence[str]) -> Encoder:
    """The layers of the English model with embeddings for our vocabulary."""
    teacher = AutoModel.from_pretrained(english, dtype=torch.float32)
    tokenizer = Tokenizer.from_file(str(english / "tokenizer.json"))
    table = embeddings(pieces, tokenizer, teacher.embeddings.word_embeddings.weight.detach().numpy())
    config = BertConfig(**{**teacher.config.to_dict(), "vocab_size": len(pieces), "attention_probs_dropout_prob": 0.0})
    config._attn_implementation = "eager"  # on CPUs the fused one has a slower backward pass
    model = Encoder(config)
    state = {k: v for k, v in teacher.state_dict().items() if "word_embeddings" not in k and "pooler" not in k}
    model.bert.load_state_dict({**state, "embeddings.word_embeddings.weight": torch.from_numpy(table)}, strict=False)
    return model


class PieceTokenizer:
    """Texts → rows of word-piece ids; `[PAD]` is 0."""

    def __init__(self, pieces: Sequence[str]) -> None:
        self._tokenizer = word_piece_tokenizer(pieces)

    def ids(self, texts: Sequence[str]) -> list[list[int]]:
        return [e.ids for e in self._tokenizer.encode_batch([separate_emoji(normalize(text)) for text in texts])]


def pad(rows: Sequence[Sequence[int]]) -> torch.Tensor:
    width = max(map(len, rows))
    return torch.tensor([[*row, *[0] * (width - len(row))] for row in rows]).to(_device())


def make_batches(lengths: Sequence[int], rng: random.Random, tokens: int = BATCH_TOKENS) -> list[list[int]]:
    """Indexes sorted by approximate length, split into batches of about this many tokens, and shuffled."""
    order = sorted(range(len(lengths)), key=lambda n: lengths[n] * rng.uniform(0.9, 1.1))
    batches: list[list[int]] = [[]]
    for n in order:
        if (len(batches[-1]) + 1) * lengths[n] > tokens:
            batches.append([])
        batches[-1].append(n)
    rng.shuffle(batches)
    return [batch for batch in batches if batch]


def distil(
    model: Encoder, english: Path, pairs: Sequence[Pair], tokenizer: PieceTokenizer, plan: Plan, log: Log
) -> None:
    """Moves the vectors of both sides of each pair towards the English model's vector of the English side."""
    sides = list(dict.fromkeys((text, pair.english) for pair in pairs for text in (pair.other, pair.english)))
    originals = list(dict.fromkeys(original for _, original in sides))
    targets = dict(zip(originals, _teacher_vectors(english, originals, log), strict=True))
    rows = tokenizer.ids([text for text, _ in sides])

    def loss(batch: Sequence[int]) -> torch.Tensor:
        target = torch.from_numpy(np.stack([targets[sides[n][1]] for n in batch])).to(_device())
        with _autocast():
            output = nn.functional.normalize(model.vectors(pad([rows[n] for n in batch])).float(), dim=-1)
        similarity = output @ target.T / 0.05
        return (
            nn.functional.cross_entropy(similarity, torch.arange(len(batch)).to(_device()))
            + 10 * (1 - (output * target).sum(-1)).mean()
        )

    lengths = [len(row) for row in rows]

    def epoch(rng: random.Random) -> Iterator[Step]:
        return (partial(loss, batch) for batch in make_batches(lengths, rng, plan.batch))

    _train(model, epoch, plan, log)


def _teacher_vectors(english: Path, texts: Sequence[str], log: Log) -> Floats:
    """The vectors of the original English model, normalized."""
    teacher = AutoModel.from_pretrained(english, dtype=torch.float32).eval().to(_device())
    tokenizer = Tokenizer.from_file(str(english / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.enable_truncation(MAX_TOKENS)
    rows = [encoding.ids for encoding in tokenizer.encode_batch(list(texts))]
    vectors = np.zeros((len(texts), teacher.config.hidden_size), np.float32)
    for batch in make_batches([len(row) for row in rows], random.Random(0)):
        ids = pad([rows[n] for n in batch])
        mask = (ids != 0).long()
        with torch.inference_mode(), _autocast():
            states = teacher(input_ids=ids, attention_mask=mask).last_hidden_state.float()
            mean = (states * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)
        vectors[batch] = nn.functional.normalize(mean, dim=-1).cpu().numpy()
    log(f"{len(texts)} English lines encoded")
    return vectors


def tune(model: Encoder, examples: Sequence[Example], tokenizer: PieceTokenizer, plan: Plan, log: Log) -> None:
    """Sentiment for all, intent for those that have one; each epoch augments the texts differently."""
    augmentation_rng = random.Random(plan.seed)

    def epoch(rng: random.Random) -> Iterator[Step]:
        rows = tokenizer.ids([augment(e.text, e.language, augmentation_rng) for e in examples])
        for batch in make_batches([len(row) for row in rows], rng, plan.batch):
            yield partial(_loss, model, [examples[n] for n in batch], [rows[n] for n in batch])

    _train(model, epoch, plan, log)


def _loss(model: Encoder, examples: Sequence[Example], rows: Sequence[Sequence[int]]) -> torch.Tensor:
    ids = pad(rows)
    device = ids.device
    with _autocast():
        sentiment, intent, _ = model(ids)
    biased = torch.tensor(
        [BIASED.index(e.source) + 1 if e.source in BIASED and e.language != "en" else 0 for e in examples]
    )
    bias = model.set_bias[biased.to(device)] * (biased > 0)[:, None].to(device)
    targets = torch.tensor([_target(e) for e in examples]).to(device)
    weights = torch.tensor([e.weight for e in examples]).to(device)
    losses = nn.functional.cross_entropy(
        sentiment.float() + bias, targets, reduction="none", label_smoothing=LABEL_SMOOTHING
    )
    total = (losses * weights).sum() / len(examples)
    if any(e.intent for e in examples):
        intents = torch.tensor([INTENTS.index(e.intent) if e.intent else NO_LABEL for e in examples]).to(device)
        total = total + 0.5 * nn.functional.cross_entropy(intent.float(), intents, ignore_index=NO_LABEL)
    return total


def _target(example: Example) -> list[float]:
    """One probability per label."""
    return list(example.soft_label) or [float(n == example.label) for n in range(len(LABELS))]


def _train(model: Encoder, epoch: Epoch, plan: Plan, log: Log) -> None:
    model.to(_device()).train()
    rng = random.Random(plan.seed)
    torch.manual_seed(plan.seed)
    body = [p for n, p in model.named_parameters() if n.startswith("bert")]
    heads = [p for n, p in model.named_parameters() if not n.startswith("bert")]
    optimizer = torch.optim.AdamW(
        [{"params": body, "lr": plan.rate}, {"params": heads, "lr": plan.rate * 10}], weight_decay=0.01, fused=True
    )
    peak_rates = [group["lr"] for group in optimizer.param_groups]
    started, done, losses, logged = time.monotonic(), 0.0, [], 0
    epochs = math.ceil(plan.epochs)
    for number in range(epochs):
        steps = list(epoch(rng))
        for n, step in enumerate(steps):
            done = max((number + n / len(steps)) / plan.epochs, (time.monotonic() - started) / plan.seconds)
            if done >= 1:
                break
            factor = min(done / 0.1, 1.0) * (1 - done)
            for group, rate in zip(optimizer.param_groups, peak_rates, strict=True):
                group["lr"] = rate * factor
            loss = step()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            optimizer.zero_grad()
            losses.append(loss.detach())
            if len(losses) == 200:
                logged += len(losses)
                mean, seconds = torch.stack(losses).mean(), time.monotonic() - started
                log(f"step {logged}, {done:.0%}, loss {mean:.3f}, {seconds:.0f} s")
                losses.clear()
    model.eval()


def predict(model: Encoder, texts: Sequence[str], tokenizer: PieceTokenizer) -> tuple[Floats, Floats, Floats]:
    """Logits for sentiment and for intent, and vectors, one row per text."""
    rows = tokenizer.ids(texts)
    sizes = (len(LABELS), len(INTENTS), model.sentiment.in_features)
    sentiment, intent, vectors = (np.zeros((len(texts), size), np.float32) for size in sizes)
    model.to(_device()).eval()
    for batch in make_batches([len(row) for row in rows], random.Random(0)):
        with torch.inference_mode():
            outputs = model(pad([rows[n] for n in batch]))
            for array, output in zip((sentiment, intent, vectors), outputs, strict=True):
                array[batch] = output.float().cpu().numpy()
    return sentiment, intent, vectors


def _device() -> str:
    return "cuda" if torch.cuda.is_available() else "cpu"


def _autocast() -> AbstractContextManager[Any]:
    """Uses bfloat16 on a GPU, and on a CPU with instructions for it; on other CPUs it would take ten times as long."""
    supported = _device() == "cuda" or any(torch.cpu.get_capabilities().get(name) for name in BFLOAT16_INSTRUCTIONS)
    context: AbstractContextManager[Any] = torch.autocast(_device(), dtype=torch.bfloat16, enabled=supported)
    return context
