"""The encoder: a small transformer in int8, run by onnxruntime. training/bundle.py writes its graph."""

import json
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from models.errors import OperatorError
from models.sentiment.normalization import normalize, separate_emoji
from models.sentiment.onnx import create_session

if TYPE_CHECKING:
    import onnxruntime
    from tokenizers import Tokenizer

FORMAT: Final = 1
MAX_TOKENS: Final = 128
MAX_BATCH_PIECES: Final = 512
"""Texts of similar length are batched up to this many word pieces: larger batches gain nothing, and padding costs."""

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Encoded:
    """One row per text: logits of sentiment and intent, and the vector they were computed from."""

    sentiment: Floats
    intent: Floats
    vector: Floats


class Encoder:
    """One session, on as many threads as this process may use."""

    def __init__(self, session: "onnxruntime.InferenceSession", tokenizer: "Tokenizer", fingerprint: str) -> None:
        self.fingerprint = fingerprint
        """A brand's head is only valid for the vectors of the encoder it was fitted on."""
        self._session = session
        self.tokenizer = tokenizer
        self._widths = [output.shape[1] for output in session.get_outputs()]

    @classmethod
    def load(cls, path: Path) -> "Encoder":
        """Raises OperatorError for a file that is missing, damaged or of another version."""
        try:
            session = create_session(path)
            metadata = session.get_modelmeta().custom_metadata_map
            supported = metadata.get("format") == str(FORMAT)
            pieces = json.loads(metadata["pieces"]) if supported else []
        except Exception as error:
            raise OperatorError(f"The encoder {path} cannot be read: {error}", "Install Ascolto again.") from error
        if not supported:
            raise OperatorError(f"The encoder {path} is for another version of Ascolto.", "Install Ascolto again.")
        return cls(session, word_piece_tokenizer(pieces), f"{zlib.crc32(path.read_bytes()):08x}")

    def count_pieces(self, text: str) -> int:
        return len(self.tokenizer.encode(separate_emoji(normalize(text))).ids)

    def encode(self, texts: Sequence[str]) -> Encoded:
        rows = [e.ids for e in self.tokenizer.encode_batch([separate_emoji(normalize(text)) for text in texts])]
        outputs = [np.empty((len(texts), width), np.float32) for width in self._widths]
        for batch in _batches([len(row) for row in rows]):
            ids = np.zeros((len(batch), len(rows[batch[-1]])), np.int64)
            for line, n in zip(ids, batch, strict=True):
                line[: len(rows[n])] = rows[n]
            for output, values in zip(outputs, self._session.run(None, {"ids": ids}), strict=True):
                output[batch] = values
        return Encoded(*outputs)


def word_piece_tokenizer(pieces: Sequence[str]) -> "Tokenizer":
    """For texts that `normalize` and `separate_emoji` have prepared; a piece's place in `pieces` is its id."""
    from tokenizers import Tokenizer
    from tokenizers.models import WordPiece
    from tokenizers.pre_tokenizers import BertPreTokenizer
    from tokenizers.processors import BertProcessing

    tokenizer = Tokenizer(WordPiece({piece: n for n, piece in enumerate(pieces)}, unk_token="[UNK]"))  # noqa: S106
    tokenizer.pre_tokenizer = BertPreTokenizer()
    tokenizer.post_processor = BertProcessing(("[SEP]", pieces.index("[SEP]")), ("[CLS]", pieces.index("[CLS]")))
    tokenizer.enable_truncation(MAX_TOKENS)
    return tokenizer


def _batches(lengths: Sequence[int]) -> Iterator[list[int]]:
    """Indexes of texts, shortest first, in batches of at most MAX_BATCH_PIECES with padding; the last of each is the longest."""
    batch: list[int] = []
    for n in sorted(range(len(lengths)), key=lengths.__getitem__):
        if batch and (len(batch) + 1) * lengths[n] > MAX_BATCH_PIECES:
            yield batch
            batch = []
        batch.append(n)
    if batch:
        yield batch
