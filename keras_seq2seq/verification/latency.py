"""How long an artefact takes for one sentence."""

import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any

from keras_seq2seq.bundles.bundle import Bundle
from keras_seq2seq.decoding.strategies import GREEDY
from keras_seq2seq.progress import progress
from keras_seq2seq.runtimes.runtime import Runtime
from keras_seq2seq.text.tokenizer import pad_batch

TIMED_SENTENCES = 20
Latencies = dict[tuple[str, str], float]


def measured_latencies(
    bundle: Bundle,
    texts: Sequence[str],
    runtimes: Callable[[str, str], Runtime],
    *,
    verbose: bool = True,
) -> Latencies:
    """Times the search inside every artefact: the bundle's beam if it has one, else greedy.

    Args:
        bundle: An open bundle.
        texts: Source texts, at least one; of the first 20 those are translated that the search
            inside an artefact takes, and if that takes none, an empty text.
        runtimes: Gives the runtime of an artefact by its name and quantization.
        verbose: Show a progress bar.
    Returns:
        By runtime and quantization, the median milliseconds of a sentence on its own, without
        tokenisation. ONNX and LiteRT use the threads that `runtimes` gives them, Keras and the
        SavedModel those of TensorFlow.
    """
    encode = bundle.tokenizers.source.encode
    batches = [pad_batch([encode(text, add_eos=True)]) for text in texts[:TIMED_SENTENCES]]
    strategy = bundle.beam or GREEDY
    found = {}
    with progress(len(bundle.artefacts), "timed artefacts", verbose) as advance:
        for artefact in bundle.artefacts:
            engine = runtimes(*artefact)
            # Longer sources than a file has searches for are searched on the host.
            held = [batch for batch in batches if engine.holds(batch)] or [batches[0][:, -1:]]
            engine.search(held[0], strategy)  # reads files and builds graphs
            seconds = []
            for batch in held:
                start = time.perf_counter()
                engine.search(batch, strategy)
                seconds.append(time.perf_counter() - start)
            found[artefact] = 1000 * statistics.median(seconds)
            advance(1)
    return found


def latency_entries(
    latencies: Latencies, held: Sequence[tuple[str, str]], sentences: int
) -> list[dict[str, Any]]:
    """Returns the latency entries of a manifest, for the artefacts that the bundle holds.

    Args:
        latencies: What `measured_latencies` found.
        held: (runtime, quantization) of each.
        sentences: Number of texts; at most 20 of them were timed.
    """
    return [
        {
            "runtime": runtime,
            "quantization": quantization,
            "latency_ms": latencies[runtime, quantization],
            "sentences": min(sentences, TIMED_SENTENCES),
        }
        for runtime, quantization in held
    ]
