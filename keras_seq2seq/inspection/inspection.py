"""The result of `inspect`, which prints as readable text."""

import dataclasses

from keras_seq2seq.inspection.findings import Findings
from keras_seq2seq.inspection.rendering import rendered


@dataclasses.dataclass(frozen=True, repr=False)
class Inspection(Findings):
    """What a file or folder holds and what it needs to load.

    `print` shows it as text, `to_dict()` gives plain values for JSON, and the attributes are those
    of `Findings`.
    """

    def __str__(self) -> str:
        return rendered(self)
