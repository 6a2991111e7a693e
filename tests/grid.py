"""Parameters of which some stand for all."""

from collections.abc import Collection, Iterable
from typing import Any

import pytest


def grid(values: Iterable[Any], quick: Collection[Any]) -> list[Any]:
    """Returns the parameters of a test that runs with few of them, and with all in `test-long`.

    A tuple stands for several parameters.
    """
    return [
        pytest.param(
            *(value if isinstance(value, tuple) else (value,)),
            marks=() if value in quick else pytest.mark.long,
        )
        for value in values
    ]
