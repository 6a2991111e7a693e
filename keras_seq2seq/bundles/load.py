"""Opens a bundle for translating."""

import os
import pathlib
from typing import Any

from keras_seq2seq.bundles.bundle import Bundle
from keras_seq2seq.bundles.manifest import MANIFEST_FILE, sha256
from keras_seq2seq.bundles.reopening import Reopening
from keras_seq2seq.decoding.strategy import Strategy
from keras_seq2seq.translator import Translator


def load(
    bundle: str | pathlib.Path,
    runtime: str | None = None,
    *,
    quantization: str = "float32",
    search: str | None = None,
    strategy: Strategy | None = None,
    num_threads: int = 1,
    xnnpack: bool = True,
    check: bool = True,
) -> Translator:
    """Opens a bundle for translating.

    The translator can be pickled: another process opens the same bundle again, at the same path and
    with the same options, or raises an error that says what is missing there.

    Args:
        bundle: The exported folder.
        runtime: "onnx", "litert", "saved_model" or "keras"; None takes the first of these that
            the bundle holds and whose packages are installed.
        quantization: "float32", or "float16", "dynamic_int8" or "int8" where the bundle holds it.
        search: "in_file" (a search inside the artefact) or "host" (NumPy over its steps); None
            takes "in_file" where that has the strategy.
        strategy: `Greedy()`, the default, or `BeamSearch(...)`.
        num_threads: int > 0. Threads of the ONNX and the LiteRT runtime.
        xnnpack: Whether LiteRT uses the kernels of XNNPACK, as it does on phones.
        check: Compare the SHA-256 of the files that are read with the manifest, and refuse a
            bundle with files that it does not list. False saves reading them twice, for a host
            that checked them when it installed the bundle.
    Returns:
        A translator: `load("bundle").translate(["They are watching."])`.
    Raises:
        FileNotFoundError, ValueError: If the bundle is not whole, a file that is read was altered,
            or the artefact is not in the bundle.
        ImportError: If the runtime is not installed; the message names the extra.
    """
    opened = Bundle.open(bundle)
    name = runtime or opened.preferred_runtime(quantization)
    opened.check_held(name, quantization)
    if check:
        opened.check_unaltered(name, quantization)
    options: dict[str, Any] = {"num_threads": num_threads, "xnnpack": xnnpack}
    reopening = Reopening(
        load,
        pathlib.Path(os.path.abspath(bundle)),
        sha256(opened.folder / MANIFEST_FILE),
        {"runtime": name, "quantization": quantization, "check": check, **options},
    )
    return Translator(
        opened.runtime(name, quantization, **options),
        opened.tokenizers,
        max_length=opened.max_length,
        search=search,
        strategy=strategy,
        shortlist=opened.shortlist,
        longest_source=opened.longest_source,
        reopen=reopening,
    )
