"""Translates a column of Parquet files on Ray Data: python ray_job.py --help.

Every row keeps its other columns and gets its translation. If a worker dies, Ray starts another one
and hands its blocks to it.
"""

import argparse
import os

import ray

from keras_seq2seq.bulk import FrameTranslator

ROWS_PER_FRAME = 2048


def translated(
    rows: "ray.data.Dataset", bundle: str, source: str, target: str, workers: int, **options: object
) -> "ray.data.Dataset":
    """Returns rows with a column of translations.

    Args:
        rows: With the column `source`.
        bundle: The exported folder, as the workers see it.
        source, target: Names of the column of texts and of the new one.
        workers: int > 0. Processes, each with a core and a model of its own.
        **options: Those of `keras_seq2seq.load`.
    """
    return rows.map_batches(
        FrameTranslator,
        fn_constructor_args=[bundle],
        fn_constructor_kwargs={"source": source, "target": target, **options},
        batch_size=ROWS_PER_FRAME,
        batch_format="pyarrow",
        compute=ray.data.ActorPoolStrategy(size=workers),
        num_cpus=1,
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--bundle", required=True, help="exported folder, as the workers see it")
    parser.add_argument("--input", nargs="+", required=True, help="Parquet files or folders")
    parser.add_argument("--output", required=True, help="folder to create")
    parser.add_argument("--source", default="text", help="column of texts (default: %(default)s)")
    parser.add_argument("--target", default="translation", help="new column (default: %(default)s)")
    parser.add_argument("--runtime", help="such as onnx (default: the first that is installed)")
    parser.add_argument("--quantization", default="float32", help="default: %(default)s")
    parser.add_argument("--workers", type=int, default=1, help="default: %(default)s")
    given = parser.parse_args()
    if os.path.exists(given.output):
        parser.error(f"--output must be new. Received: {given.output}, which exists.")
    ray.init(ignore_reinit_error=True)
    # Reading and writing take a core too: without one, the job would wait for ever.
    if given.workers >= (cores := ray.cluster_resources().get("CPU", 0)):
        parser.error(
            f"--workers must be below the cores of the cluster, {cores:g}: reading takes one. "
            f"Received: {given.workers}."
        )
    rows = ray.data.read_parquet(given.input)
    options = {"runtime": given.runtime, "quantization": given.quantization}
    names = (given.bundle, given.source, given.target)
    translated(rows, *names, given.workers, **options).write_parquet(given.output)


if __name__ == "__main__":
    main()
