"""What all writers of one export share, prepared once."""

import dataclasses
import functools
from collections.abc import Sequence

from keras_seq2seq.decoding.shortlist import Shortlist
from keras_seq2seq.decoding.strategies import BeamSearch
from keras_seq2seq.exporters.onnx.opsets import DEFAULT_OPSET
from keras_seq2seq.exporters.signatures import ExportedModels, Signatures
from keras_seq2seq.models.contract import TrainedModel
from keras_seq2seq.text.tokenizer import TokenizerPair

CALIBRATION_SENTENCES = 200


@dataclasses.dataclass(frozen=True)
class PreparedExport:
    """A model with everything that goes into its files.

    Args:
        model: The trained model.
        max_length: int > 0. Longest translation in tokens, eos included.
        tokenizers: Tokenizers inside the files that take texts; with None all files take ids.
        beam: A beam search besides the greedy one, or None.
        shortlist: Candidates of the searches; with None they choose from all ids.
        sentences: Source texts of the kind that will be translated: for warm-up and calibration.
        text_onnx: Whether to write an ONNX file from text to text.
        max_source_length: int > 0. Most tokens of a source, eos included, in files with fixed
            lengths; None takes the configuration's `max_length`, or that of the translation.
        litert_batch_size: int > 0. Sources that a LiteRT file of its own translates at once; with 1
            there is no such file.
        onnx_opset: int, one of `OPSETS`. Version of the operators in ONNX files.
        onnx_single_files: Whether each ONNX file holds its weights, which are else in one file
            that all of a quantization share.
        languages: Codes of the source and of the target language, or None.
    """

    model: TrainedModel
    max_length: int
    tokenizers: TokenizerPair | None = None
    beam: BeamSearch | None = None
    shortlist: Shortlist | None = None
    sentences: Sequence[str] = ()
    text_onnx: bool = False
    max_source_length: int | None = None
    litert_batch_size: int = 1
    onnx_opset: int = DEFAULT_OPSET
    onnx_single_files: bool = False
    languages: tuple[str, ...] | None = None

    @functools.cached_property
    def growing(self) -> Signatures:
        """The functions for formats whose shapes may change in a loop."""
        return self._signatures(dynamic=True)

    @functools.cached_property
    def fixed(self) -> Signatures:
        """The functions for formats with fixed shapes."""
        return self._signatures(dynamic=False)

    @property
    def longest_source(self) -> int:
        """Most tokens of a source in files with fixed lengths, eos included."""
        if self.max_source_length is not None:
            return self.max_source_length
        config = self.model.config
        return max(self.max_length, config.max_length if config else 0)

    @property
    def calibration(self) -> list[list[int]]:
        """Source ids of the sentences, eos included, on which ranges of values are measured."""
        if self.tokenizers is None:
            return []
        return self.tokenizers.source.encode(self.sentences[:CALIBRATION_SENTENCES], add_eos=True)

    def _signatures(self, *, dynamic: bool) -> Signatures:
        models = ExportedModels.of(self.model, dynamic=dynamic, shortlist=self.shortlist)
        return Signatures(models, self.max_length, self.beam, dynamic=dynamic)
