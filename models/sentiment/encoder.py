"""The encoder tier: a small transformer in int8, on onnxruntime. What it is made of stands in training/exporting.py."""

import json
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from models.errors import OperatorError
from models.sentiment.normalizing import normalize, spaced
from models.sentiment.onnx import session

if TYPE_CHECKING:
    import onnxruntime
    from tokenizers import Tokenizer

FORMAT: Final = 1
MAX_TOKENS: Final = 128
PIECES_A_BATCH: Final = 512
"""Texts of like length go through together, up to so many pieces: more gain nothing, and padding costs."""

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Encoded:
    """A row a text: logits of sentiment and intent, and the vector that they were told from."""

    sentiment: Floats
    intent: Floats
    vector: Floats


class Encoder:
    """One session, on as many threads as this process may use."""

    def __init__(self, session: "onnxruntime.InferenceSession", tokenizer: "Tokenizer", fingerprint: str) -> None:
        self.fingerprint = fingerprint
        """What a brand has learned over the vectors of one encoder means nothing to another."""
        self._session = session
        self.tokenizer = tokenizer
        self._widths = [output.shape[1] for output in session.get_outputs()]

    @classmethod
    def load(cls, path: Path) -> "Encoder":
        """Raises OperatorError for a file that is missing, damaged or of another version."""
        try:
            loaded = session(path)
            notes = loaded.get_modelmeta().custom_metadata_map
            known = notes.get("format") == str(FORMAT)
            pieces = json.loads(notes["pieces"]) if known else []
        except Exception as error:
            raise OperatorError(f"The encoder {path} cannot be read: {error}", "Install Ascolto again.") from error
        if not known:
            raise OperatorError(f"The encoder {path} was made for another Ascolto.", "Install Ascolto again.")
        return cls(loaded, word_pieces(pieces), f"{zlib.crc32(path.read_bytes()):08x}")

    def pieces(self, text: str) -> int:
        """How many it makes of a text."""
        return len(self.tokenizer.encode(spaced(normalize(text))).ids)

    def encode(self, texts: Sequence[str]) -> Encoded:
        rows = [e.ids for e in self.tokenizer.encode_batch([spaced(normalize(text)) for text in texts])]
        found = [np.empty((len(texts), width), np.float32) for width in self._widths]
        for batch in _batches([len(row) for row in rows]):
            ids = np.zeros((len(batch), len(rows[batch[-1]])), np.int64)
            for line, n in zip(ids, batch, strict=True):
                line[: len(rows[n])] = rows[n]
            for kept, said in zip(found, self._session.run(None, {"ids": ids}), strict=True):
                kept[batch] = said
        return Encoded(*found)


def word_pieces(pieces: Sequence[str]) -> "Tokenizer":
    """A WordPiece tokenizer over exactly these pieces, in this order, for texts that were normalized and spaced."""
    from tokenizers import Tokenizer
    from tokenizers.models import WordPiece
    from tokenizers.pre_tokenizers import BertPreTokenizer
    from tokenizers.processors import BertProcessing

    made = Tokenizer(WordPiece({piece: n for n, piece in enumerate(pieces)}, unk_token="[UNK]"))  # noqa: S106
    made.pre_tokenizer = BertPreTokenizer()
    made.post_processor = BertProcessing(("[SEP]", pieces.index("[SEP]")), ("[CLS]", pieces.index("[CLS]")))
    made.enable_truncation(MAX_TOKENS)
    return made


def _batches(lengths: Sequence[int]) -> Iterator[list[int]]:
    """Places, the shortest first, in runs of at most PIECES_A_BATCH once padded; the last of a run is its longest."""
    batch: list[int] = []
    for n in sorted(range(len(lengths)), key=lengths.__getitem__):
        if batch and (len(batch) + 1) * lengths[n] > PIECES_A_BATCH:
            yield batch
            batch = []
        batch.append(n)
    if batch:
        yield batch
