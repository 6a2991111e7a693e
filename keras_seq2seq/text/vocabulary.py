"""The special ids and the maximum size of a vocabulary."""

from collections.abc import Sequence
from itertools import zip_longest

PAD_ID, UNK_ID, BOS_ID, EOS_ID = 0, 1, 2, 3


MAX_VOCABULARY_SIZE = 1_000_000


def check_vocabulary_sizes(
    what: str, received: tuple[int, int], wanted: tuple[int | None, ...]
) -> None:
    """Checks that something is made for the vocabularies of a model.

    Args:
        what: The subject of the error, such as "The tokenizers".
        received: Numbers of source and of target ids.
        wanted: Those of the model; None is not checked.
    Raises:
        ValueError: If a number differs.
    """
    if any(size not in (None, given) for given, size in zip(received, wanted, strict=True)):
        raise ValueError(
            f"{what} must have the vocabulary sizes of the model (source, target), {wanted}. "
            f"Received: {received}; take both from one training."
        )


def check_shared_vocabulary(source_pieces: Sequence[str], target_pieces: Sequence[str]) -> None:
    """Checks that an id stands for the same piece on both sides, as one embedding needs.

    Args:
        source_pieces: The piece of each source id.
        target_pieces: The piece of each target id.
    Raises:
        ValueError: If it does not.
    """
    sides = list(zip_longest(source_pieces, target_pieces))
    if different := [i for i, (source, target) in enumerate(sides) if source != target]:
        source, target = sides[different[0]]
        raise ValueError(
            "share_embeddings=True needs one vocabulary for both sides; train the tokenizers with "
            f"joint=True. Received: {len(different)} ids that differ, for example id "
            f"{different[0]}: {source!r} and {target!r}."
        )
