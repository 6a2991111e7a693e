"""What all writers of one export share, prepared once."""

import dataclasses
import functools
from collections.abc import Sequence

from keras_seq2seq.decoding.shortlist import Shortlist
from keras_seq2seq.decoding.strategies import BeamSearch
from keras_seq2seq.exporters.signatures import ExportedModels, Signatures
from keras_seq2seq.models.contract import TrainedModel
from keras_seq2seq.text.tokenizer import TokenizerPair

CALIBRATION_SENTENCES = 200


@dataclasses.dataclass(frozen=True)
class PreparedExport:
    """A model with all that its files are to have inside.

    Args:
        model: The trained model.
        max_length: int > 0. Longest translation in tokens, eos included.
        tokenizers: Go into the files that take texts; None writes files over ids alone.
        beam: A beam search beside the greedy one, or None.
        shortlist: What the searches choose from; None lets them choose from all ids.
        sentences: Source texts of the kind that will be translated: for warm-up and calibration.
        text_onnx: Whether to write an ONNX file from text to text.
    """

    model: TrainedModel
    max_length: int
    tokenizers: TokenizerPair | None = None
    beam: BeamSearch | None = None
    shortlist: Shortlist | None = None
    sentences: Sequence[str] = ()
    text_onnx: bool = False

    @functools.cached_property
    def growing(self) -> Signatures:
        """The functions for formats whose shapes may change in a loop."""
        return self._signatures(dynamic=True)

    @functools.cached_property
    def fixed(self) -> Signatures:
        """The functions for formats whose shapes must stay."""
        return self._signatures(dynamic=False)

    @property
    def calibration(self) -> list[list[int]]:
        """Source ids of sentences, eos included, that ranges of values are measured on."""
        if self.tokenizers is None:
            return []
        return self.tokenizers.source.encode(self.sentences[:CALIBRATION_SENTENCES], add_eos=True)

    def _signatures(self, *, dynamic: bool) -> Signatures:
        models = ExportedModels.of(self.model, dynamic=dynamic, shortlist=self.shortlist)
        return Signatures(models, self.max_length, self.beam, dynamic=dynamic)
