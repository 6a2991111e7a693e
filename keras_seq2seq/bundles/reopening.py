"""Opens the bundle of a pickled translator again, in another process or on another machine."""

import dataclasses
import socket
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from keras_seq2seq.bundles.manifest import MANIFEST_FILE, sha256
from keras_seq2seq.translator import Translator


@dataclasses.dataclass(frozen=True)
class Reopening:
    """What a pickle holds in place of a runtime: which bundle, and how it was opened.

    Args:
        opener: Opens a bundle with `options`.
        folder: The bundle, an absolute path.
        manifest: SHA-256 of its manifest, which lists that of every other file.
        options: Keyword arguments of `opener`; name the runtime.
    """

    opener: Callable[..., Translator]
    folder: Path
    manifest: str
    options: Mapping[str, Any]

    def __call__(self) -> Translator:
        """Opens the bundle.

        Raises:
            FileNotFoundError: If it is not there.
            ValueError: If another bundle is there, or this one was altered.
            ImportError: If the runtime is not installed.
        """
        path = self.folder / MANIFEST_FILE
        if not path.is_file():
            raise FileNotFoundError(
                "A pickled translator opens its bundle again where it is unpickled. On "
                f"{socket.gethostname()}, {self.folder} is no bundle: copy the bundle to this path "
                "on every machine, or call `load` there with its own path."
            )
        if sha256(path) != self.manifest:
            raise ValueError(
                "A pickled translator needs the bundle that it was opened from. Received: "
                f"{self.folder} on {socket.gethostname()}, with another {MANIFEST_FILE}; copy the "
                "same bundle there, or load and pickle the new one."
            )
        return self.opener(self.folder, **self.options)
