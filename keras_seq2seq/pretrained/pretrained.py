"""A model that another project trained, with the search that it was made for."""

import dataclasses

from keras_seq2seq.decoding.shortlist import Shortlist
from keras_seq2seq.decoding.strategies import BeamSearch
from keras_seq2seq.models.config import Seq2SeqConfig
from keras_seq2seq.pretrained.tensors import Tensors
from keras_seq2seq.pretrained.tokenizers import Side
from keras_seq2seq.pretrained.weights import LayerWeights, TokenWeights, fill
from keras_seq2seq.seq2seq import Seq2Seq
from keras_seq2seq.text.tokenizer import TokenizerPair


@dataclasses.dataclass(frozen=True, eq=False)
class Pretrained:
    """A model that another project trained.

    Args:
        family: What trained it: "Hugging Face Marian" or "Marian".
        model: The model, with its tokenizers.
        strategy: The beam search that its own program uses by default.
        shortlist: The likely target ids of each source id, if a file of these was there.
    """

    family: str
    model: Seq2Seq
    strategy: BeamSearch
    shortlist: Shortlist | None = None

    def __repr__(self) -> str:
        parts = f"{self.family!r}, {self.model.count_params():,} parameters, {self.strategy}"
        return f"Pretrained({parts}, shortlist={self.shortlist})"


@dataclasses.dataclass(frozen=True, eq=False)
class Checkpoint:
    """What a reader of a family found: all that makes a model.

    Args:
        config: Describes the model.
        source, target: The vocabulary of each side.
        tensors: The tensors of the checkpoint.
        layers: The weights of the layers among these.
        tokens: The weights of the tokens.
    """

    config: Seq2SeqConfig
    source: Side
    target: Side
    tensors: Tensors
    layers: LayerWeights
    tokens: TokenWeights

    def model(self) -> Seq2Seq:
        """Builds the model.

        Raises:
            ValueError: If a tensor is missing, of another shape, or has no place.
        """
        tokenizers = TokenizerPair(self.source.tokenizer, self.target.tokenizer)
        model = Seq2Seq(self.config, tokenizers=tokenizers)
        fill(model, self.layers, self.tokens)
        self.tensors.check_all_taken()
        return model
