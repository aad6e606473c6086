"""The encoder's words: those of the English model that are used, and new ones for the other languages.

A new word begins as the mean of the pieces that the English model cuts it into, an emoji as the mean of its Unicode name
(Gee et al., "Fast Vocabulary Transfer", EMNLP 2022), so that Italian and Romanian need a quarter fewer pieces.
"""

import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

import numpy as np
import numpy.typing as npt
from tokenizers import Tokenizer
from tokenizers.models import WordPiece
from tokenizers.pre_tokenizers import BertPreTokenizer
from tokenizers.trainers import WordPieceTrainer

from models.sentiment.normalizing import normalize, spaced

SIZE: Final = 21_504
LEARNED: Final = 8_000
USED: Final = 4
"""An English piece stays when our texts use it so often; the most frequent others fill the vocabulary up."""
SPECIAL: Final = ("[PAD]", "[UNK]", "[CLS]", "[SEP]")
FIRST: Final = ("it", "ro")
"""Their texts count threefold when new words are learned."""

Floats = npt.NDArray[np.float32]


def pieces(texts: Mapping[str, Sequence[str]], english: Tokenizer) -> list[str]:
    """The new vocabulary, from the training texts by language and the English model's tokenizer."""
    plain = {language: [spaced(normalize(text)) for text in known] for language, known in texts.items()}
    learned = _learned(plain)
    used = Counter(token for encoding in english.encode_batch(plain["en"]) for token in encoding.tokens)
    by_number = [piece for piece, _ in sorted(english.get_vocab().items(), key=lambda pair: pair[1])]
    kept = [piece for piece in by_number if used[piece] >= USED]
    rest = [piece for piece in by_number if piece.removeprefix("##").isascii() and "[" not in piece]
    return list(dict.fromkeys([*SPECIAL, *learned, *kept, *rest]))[:SIZE]


def _learned(plain: Mapping[str, Sequence[str]]) -> list[str]:
    learner = Tokenizer(WordPiece(unk_token="[UNK]"))  # noqa: S106
    learner.pre_tokenizer = BertPreTokenizer()
    trainer = WordPieceTrainer(
        vocab_size=LEARNED, min_frequency=4, limit_alphabet=300, special_tokens=list(SPECIAL), show_progress=False
    )
    learner.train_from_iterator(_weighted(plain), trainer)
    return sorted(learner.get_vocab(), key=learner.get_vocab().__getitem__)


def _weighted(plain: Mapping[str, Sequence[str]]) -> Iterator[str]:
    for language, texts in plain.items():
        if language != "en":
            for _ in range(3 if language in FIRST else 1):
                yield from texts


def embeddings(pieces: Iterable[str], english: Tokenizer, table: Floats) -> Floats:
    """One row a piece: the English model's own where it knows the piece, else the mean of what it makes of it."""
    known = english.get_vocab()
    return np.stack([table[known[piece]] if piece in known else _mean(piece, english, table) for piece in pieces])


def _mean(piece: str, english: Tokenizer, table: Floats) -> Floats:
    bare = piece.removeprefix("##")
    name = unicodedata.name(bare, "") if len(bare) == 1 and not bare.isalnum() else ""
    encoding = english.encode(name.lower() or bare, add_special_tokens=False)
    numbers = list(encoding.ids)
    if bare != piece and numbers:  # a piece inside a word: its first part is inside one, too
        numbers[0] = english.token_to_id(f"##{encoding.tokens[0]}") or numbers[0]
    mean: Floats = table[numbers].mean(axis=0) if numbers else table.mean(axis=0)
    return mean
