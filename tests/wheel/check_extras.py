"""Installs the built wheel with one extra at a time in a clean environment, and uses it there."""

import argparse
import concurrent.futures
import os
import pathlib
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time

HERE = pathlib.Path(__file__).parent
ROOT = HERE.parent.parent
RELEASE = HERE.parent / "data" / "release_0_1_0.tar.xz"
# What each extra is used for by use_extra.py, and how many MB it may take on disk.
EXTRAS = {
    "litert": 200,
    "onnx-runtime": 200,
    "parquet": 350,
    "serve,onnx-runtime": 220,
    "jax": None,
    "tensorflow": None,
    "train": None,
    "export": None,
    "all": None,
}
PYTHONS = ("3.11", "3.12", "3.13")
SILENT = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--extras", nargs="+", default=list(EXTRAS), choices=EXTRAS)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        room = pathlib.Path(folder)
        wheel = build_wheel(room)
        release = room / "release"
        with tarfile.open(RELEASE) as archive:
            archive.extractall(release, filter="data")
        # The light extras in every Python, the heavy ones, which take longest, in the first.
        heavy_first = sorted(given.extras, key=lambda extra: EXTRAS[extra] is not None)
        pythons = here()
        cases = [(e, python) for e in heavy_first for python in pythons[: None if EXTRAS[e] else 1]]
        with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
            passed = list(pool.map(lambda case: check(*case, wheel, release, room), cases))
    return 0 if all(passed) else 1


def build_wheel(room: pathlib.Path) -> pathlib.Path:
    """Builds from a copy: setuptools would pick up a build folder that lies around."""
    source = room / "source"
    shutil.copytree(ROOT / "keras_seq2seq", source / "keras_seq2seq")
    for name in ("setup.cfg", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    run(sys.executable, "-m", "build", "--quiet", "--wheel", "--outdir", room, source)
    (wheel,) = room.glob("*.whl")
    return wheel


def here() -> list[pathlib.Path]:
    """Returns the Pythons of `PYTHONS` on the path that start, one of each version."""
    found = {}
    for version in PYTHONS:
        for folder in map(pathlib.Path, os.get_exec_path()):
            python = folder / f"python{version}"
            # A shim of pyenv may be there and not start.
            if version not in found and python.is_file() and starts(python):
                found[version] = python
    return list(found.values())


def starts(python: pathlib.Path) -> bool:
    return subprocess.run([python, "-c", ""], **SILENT).returncode == 0


def check(
    extra: str,
    python: pathlib.Path,
    wheel: pathlib.Path,
    release: pathlib.Path,
    room: pathlib.Path,
) -> bool:
    """Installs one extra alone and uses it, outside the checkout; tells whether all went well."""
    environment = room / f"{extra}-{python.name}"
    started, passed = time.monotonic(), False
    try:
        run(python, "-m", "venv", environment)
        installed = environment / "bin" / "python"
        run(installed, "-m", "pip", "install", "--quiet", f"{wheel}[{extra}]")
        if limit := EXTRAS[extra]:
            size = size_of_packages(environment)
            print(f"{extra}, {python.name}: {size:.0f} MB in site-packages, limit {limit}")
            if size > limit:
                return False
        run(installed, HERE / "use_extra.py", extra, release, cwd=room)
        passed = True
    except subprocess.CalledProcessError:
        pass
    finally:
        took = time.monotonic() - started
        print(f"{extra}, {python.name}: {'ok' if passed else 'FAILED'}, {took:.0f} s", flush=True)
        shutil.rmtree(environment, ignore_errors=True)
    return passed


def size_of_packages(environment: pathlib.Path) -> float:
    """Returns the MB that an environment holds, without pip, which no program of it needs."""
    (packages,) = environment.glob("lib/python*/site-packages")
    files = (path for path in packages.rglob("*") if path.is_file())
    kept = (path for path in files if not path.relative_to(packages).parts[0].startswith("pip"))
    return sum(path.stat().st_size for path in kept) / 1e6


def run(*command: object, cwd: pathlib.Path | None = None) -> None:
    subprocess.run(list(map(str, command)), check=True, cwd=cwd)


if __name__ == "__main__":
    sys.exit(main())
