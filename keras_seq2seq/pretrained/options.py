"""The options of a checkpoint: each is known, or the checkpoint is refused."""

import json
import pathlib
from collections.abc import Collection, Mapping
from typing import Any

POSITIONS = ("sinusoidal", "marian")  # at the rates of Transformers, and at those of Marian


class Options:
    """The options of a checkpoint by name.

    Errors are collected, so that all are reported at once by `check`.

    Args:
        path: The file, for errors.
        values: The options.
        ignored: Names of options that change no translation.
    """

    def __init__(
        self, path: pathlib.Path, values: Mapping[str, Any], ignored: Collection[str]
    ) -> None:
        self.path = path
        self.errors: list[str] = []
        self._values = values
        self._left = set(values) - set(ignored)

    def take(self, name: str, kind: type, default: Any = None) -> Any:
        """Returns an option.

        Args:
            name: Its name.
            kind: Its type: int, float, bool, str or list.
            default: What it is if it is not there or null; None means that it must be there.
        """
        self._left.discard(name)
        value = self._values.get(name)
        if value is None:
            if default is None:
                self.errors.append(f"`{name}` is missing")
                return kind()
            return default
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        fits = is_number if kind is float else type(value) is kind
        if not fits:
            self.errors.append(f"`{name}` is {value!r}, not of type {kind.__name__}")
            return kind() if default is None else default
        return value

    def get(self, name: str) -> Any:
        """Returns an option of any type, or None."""
        self._left.discard(name)
        return self._values.get(name)

    def require(self, wanted: Mapping[str, Collection[Any]]) -> None:
        """Checks options that may have only some values; one that is not there passes."""
        for name, accepted in wanted.items():
            value = self.get(name)
            if value is not None and not any(_same(value, one) for one in accepted):
                self.errors.append(
                    f"`{name}` is {value!r}, and only {' or '.join(map(repr, accepted))} can be "
                    "imported"
                )

    def check(self) -> None:
        """Checks that all options were known, and right.

        Raises:
            ValueError: If not; lists every error.
        """
        self.errors += [
            f"`{name}` is unknown: what it asks for may be lost" for name in sorted(self._left)
        ]
        if self.errors:
            raise ValueError(
                f"{self.path} describes a model that cannot be imported:\n- "
                + "\n- ".join(self.errors)
            )


def _same(value: Any, other: Any) -> bool:
    return type(value) is type(other) and value == other


def read_json(path: pathlib.Path) -> dict[str, Any]:
    """Returns the table of a JSON file.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is no JSON, or no table; names the file.
    """
    try:
        found = json.loads(path.read_text("utf-8"))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} cannot be read as JSON: {error}. Copy it again.") from None
    if not isinstance(found, dict):
        raise ValueError(f"{path} must hold a table. Received: a {type(found).__name__}.")
    return found
