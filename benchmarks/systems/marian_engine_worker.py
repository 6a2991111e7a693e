"""Translates texts by the engine of Marian that Firefox has, with the protocol of translate_worker.

For a Python 3.10 with the wheel bergamot 0.4.5; nothing else is imported.
"""

import glob
import importlib.util
import json
import os
import sys
import time


def main() -> None:
    job = json.loads(sys.stdin.readline())
    # What the engine prints must not come between the answers.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    engine = _engine()
    config = engine.ServiceConfig(numWorkers=job["threads"], cacheSize=0, logLevel="warn")
    service = engine.Service(config)
    model = service.modelFromConfigPath(job["config"])
    options = engine.ResponseOptions(alignment=False, qualityScores=False, sentenceMappings=False)

    def translate(texts):
        found = service.translate(model, engine.VectorString(texts), options)
        return [response.target.text for response in found]

    print(json.dumps({"first": translate(job["first"])}), file=answers, flush=True)
    for line in sys.stdin:
        milliseconds, found = [], []
        for batch in json.loads(line):
            start = time.perf_counter()
            found += translate(batch)
            milliseconds.append(1000 * (time.perf_counter() - start))
        answer = {"milliseconds": milliseconds, "ids": found, "rss_mb": _peak_rss_mb()}
        print(json.dumps(answer), file=answers, flush=True)


def _engine():
    # The module without its package, which would ask the network.
    (folder,) = importlib.util.find_spec("bergamot").submodule_search_locations
    (path,) = glob.glob(f"{folder}/_bergamot*.so")
    spec = importlib.util.spec_from_file_location("_bergamot", path)
    engine = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(engine)
    return engine


def _peak_rss_mb():
    with open("/proc/self/status", encoding="ascii") as status:
        return int(status.read().partition("VmHWM:")[2].split()[0]) / 1024


if __name__ == "__main__":
    main()
