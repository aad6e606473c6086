"""The encoder's word pieces: those of the English model that our texts use, and new ones for the other languages.

The embedding of a new piece starts as the mean of the pieces that the English model splits it into, that of an emoji as the
mean of its Unicode name (Gee et al., "Fast Vocabulary Transfer", EMNLP 2022). Italian and Romanian need a quarter fewer pieces.
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

from models.sentiment.normalization import normalize, separate_emoji

SIZE: Final = 21_504
LEARNED_SIZE: Final = 8_000
MIN_USES: Final = 4
"""English pieces that our texts use this often are kept; the most frequent others fill the vocabulary up."""
SPECIAL: Final = ("[PAD]", "[UNK]", "[CLS]", "[SEP]")
PRIORITY_LANGUAGES: Final = ("it", "ro")
"""Their texts count threefold when new pieces are learned."""

Floats = npt.NDArray[np.float32]


def build_vocabulary(texts: Mapping[str, Sequence[str]], english: Tokenizer) -> list[str]:
    """From the training texts by language and the English model's tokenizer."""
    plain = {language: [separate_emoji(normalize(text)) for text in group] for language, group in texts.items()}
    learned = _learn_pieces(plain)
    uses = Counter(token for encoding in english.encode_batch(plain["en"]) for token in encoding.tokens)
    by_id = [piece for piece, _ in sorted(english.get_vocab().items(), key=lambda entry: entry[1])]
    used = [piece for piece in by_id if uses[piece] >= MIN_USES]
    rest = [piece for piece in by_id if piece.removeprefix("##").isascii() and "[" not in piece]
    return list(dict.fromkeys([*SPECIAL, *learned, *used, *rest]))[:SIZE]


def _learn_pieces(plain: Mapping[str, Sequence[str]]) -> list[str]:
    tokenizer = Tokenizer(WordPiece(unk_token="[UNK]"))  # noqa: S106
    tokenizer.pre_tokenizer = BertPreTokenizer()
    trainer = WordPieceTrainer(
        vocab_size=LEARNED_SIZE, min_frequency=4, limit_alphabet=300, special_tokens=list(SPECIAL), show_progress=False
    )
    tokenizer.train_from_iterator(_weighted(plain), trainer)
    return sorted(tokenizer.get_vocab(), key=tokenizer.get_vocab().__getitem__)


def _weighted(plain: Mapping[str, Sequence[str]]) -> Iterator[str]:
    for language, texts in plain.items():
        if language != "en":
            for _ in range(3 if language in PRIORITY_LANGUAGES else 1):
                yield from texts


def embeddings(pieces: Iterable[str], english: Tokenizer, table: Floats) -> Floats:
    """One row per piece: that of the English model, or else the mean of the pieces it splits it into."""
    vocabulary = english.get_vocab()
    return np.stack(
        [table[vocabulary[piece]] if piece in vocabulary else _mean(piece, english, table) for piece in pieces]
    )


def _mean(piece: str, english: Tokenizer, table: Floats) -> Floats:
    bare = piece.removeprefix("##")
    name = unicodedata.name(bare, "") if len(bare) == 1 and not bare.isalnum() else ""
    encoding = english.encode(name.lower() or bare, add_special_tokens=False)
    ids = list(encoding.ids)
    if bare != piece and ids:  # a piece inside a word: so is its first part
        ids[0] = english.token_to_id(f"##{encoding.tokens[0]}") or ids[0]
    mean: Floats = table[ids].mean(axis=0) if ids else table.mean(axis=0)
    return mean
