"""Runs one LiteRT file on a runtime of Python: a job as JSON on standard input, found ids out.

It imports nothing of this package, so that any environment with a runtime in it can run it.
"""

import importlib
import importlib.metadata
import json
import sys

import numpy as np

INTERPRETERS = {
    "ai-edge-litert": "ai_edge_litert.interpreter",
    "tflite-runtime": "tflite_runtime.interpreter",
    "tensorflow": "tensorflow.lite.python.interpreter",
}


def main() -> None:
    job = json.load(sys.stdin)
    runners = {"compiled_model": compiled_model}
    run = runners.get(job["api"], interpreter)
    # Runtimes write to the same stream what they think of the file.
    print("\n" + json.dumps({"version": version(job["package"]), "found": run(job)}))


def version(package: str) -> str:
    return importlib.metadata.version(package)


def interpreter(job: dict) -> list[list[int]]:
    """Runs signatures by the classic Interpreter; XNNPACK is on as it is by default, or off."""
    module = importlib.import_module(INTERPRETERS[job["package"]])
    options = {"num_threads": job["threads"]}
    if not job["xnnpack"]:
        resolver = module.OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
        options["experimental_op_resolver_type"] = resolver
    model = module.Interpreter(job["file"], **options)
    runners = {}
    found = []
    for signature, ids in job["calls"]:
        if signature not in runners:
            runners[signature] = model.get_signature_runner(signature)
        outputs = runners[signature](source_ids=np.array([ids], "int32"))
        found.append(outputs["target_ids"].reshape(-1, outputs["target_ids"].shape[-1])[0].tolist())
    return found


def compiled_model(job: dict) -> list[list[int]]:
    """Runs signatures by CompiledModel on the CPU, with buffers that it makes by itself."""
    from ai_edge_litert.compiled_model import CompiledModel

    model = CompiledModel.from_file(job["file"])
    made = {}
    found = []
    for signature, ids in job["calls"]:
        if signature not in made:
            index = model.get_signature_index(signature)
            outputs = model.get_signature_list()[signature]["outputs"]
            buffers = model.create_input_buffers(index), model.create_output_buffers(index)
            made[signature] = index, outputs.index("target_ids"), *buffers
        index, place, inputs, outputs = made[signature]
        inputs[0].write(np.array([ids], "int32"))
        model.run_by_index(index, inputs, outputs)
        # Of a beam this is the best hypothesis, the first row.
        found.append(outputs[place].read(job["max_length"], np.int32).tolist())
    return found


if __name__ == "__main__":
    main()
