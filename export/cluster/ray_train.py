"""A training in several processes under Ray: python ray_train.py RECIPE RUN --workers 2.

Ray starts the processes and tells each where process 0 is; all else is `keras-seq2seq train`, a
process of its own on each worker. RECIPE, its data and RUN are on a file system that all nodes
share. A lost worker ends all of them; Ray starts them again, and the run goes on from its last
state. pip install 'ray[default]>=2.60,<2.61'
"""

import argparse
import os
import pathlib
import socket
import subprocess
import sys

import ray

STOPPED = (130, 143)  # by Ctrl-C or SIGTERM: not to be started again


@ray.remote
class Worker:
    """One process of the training, on the node and with the GPUs that Ray gives it."""

    def place(self):
        """Returns an address for process 0, if this worker starts it."""
        with socket.create_server(("", 0)) as server:
            return f"{ray.util.get_node_ip_address()}:{server.getsockname()[1]}"

    def train(self, arguments, address, count, index):
        """Trains, and returns the exit status."""
        environment = {
            **os.environ,
            "KERAS_BACKEND": "jax",
            "KERAS_DISTRIBUTION_JOB_ADDRESSES": address,
            "KERAS_DISTRIBUTION_NUM_PROCESSES": str(count),
            "KERAS_DISTRIBUTION_PROCESS_ID": str(index),
        }
        command = [sys.executable, "-m", "keras_seq2seq.cli.main", "train", *arguments]
        return subprocess.run(command, env=environment, check=False).returncode


def train_once(arguments, options):
    """Starts all processes; returns the exit status of the first that failed, or 0."""
    resources = {"num_cpus": options.cpus, "num_gpus": options.gpus}
    bundles = [{"CPU": options.cpus, "GPU": options.gpus}] * options.workers
    group = ray.util.placement_group(bundles, strategy="SPREAD")
    try:
        ray.get(group.ready(), timeout=options.timeout)
        strategy = ray.util.scheduling_strategies.PlacementGroupSchedulingStrategy
        workers = [
            Worker.options(**resources, scheduling_strategy=strategy(group, index)).remote()
            for index in range(options.workers)
        ]
        address = ray.get(workers[0].place.remote())
        running = [
            worker.train.remote(arguments, address, options.workers, index)
            for index, worker in enumerate(workers)
        ]
        return next((status for status in ray.get(running) if status), 0)
    except ray.exceptions.RayActorError as error:
        print(f"A worker was lost: {error}", file=sys.stderr)
        return 1
    finally:
        ray.util.remove_placement_group(group)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("recipe", type=pathlib.Path, help="recipe of the run")
    parser.add_argument("run", type=pathlib.Path, help="run folder")
    parser.add_argument("--workers", type=int, required=True, help="number of processes")
    parser.add_argument("--cpus", type=float, default=1, help="CPUs of each (default: 1)")
    parser.add_argument("--gpus", type=float, default=0, help="GPUs of each (default: 0)")
    parser.add_argument("--retries", type=int, default=3, help="starts after a loss (default: 3)")
    parser.add_argument("--timeout", type=float, default=600, help="seconds to wait for the nodes")
    parser.add_argument(
        "--set", action="append", default=[], help="section.key=value of the recipe"
    )
    options = parser.parse_args()
    arguments = [str(options.recipe.resolve()), "--output-dir", str(options.run.resolve())]
    arguments += [part for setting in options.set for part in ("--set", setting)]
    # Ray would give its workers the lowest priority but four; of a cluster its own start decides.
    os.environ.setdefault("RAY_worker_niceness", "0")
    ray.init()
    for _ in range(options.retries + 1):
        status = train_once(arguments, options)
        if status == 0 or status in STOPPED or -status + 128 in STOPPED:
            break
    return status if status >= 0 else 128 - status


if __name__ == "__main__":
    sys.exit(main())
