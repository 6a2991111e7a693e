"""Translates many lines on each engine, with one worker killed on the way, and compares the words.

The reference is one process that calls `Translator.translate`. Each job of export/bulk gets the
same lines; the first worker that has translated some of them is killed with SIGKILL. The exit
status is 1 if a line is missing or differs. An engine that is not installed is skipped and named.

Usage: python tests/soak/bulk.py --bundle FOLDER [--lines 100000] [--engines spark ray xargs]
"""

import argparse
import functools
import importlib.util
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import threading
import time

sys.path.append(str(pathlib.Path(__file__).parent.parent.parent / "export" / "bulk"))

from keras_seq2seq import load
from keras_seq2seq.bulk import FrameTranslator, translate_frames
from keras_seq2seq.phrasebook.corpus import generate

ROOT = pathlib.Path(__file__).parent.parent.parent
KIT = ROOT / "export" / "bulk"
NEEDS = {"spark": ("pyspark", "pandas", "pyarrow"), "ray": ("ray", "pyarrow"), "xargs": ()}
PARTS = 8


def lines_of_phrasebook(count):
    """Returns English sentences, at most 100,000, each another one."""
    return [source for source, _ in generate(size=max(1000, count)).pairs][:count]


def dies_once(marker):
    """Kills this process if none was killed yet."""
    try:
        os.close(os.open(marker, os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        return
    os.kill(os.getpid(), signal.SIGKILL)


def dying(frames, marker, **options):
    """Does what `translate_frames` does, in a worker that dies after two frames."""
    for number, frame in enumerate(translate_frames(frames, **options)):
        yield frame
        if number == 1:
            dies_once(marker)


class Dying(FrameTranslator):
    """A worker that dies after two frames."""

    def __init__(self, bundle, marker, **options):
        super().__init__(bundle, **options)
        self.marker, self.calls = marker, 0

    def __call__(self, frame):
        found = super().__call__(frame)
        self.calls += 1
        if self.calls == 2:
            dies_once(self.marker)
        return found


def on_spark(bundle, lines, room, runtime):
    import pyspark.sql
    import spark_job

    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    spark = (
        pyspark.sql.SparkSession.builder.master("local[2,4]")
        .config("spark.driver.host", "127.0.0.1")
        .config("spark.driver.bindAddress", "127.0.0.1")
        .config("spark.ui.enabled", "false")
        .config("spark.sql.execution.arrow.maxRecordsPerBatch", str(spark_job.ROWS_PER_FRAME))
        .getOrCreate()
    )
    marker = str(room / "killed")
    spark_job.translate_frames = functools.partial(dying, marker=marker)
    rows = spark.read.parquet(str(room / "in.parquet")).repartition(PARTS)
    found = spark_job.translated(rows, bundle, "text", "fr", runtime=runtime)
    found.write.parquet(str(room / "out"))
    spark.stop()
    return rows_of(room / "out")


def on_ray(bundle, lines, room, runtime):
    import ray
    import ray_job

    ray.init(
        num_cpus=2,
        include_dashboard=False,
        _node_ip_address="127.0.0.1",
        logging_level="error",
        log_to_driver=False,
    )
    ray_job.FrameTranslator = Dying
    rows = ray.data.read_parquet(str(room / "in.parquet"), override_num_blocks=PARTS)
    marker = str(room / "killed")
    found = ray_job.translated(rows, bundle, "text", "fr", 1, marker=marker, runtime=runtime)
    found.write_parquet(str(room / "out"))
    ray.shutdown()
    return rows_of(room / "out")


def rows_of(folder):
    import pyarrow.parquet

    return pyarrow.parquet.read_table(folder).sort_by("id").column("fr").to_pylist()


def on_xargs(bundle, lines, room, runtime):
    (room / "in").write_text("".join(f"{line}\n" for line in lines), "utf-8")
    command = room / "bin" / "keras-seq2seq"
    command.parent.mkdir()
    command.write_text(
        f'#!/bin/sh\necho $$ > {room}/pid\nexec {sys.executable} -m keras_seq2seq.cli "$@"\n'
    )
    command.chmod(0o755)
    environment = {
        **os.environ,
        "PATH": f"{command.parent}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "JOBS": "2",
        "LINES": str(len(lines) // PARTS + 1),
    }
    job = ["bash", KIT / "split_xargs.sh", bundle, room / "in", room / "out", "--runtime", runtime]
    process = subprocess.Popen([*map(str, job)], env=environment)
    killer = threading.Thread(target=kill_a_translator, args=(room, process))
    killer.start()
    assert process.wait() == 0
    killer.join()
    return (room / "out").read_text("utf-8").split("\n")[:-1]


def kill_a_translator(room, process):
    """Kills the last one that was started as soon as some lines are there."""
    while process.poll() is None:
        if any(path.stat().st_size > 1000 for path in (room / "out.parts").glob("*.partial")):
            os.kill(int((room / "pid").read_text("ascii")), signal.SIGKILL)
            (room / "killed").touch()
            return
        time.sleep(0.05)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bundle", required=True)
    parser.add_argument("--lines", type=int, default=100_000, help="default: %(default)s")
    parser.add_argument("--engines", nargs="+", default=list(NEEDS), choices=NEEDS)
    parser.add_argument("--runtime", default="onnx", help="default: %(default)s")
    given = parser.parse_args()
    bundle = os.path.abspath(given.bundle)
    lines = lines_of_phrasebook(given.lines)
    started = time.monotonic()
    wanted = load(bundle, given.runtime).translate(lines)
    print(f"one process: {len(lines)} lines, {time.monotonic() - started:.0f} s", flush=True)
    failed = 0
    for engine in given.engines:
        if missing := [name for name in NEEDS[engine] if not importlib.util.find_spec(name)]:
            print(f"{engine}: skipped, {', '.join(missing)} is not installed")
            continue
        with tempfile.TemporaryDirectory() as folder:
            room = pathlib.Path(folder)
            if engine != "xargs":
                import pyarrow
                import pyarrow.parquet

                table = pyarrow.table({"id": range(len(lines)), "text": lines})
                pyarrow.parquet.write_table(table, room / "in.parquet")
            started = time.monotonic()
            found = globals()[f"on_{engine}"](bundle, lines, room, given.runtime)
            seconds = time.monotonic() - started
            killed = (room / "killed").exists()
        same = sum(one == other for one, other in zip(found, wanted, strict=False))
        print(
            f"{engine}: {len(found)} lines, {same} equal to one process, a worker killed: "
            f"{killed}, {seconds:.0f} s",
            flush=True,
        )
        failed += not (killed and found == wanted)
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
