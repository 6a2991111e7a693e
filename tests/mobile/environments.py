"""Runtimes for `runtimes.py` from the package registries, in a cache folder."""

import os
import pathlib
import shutil
import subprocess
import zipfile

KIT = pathlib.Path(__file__).parent.parent.parent / "export" / "web"
# Two builds of TensorFlow Lite's C library 2.17.1 come in the wheels of this package.
LIBRARY_WHEEL = "pymicro-wakeword==2.5.0"
LIBRARY = "libtensorflowlite_c.so"
NUMPY = "numpy<2"  # the old runtimes were built for


class NotHere(Exception):
    """What a row of the table needs and this machine lacks."""


def python_with(cache: pathlib.Path, requirement: str, version: str) -> pathlib.Path:
    """Returns the Python of an environment that holds a package alone.

    Args:
        cache: Where environments are kept.
        requirement: "package==version".
        version: That of Python, "3.11".
    Raises:
        NotHere: If there is no such Python, or no registry answers.
    """
    folder = cache / requirement.replace("==", "-")
    python = folder / "bin" / "python"
    if not (folder / "complete").exists():
        shutil.rmtree(folder, ignore_errors=True)
        run(base_python(version), "-m", "venv", folder)
        run(python, "-m", "pip", "install", "--quiet", requirement, NUMPY)
        (folder / "complete").touch()
    return python


def base_python(version: str) -> pathlib.Path:
    """Returns a Python of this version, on the path or in pyenv, that starts."""
    pyenv = pathlib.Path.home() / ".pyenv" / "versions"
    folders = [*map(pathlib.Path, os.get_exec_path()), *pyenv.glob(f"{version}.*/bin")]
    for folder in folders:
        python = folder / f"python{version}"
        # A shim of pyenv may be there and not start.
        if (
            python.is_file()
            and not subprocess.run([python, "-c", ""], capture_output=True).returncode
        ):
            return python
    raise NotHere(f"Python {version} is not installed")


def c_library(cache: pathlib.Path, platform: str = "manylinux_2_35_x86_64") -> pathlib.Path:
    """Returns TensorFlow Lite's C library, out of a wheel that brings it.

    Raises:
        NotHere: If no registry answers.
    """
    folder = cache / platform
    if not (found := list(folder.rglob(LIBRARY))):
        command = [shutil.which("python3") or "python3", "-m", "pip", "download", "--quiet"]
        options = ["--no-deps", "--only-binary", ":all:", "--platform", platform]
        run(*command, *options, "--dest", folder, LIBRARY_WHEEL)
        for wheel in folder.glob("*.whl"):
            zipfile.ZipFile(wheel).extractall(folder)
        found = list(folder.rglob(LIBRARY))
    return found[0]


def web_kit(cache: pathlib.Path, version: str | None = None) -> pathlib.Path:
    """Returns a copy of export/web with its packages.

    Args:
        cache: Where it is kept.
        version: That of LiteRT.js, if not the one that the kit names.
    Raises:
        NotHere: If npm is not installed, or no registry answers.
    """
    folder = cache / f"web-{version or 'kit'}"
    if not shutil.which("npm"):
        raise NotHere("npm is not installed")
    ignored = shutil.ignore_patterns("node_modules")
    shutil.copytree(KIT, folder, ignore=ignored, dirs_exist_ok=True)
    if not (folder / "node_modules").exists():
        quiet = ["--ignore-scripts", "--no-audit", "--no-fund", "--omit=optional", "--no-save"]
        run("npm", "ci", *quiet[:-1], cwd=folder)
        if version:
            run("npm", "install", *quiet, f"@litertjs/core@{version}", cwd=folder)
    return folder


def run(*command: object, cwd: pathlib.Path | None = None) -> None:
    done = subprocess.run(list(map(str, command)), cwd=cwd, capture_output=True, text=True)
    if done.returncode:
        said = (done.stderr.strip() or done.stdout.strip()).splitlines()[-1:]
        raise NotHere(f"{command[0]} {command[1]} failed: {''.join(said)}")
