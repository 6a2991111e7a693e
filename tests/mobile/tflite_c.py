"""Runs one LiteRT file on TensorFlow Lite's C API by ctypes: a job as JSON in, found ids out.

That API is what iOS' TensorFlowLiteSwift, react-native-fast-tflite and tflite_flutter call. With
"signatures": false it is called as the latter two do: they see the first subgraph alone. With
`--operators-of LIBRARY` it prints which operators a library knows.
"""

import ctypes
import json
import pathlib
import sys
import tempfile

import numpy as np

Pointer, Text, Int, Size = ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int, ctypes.c_size_t
DTYPES = {1: np.float32, 2: np.int32}
FUNCTIONS = {
    "TfLiteVersion": (Text, []),
    "TfLiteModelCreateFromFile": (Pointer, [Text]),
    "TfLiteInterpreterOptionsCreate": (Pointer, []),
    "TfLiteInterpreterOptionsSetNumThreads": (None, [Pointer, Int]),
    "TfLiteInterpreterOptionsAddDelegate": (None, [Pointer, Pointer]),
    "TfLiteXNNPackDelegateCreate": (Pointer, [Pointer]),
    "TfLiteInterpreterCreate": (Pointer, [Pointer, Pointer]),
    "TfLiteInterpreterAllocateTensors": (Int, [Pointer]),
    "TfLiteInterpreterInvoke": (Int, [Pointer]),
    "TfLiteInterpreterGetInputTensorCount": (Int, [Pointer]),
    "TfLiteInterpreterGetInputTensor": (Pointer, [Pointer, Int]),
    "TfLiteInterpreterGetOutputTensorCount": (Int, [Pointer]),
    "TfLiteInterpreterGetOutputTensor": (Pointer, [Pointer, Int]),
    "TfLiteInterpreterGetSignatureRunner": (Pointer, [Pointer, Text]),
    "TfLiteSignatureRunnerAllocateTensors": (Int, [Pointer]),
    "TfLiteSignatureRunnerInvoke": (Int, [Pointer]),
    "TfLiteSignatureRunnerGetInputTensor": (Pointer, [Pointer, Text]),
    "TfLiteSignatureRunnerGetOutputTensor": (Pointer, [Pointer, Text]),
    "TfLiteTensorType": (Int, [Pointer]),
    "TfLiteTensorData": (Pointer, [Pointer]),
    "TfLiteTensorByteSize": (Size, [Pointer]),
    "TfLiteTensorNumDims": (Int, [Pointer]),
    "TfLiteTensorDim": (Int, [Pointer, Int]),
}


def main() -> None:
    if sys.argv[1:2] == ["--operators-of"]:
        with tempfile.TemporaryDirectory() as folder:
            found = newest_versions(opened(sys.argv[2]), pathlib.Path(folder))
        print("\n" + json.dumps(found))
        return
    job = json.load(sys.stdin)
    library = opened(job["library"])
    run = by_signatures if job["signatures"] else by_first_subgraph
    found = run(library, interpreter(library, job), job["calls"])
    print("\n" + json.dumps({"version": library.TfLiteVersion().decode(), "found": found}))


def opened(path: str) -> ctypes.CDLL:
    library = ctypes.CDLL(path)
    for name, (result, arguments) in FUNCTIONS.items():
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    return library


def interpreter(library: ctypes.CDLL, job: dict) -> int:
    model = checked(library.TfLiteModelCreateFromFile(job["file"].encode()), "the file")
    options = library.TfLiteInterpreterOptionsCreate()
    library.TfLiteInterpreterOptionsSetNumThreads(options, job["threads"])
    if job["xnnpack"]:
        delegate = library.TfLiteXNNPackDelegateCreate(None)
        library.TfLiteInterpreterOptionsAddDelegate(options, delegate)
    return checked(library.TfLiteInterpreterCreate(model, options), "its operators")


def by_signatures(library: ctypes.CDLL, model: int, calls: list) -> list[list[int]]:
    runners = {}
    found = []
    for signature, ids in calls:
        if signature not in runners:
            made = library.TfLiteInterpreterGetSignatureRunner(model, signature.encode())
            runners[signature] = checked(made, signature)
            succeeded(library.TfLiteSignatureRunnerAllocateTensors(made), "allocate")
        runner = runners[signature]
        write(library, library.TfLiteSignatureRunnerGetInputTensor(runner, b"source_ids"), ids)
        succeeded(library.TfLiteSignatureRunnerInvoke(runner), "invoke")
        output = library.TfLiteSignatureRunnerGetOutputTensor(runner, b"target_ids")
        found.append(read(library, output))
    return found


def by_first_subgraph(library: ctypes.CDLL, model: int, calls: list) -> list[list[int]]:
    """Writes the one input and reads the one output of two axes that is int32."""
    succeeded(library.TfLiteInterpreterAllocateTensors(model), "allocate")
    if (inputs := library.TfLiteInterpreterGetInputTensorCount(model)) != 1:
        raise ValueError(f"the first subgraph has {inputs} inputs")
    given = library.TfLiteInterpreterGetInputTensor(model, 0)
    count = library.TfLiteInterpreterGetOutputTensorCount(model)
    outputs = [library.TfLiteInterpreterGetOutputTensor(model, i) for i in range(count)]
    (target_ids,) = (
        tensor
        for tensor in outputs
        if (library.TfLiteTensorType(tensor), library.TfLiteTensorNumDims(tensor)) == (2, 2)
    )
    found = []
    for _, ids in calls:
        write(library, given, ids)
        succeeded(library.TfLiteInterpreterInvoke(model), "invoke")
        found.append(read(library, target_ids))
    return found


def write(library: ctypes.CDLL, tensor: int, ids: list[int]) -> None:
    content = np.array(ids, "int32").tobytes()
    if (size := library.TfLiteTensorByteSize(tensor)) != len(content):
        raise ValueError(f"the input takes {size // 4} ids, not {len(ids)}")
    ctypes.memmove(library.TfLiteTensorData(tensor), content, size)


def read(library: ctypes.CDLL, tensor: int) -> list[int]:
    """Returns the last axis of an int32 tensor, of a beam that of the best hypothesis."""
    size = library.TfLiteTensorByteSize(tensor)
    content = ctypes.string_at(library.TfLiteTensorData(tensor), size)
    length = library.TfLiteTensorDim(tensor, library.TfLiteTensorNumDims(tensor) - 1)
    return np.frombuffer(content, DTYPES[library.TfLiteTensorType(tensor)])[:length].tolist()


def checked(pointer: int | None, what: str) -> int:
    if not pointer:
        raise ValueError(f"TensorFlow Lite refuses {what}")
    return pointer


def succeeded(status: int, what: str) -> None:
    if status:
        raise ValueError(f"{what}: status {status}")


def newest_versions(library: ctypes.CDLL, folder: pathlib.Path) -> dict[str, int]:
    """Returns the newest version of each builtin operator that a library has a kernel for.

    A runtime looks for the kernel of every operator that a file names, used or not.
    """
    import flatbuffers
    from ai_edge_litert import schema_py_generated as schema

    found = {}
    names = {v: n for n, v in vars(schema.BuiltinOperator).items() if isinstance(v, int)}
    path = folder / "one_operator.tflite"
    for number, name in sorted(names.items()):
        for version in range(1, 20):
            path.write_bytes(naming(schema, flatbuffers, number, version))
            model = library.TfLiteModelCreateFromFile(str(path).encode())
            options = library.TfLiteInterpreterOptionsCreate()
            if library.TfLiteInterpreterCreate(model, options):
                found[name] = version
    return found


def naming(schema: object, flatbuffers: object, number: int, version: int) -> bytes:
    """Returns a file that names an operator and computes nothing."""
    model, code, graph = schema.ModelT(), schema.OperatorCodeT(), schema.SubGraphT()
    code.builtinCode, code.deprecatedBuiltinCode = number, min(number, 127)
    code.version = version
    graph.tensors, graph.inputs, graph.outputs, graph.operators = [], [], [], []
    model.version, model.operatorCodes, model.subgraphs = 3, [code], [graph]
    model.buffers = [schema.BufferT()]
    builder = flatbuffers.Builder()
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


if __name__ == "__main__":
    main()
