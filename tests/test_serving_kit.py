"""prepare.sh of the kit export/tf_serving, and the soak of benchmarks/serving.py, on a bundle."""

import importlib.util
import json
import pathlib
import re
import shutil
import subprocess
import sys

import pytest
from conftest import ROOT
from serving_stand_in import serve

from keras_seq2seq.bundles.manifest import dumps, file_entry

KIT = ROOT / "export" / "tf_serving"
pytestmark = pytest.mark.skipif(
    not KIT.exists(), reason="needs the checkout: the wheel has no export/"
)


@pytest.fixture(scope="module")
def bundle(bundle_of_all_formats):
    return bundle_of_all_formats


@pytest.fixture(scope="module")
def models(bundle, tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    prepare(bundle, folder, "3", check=True)
    return folder


def prepare(*arguments, check=False):
    command = ["bash", str(KIT / "prepare.sh"), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=check)


def test_bundle_names_the_warm_up_files(bundle):
    files = json.loads((bundle / "manifest.json").read_text("utf-8"))["files"]
    folder = "saved_model/1/assets.extra"
    assert f"{folder}/tf_serving_warmup_requests" in files
    assert f"{folder}/n_best_warmup_requests" in files


def test_prepare_lays_out_both_models(bundle, models):
    extra = bundle / "saved_model" / "1" / "assets.extra"
    plain, n_best = (
        (extra / name).read_bytes()
        for name in ("tf_serving_warmup_requests", "n_best_warmup_requests")
    )
    warmup = pathlib.Path("assets.extra") / "tf_serving_warmup_requests"
    single, batched = models / "translator" / "3", models / "translator_batched" / "3"
    assert (single / warmup).read_bytes() == plain + n_best
    assert (batched / warmup).read_bytes() == plain
    parameters = (KIT / "batching_parameters.txt").read_text("utf-8")
    assert (batched / "batching_params.pbtxt").read_text("utf-8") == parameters
    assert not (single / "batching_params.pbtxt").exists()
    assert {path.name for path in models.iterdir()} == {
        *("translator", "translator_batched"),
        *("model.config", "batching_parameters.txt", "monitoring.config", "ready.sh"),
    }


def test_prepare_replaces_no_version_and_no_configuration(bundle, models):
    (models / "model.config").write_text("# mine\n", "utf-8")
    again = prepare(bundle, models, "3")
    assert again.returncode == 1 and "VERSION must be new. Received: 3" in again.stderr
    assert prepare(bundle, models, "4").returncode == 0
    assert (models / "model.config").read_text("utf-8") == "# mine\n"
    assert sorted(path.name for path in (models / "translator").iterdir()) == ["3", "4"]


def test_prepare_names_what_it_needs(tmp_path):
    failed = prepare(tmp_path, tmp_path / "models")
    assert failed.returncode == 2 and "BUNDLE must hold saved_model/1" in failed.stderr


BUNDLES = {
    "spaces": "my  bundle ",
    "quotes": 'it\'s "a" $(bundle) `x`',
    "unicode": "Bündel \u65e5\u672c",
    "dash": "-rf",
    "csv": "a,b:c;d\\e",
    "glob": "*[a]?",
}


@pytest.fixture
def small(tmp_path):
    """A folder with the files of a bundle that prepare.sh looks at, and their manifest."""
    return write_small(tmp_path / "small")


def write_small(bundle):
    version = bundle / "saved_model" / "1"
    for name, content in {
        "saved_model.pb": b"graph",
        "variables/variables.index": b"index",
        "assets.extra/tf_serving_warmup_requests": b"one",
        "assets.extra/n_best_warmup_requests": b"two",
    }.items():
        path = version / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    files = {
        path.relative_to(bundle).as_posix(): file_entry(path)
        for path in version.rglob("*")
        if path.is_file()
    }
    text = dumps({"format_version": 3, "files": files, "quality": {"bleu": {"score": 1.0}}})
    (bundle / "manifest.json").write_text(text, "utf-8")
    return bundle


def versions(models):
    """Returns the names in the folder of each model."""
    return {path.name: sorted(one.name for one in path.iterdir()) for path in models.glob("t*/")}


@pytest.mark.parametrize("version", ["v2", "0", "02", "-1", "", " 2", "2 ", "1" * 19, "2/3", "2\n"])
def test_prepare_refuses_a_version_that_the_server_ignores(small, tmp_path, version):
    found = prepare(small, tmp_path / "models", version)
    assert found.returncode == 2 and "VERSION must be a positive whole number" in found.stderr
    assert not (tmp_path / "models").exists()


def altered(path):
    path.write_bytes(b"GRAPH")


def cut(path):
    path.write_bytes(b"")


def added(path):
    path.with_name("another.pb").write_bytes(b"graph")


DAMAGE = {
    altered: "saved_model.pb: was altered",
    cut: "saved_model.pb: was altered",
    pathlib.Path.unlink: "saved_model.pb: is missing",
    added: "another.pb: is not in the manifest",
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_prepare_checks_every_file_and_leaves_nothing(small, tmp_path, damage):
    damage(small / "saved_model" / "1" / "saved_model.pb")
    found = prepare(small, tmp_path / "models", "2")
    assert found.returncode == 1 and DAMAGE[damage] in found.stderr.splitlines()
    assert versions(tmp_path / "models") == {"translator": []}


def test_prepare_refuses_a_manifest_that_it_cannot_read(small, tmp_path):
    path = small / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text("utf-8"))), "utf-8")
    found = prepare(small, tmp_path / "models")
    assert found.returncode == 1 and "does not list saved_model/1/saved_model.pb" in found.stderr


def test_a_full_disk_leaves_no_half_version(small, tmp_path):
    # A link that leads nowhere stops a copy as a full disk does.
    (small / "saved_model" / "1" / "variables" / "more").symlink_to(tmp_path / "nowhere")
    found = prepare(small, tmp_path / "models", "2")
    assert found.returncode == 1 and "nothing was changed" in found.stderr
    assert versions(tmp_path / "models") == {"translator": []}


def test_two_at_once_give_one_version(small, tmp_path):
    command = ["bash", str(KIT / "prepare.sh"), str(small), str(tmp_path / "models"), "2"]
    both = [subprocess.Popen(command, stderr=subprocess.PIPE) for _ in range(2)]
    errors = [process.communicate()[1] for process in both]
    assert sorted(process.returncode for process in both) == [0, 1], errors
    assert versions(tmp_path / "models") == {"translator": ["2"], "translator_batched": ["2"]}
    for name in ("translator", "translator_batched"):
        files = {path.name for path in (tmp_path / "models" / name / "2").iterdir()}
        assert files - {"batching_params.pbtxt"} == {"saved_model.pb", "variables", "assets.extra"}


@pytest.mark.parametrize("name", BUNDLES)
def test_any_folder_name_works(tmp_path, name):
    bundle = write_small(tmp_path / BUNDLES[name])
    models = tmp_path / f"{BUNDLES[name]} models"
    done = subprocess.run(
        ["bash", str(KIT / "prepare.sh"), bundle.name, models.name, "2"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert versions(models) == {"translator": ["2"], "translator_batched": ["2"]}
    _, mount = serve(tmp_path, models.name)
    assert mount == {"type": "bind", "source": str(models), "target": "/models"}


@pytest.mark.parametrize("name", BUNDLES)
def test_the_kit_works_from_any_folder(small, tmp_path, name):
    kit = tmp_path / BUNDLES[name]
    shutil.copytree(KIT, kit, ignore=shutil.ignore_patterns("__pycache__"))
    command = ["bash", "--", f"{kit.name}/prepare.sh", str(small), "models"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "models" / "ready.sh").read_bytes() == (KIT / "ready.sh").read_bytes()


def loaded(path):
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module  # a dataclass looks itself up there
    spec.loader.exec_module(module)
    return module


SOAK = ROOT / "benchmarks" / "serving.py"


@pytest.mark.long
def test_soak_passes(bundle):
    # Two seconds show no leak: the bound is one that a runaway would pass.
    options = ["--seconds", "2", "--warm-up", "40", "--max-growth", "300"]
    done = subprocess.run(
        [sys.executable, str(SOAK), "--bundle", str(bundle), *options],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "threads 8" in done.stdout and "wrong answers: 0" in done.stdout
    assert sum(map(int, re.findall(r"^\w+ +(\d+)$", done.stdout, re.MULTILINE))) >= 40


def test_soak_names_what_is_wrong():
    soak = loaded(SOAK)

    def refuses(draw):
        raise soak.StatusError("bad request", 3)

    assert soak.failure(lambda draw: True, None) == ""
    assert "another answer than alone" in soak.failure(lambda draw: False, None)
    assert "refuses: bad request" in soak.failure(refuses, None)
    assert soak.near([1.0], [1.0005]) and not soak.near([1.0], [1.1])
    found = soak.complaints(["wrong"], 33.0, 32.0)
    assert found[:2] == ["wrong", "memory grew by 33.0 MiB, more than 32.0"]
