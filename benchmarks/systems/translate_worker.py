"""Translates ids by one system, in a process of its own that stands still between its turns.

The first line of standard input describes the job; each further one is a turn: a list of batches
of source ids, or of texts for the systems "texts" and "engine". Each answer is a line of JSON.
"engine" runs in a Python 3.10 with the wheel bergamot 0.4.5, so packages are imported where they
are used.
"""

import glob
import importlib.util
import json
import os
import pathlib
import sys
import time
from collections.abc import Callable
from typing import Any

Ids = list[list[int]]


def main() -> None:
    job = json.loads(sys.stdin.readline())
    # What a system prints must not come between the answers.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    translate = SYSTEMS[job["system"]](job)
    print(json.dumps({"first": translate(job["first"])}), file=answers, flush=True)
    for line in sys.stdin:
        milliseconds, found = [], []
        for batch in json.loads(line):
            start = time.perf_counter()
            found += translate(batch)
            milliseconds.append(1000 * (time.perf_counter() - start))
        answer = {"milliseconds": milliseconds, "ids": found, "rss_mb": _peak_rss_mb()}
        print(json.dumps(answer), file=answers, flush=True)


def _peak_rss_mb() -> float:
    # Not getrusage, whose peak begins with that of the process that started this one.
    status = pathlib.Path("/proc/self/status").read_text("ascii")
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


def _runtime(job: dict[str, Any]) -> Callable[[Ids], Ids]:
    from keras_seq2seq.bundles.bundle import Bundle
    from keras_seq2seq.decoding.strategies import GREEDY
    from keras_seq2seq.text.tokenizer import pad_batch

    bundle = Bundle.open(pathlib.Path(job["folder"]))
    runtime = bundle.runtime(job["runtime"], job["quantization"], num_threads=job["threads"])
    strategy = bundle.beam if job["beam_size"] > 1 else GREEDY
    most = runtime.max_batch_size

    def translate(batch: Ids) -> Ids:
        parts = [batch[i : i + most] for i in range(0, len(batch), most)] if most else [batch]
        found = [best for part in parts for best, *_ in runtime.search(pad_batch(part), strategy)]
        return [list(best.ids) for best in found]

    return translate


def _texts(job: dict[str, Any]) -> Callable[[list[str]], list[str]]:
    from keras_seq2seq.bundles.load import load

    options = {"quantization": job["quantization"], "num_threads": job["threads"], "check": False}
    return load(job["folder"], job["runtime"], **options).translate


def _ctranslate2(job: dict[str, Any]) -> Callable[[Ids], Ids]:
    import ctranslate2

    translator = ctranslate2.Translator(
        job["folder"],
        device="cpu",
        compute_type=job["quantization"],
        inter_threads=1,
        intra_threads=job["threads"],
    )

    def translate(batch: Ids) -> Ids:
        results = translator.translate_batch(
            [[str(i) for i in ids] for ids in batch],
            beam_size=job["beam_size"],
            max_decoding_length=job["max_length"],
            max_batch_size=0,
        )
        return [[int(token) for token in result.hypotheses[0]] for result in results]

    return translate


def _pytorch(job: dict[str, Any]) -> Callable[[Ids], Ids]:
    import torch
    from pytorch_translator import PyTorchTranslator

    torch.set_num_threads(job["threads"])
    return PyTorchTranslator(pathlib.Path(job["folder"]), job["max_length"]).translate


def _transformers(job: dict[str, Any]) -> Callable[[Ids], Ids]:
    import torch
    from transformers import MarianMTModel

    torch.set_num_threads(job["threads"])
    model = MarianMTModel.from_pretrained(job["folder"]).eval()
    rows = job["rows"]  # of the checkpoint, for each id
    ids = {row: i for i, row in reversed(list(enumerate(rows)))}
    special = {model.config.decoder_start_token_id, *job["special_rows"]}
    options = {"num_beams": job["beam_size"], "max_length": job["max_length"] + 1}

    def translate(batch: Ids) -> Ids:
        longest = max(map(len, batch))
        padded = [[*ids, *[0] * (longest - len(ids))] for ids in batch]
        given = torch.tensor([[rows[i] for i in row] for row in padded])
        mask = torch.tensor([[int(i != 0) for i in row] for row in padded])
        with torch.inference_mode():
            found = model.generate(input_ids=given, attention_mask=mask, **options).tolist()
        return [[ids[row] for row in one if row not in special] for one in found]

    return translate


def _engine(job: dict[str, Any]) -> Callable[[list[str]], list[str]]:
    # Marian's, which Firefox has: the module without its package, which would ask the network.
    (folder,) = importlib.util.find_spec("bergamot").submodule_search_locations
    (path,) = glob.glob(f"{folder}/_bergamot*.so")
    spec = importlib.util.spec_from_file_location("_bergamot", path)
    engine = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(engine)
    config = engine.ServiceConfig(numWorkers=job["threads"], cacheSize=0, logLevel="warn")
    service = engine.Service(config)
    model = service.modelFromConfigPath(job["config"])
    options = engine.ResponseOptions(alignment=False, qualityScores=False, sentenceMappings=False)

    def translate(batch: list[str]) -> list[str]:
        found = service.translate(model, engine.VectorString(batch), options)
        return [response.target.text for response in found]

    return translate


SYSTEMS = {
    **{"runtime": _runtime, "texts": _texts, "ctranslate2": _ctranslate2},
    **{"pytorch": _pytorch, "transformers": _transformers, "engine": _engine},
}


if __name__ == "__main__":
    main()
