"""Tells of NaN and infinity among the numbers that a file stores."""

import math
from collections.abc import Iterable, Iterator

from keras_seq2seq.inspection.findings import Problem, StoredTensor

LISTED = 10


def not_finite_problems(
    tensors: Iterable[StoredTensor], *, of_graph: bool = False
) -> Iterator[Problem]:
    """Yields a problem that names the tensors with NaN or infinity, if there are any.

    Args:
        tensors: Tensors of a file.
        of_graph: Leave out single numbers, the constants of a search: a beam search marks rows
            with NaN in which the model computed NaN.
    """
    found = [one for one in tensors if one.not_finite and not (of_graph and _is_constant(one))]
    if found:
        names = [f"{one.name} ({one.not_finite} of {math.prod(one.shape)})" for one in found]
        more = f" and {len(names) - LISTED} more" if len(names) > LISTED else ""
        yield Problem(
            None,
            "Stored numbers must be finite. Received: NaN or infinity in "
            f"{', '.join(names[:LISTED])}{more}.",
            "Go back to a model from before the training diverged, and export it again.",
        )


def _is_constant(tensor: StoredTensor) -> bool:
    # A scale does not count as a parameter, and a quantized tensor has one.
    return math.prod(tensor.shape) == 1 and tensor.parameters == 1 and not tensor.scales
