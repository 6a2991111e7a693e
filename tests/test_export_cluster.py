"""The launchers of export/cluster: what each process is told. No cluster runs here."""

import os
import re
import subprocess
import sys

import pytest
from conftest import ROOT

KIT = ROOT / "export" / "cluster"
pytestmark = pytest.mark.skipif(
    not KIT.exists(), reason="needs the checkout: the wheel has no export/"
)
SRUN = """#!/bin/sh
while [ "${1#--}" != "$1" ]; do shift; done
for task in 0 1; do SLURM_PROCID=$task "$@"; done
"""
TOLD = """#!/bin/sh
echo "$KERAS_BACKEND $KERAS_DISTRIBUTION_JOB_ADDRESSES $KERAS_DISTRIBUTION_NUM_PROCESSES" \\
    "$KERAS_DISTRIBUTION_PROCESS_ID" "$@"
"""


def test_slurm_tells_each_task_who_it_is(tmp_path):
    """With stand-ins for srun, scontrol and keras-seq2seq."""
    programs = {"srun": SRUN, "scontrol": "#!/bin/sh\necho node7\necho node9\n"}
    for name, text in {**programs, "keras-seq2seq": TOLD}.items():
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    slurm = {"SLURM_JOB_NODELIST": "node[7,9]", "SLURM_JOB_ID": "123456", "SLURM_NTASKS": "2"}
    found = subprocess.run(
        ["bash", KIT / "slurm.sh", "my recipe.toml", "runs/a b", "--set", "training.epochs=3"],
        env={**os.environ, **slurm, "PATH": f"{tmp_path}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=True,
    )
    told = "train my recipe.toml --output-dir runs/a b --set training.epochs=3"
    assert found.stdout.splitlines() == [f"jax node7:23456 2 {task} {told}" for task in range(2)]


def test_slurm_asks_for_its_arguments():
    found = subprocess.run(["bash", KIT / "slurm.sh"], capture_output=True, text=True)
    assert found.returncode != 0 and "usage: sbatch slurm.sh RECIPE RUN" in found.stderr


def test_the_job_of_kubernetes_names_its_pods_alike():
    yaml = pytest.importorskip("yaml")
    service, job = yaml.safe_load_all((KIT / "kubernetes.yaml").read_text("utf-8"))
    spec = job["spec"]
    pod, name = spec["template"]["spec"], job["metadata"]["name"]
    assert spec["completionMode"] == "Indexed" and spec["completions"] == spec["parallelism"]
    assert service["spec"]["clusterIP"] == "None" and service["spec"]["publishNotReadyAddresses"]
    assert pod["subdomain"] == service["metadata"]["name"]
    labels = spec["template"]["metadata"]["labels"]
    assert service["spec"]["selector"].items() <= labels.items()
    given = {one["name"]: one for one in pod["containers"][0]["env"]}
    count = given["KERAS_DISTRIBUTION_NUM_PROCESSES"]["value"]
    assert int(count) == spec["completions"]
    # An indexed Job names its pods JOB-INDEX in the subdomain.
    address = given["KERAS_DISTRIBUTION_JOB_ADDRESSES"]["value"]
    port = service["spec"]["ports"][0]["port"]
    assert address == f"{name}-0.{pod['subdomain']}:{port}"
    index = given["KERAS_DISTRIBUTION_PROCESS_ID"]["valueFrom"]["fieldRef"]["fieldPath"]
    assert index == "metadata.annotations['batch.kubernetes.io/job-completion-index']"


def test_launchers_name_the_variables_that_the_library_reads():
    from keras_seq2seq.training.process_environment import ADDRESSES, COUNT, INDEX

    for file in ("kubernetes.yaml", "slurm.sh", "ray_train.py", "README.md"):
        named = set(re.findall(r"KERAS_\w+", (KIT / file).read_text("utf-8")))
        assert named == {ADDRESSES, COUNT, INDEX, "KERAS_BACKEND"}


@pytest.mark.long
def test_ray_trains_in_two_workers(tmp_path):
    pytest.importorskip("ray", reason="Ray is not installed")
    from word_corpus import write_corpus

    environment = {**os.environ, "JAX_PLATFORMS": "cpu", "PYTHONPATH": str(ROOT)}
    command = [KIT / "ray_train.py", write_corpus(tmp_path), tmp_path / "run", "--workers", 2]
    done = subprocess.run(
        [sys.executable, *map(str, command), "--cpus", "0.5"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert '"processes": 2' in (tmp_path / "run" / "report.json").read_text("utf-8")
