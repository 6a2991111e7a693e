"""The special ids and the maximum size of a vocabulary."""

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
