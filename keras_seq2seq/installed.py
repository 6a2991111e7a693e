"""What is installed, and how to install what is not."""

import importlib.metadata
import importlib.util
from collections.abc import Iterable, Sequence


def how_to_install(*extras: str) -> str:
    """Returns how to install extras; the package is on no package index yet."""
    return f"""run `pip install ".[{",".join(extras)}]"` in a checkout of keras_seq2seq"""


def missing_package(what: str, extra: str, error: ImportError | None = None) -> ImportError:
    """Returns the error for a package that is not installed.

    Args:
        what: A sentence without its full stop, such as "Plots need matplotlib".
        extra: What brings the package.
        error: What importing it raised.
    """
    cause = f" Received: {error}." if error else ""
    return ImportError(f"{what}: {how_to_install(extra)}.{cause}")


def is_installed(package: str) -> bool:
    """Tells whether a package can be imported, without importing it."""
    return importlib.util.find_spec(package) is not None


def missing_packages(packages: Sequence[str]) -> list[str]:
    """Returns those that cannot be imported."""
    return [package for package in packages if not is_installed(package)]


def versions(names: Iterable[str]) -> dict[str, str]:
    """Returns the version of each distribution that is installed, by name."""
    found = {}
    for name in names:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found
