#!/usr/bin/env bash
# A training in several processes under SLURM, one for each node: sbatch slurm.sh RECIPE RUN [OPTION ...]
#
# RECIPE, its data and RUN are on a file system that all nodes share. A lost node ends all processes;
# SLURM starts the job again (--requeue), and the run goes on from its last state.
#SBATCH --job-name=seq2seq
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=1
#SBATCH --gpus-per-node=8
#SBATCH --time=24:00:00
#SBATCH --requeue
# Before its time is over, every process gets SIGTERM: all stop after the same step.
#SBATCH --signal=TERM@120
set -eu
recipe=${1:?usage: sbatch slurm.sh RECIPE RUN [OPTION ...]} run=${2:?usage: sbatch slurm.sh RECIPE RUN}
shift 2

export KERAS_BACKEND=jax
# A port of its own for each job, on the node of task 0.
first=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)
export KERAS_DISTRIBUTION_JOB_ADDRESSES=$first:$((20000 + SLURM_JOB_ID % 20000))
export KERAS_DISTRIBUTION_NUM_PROCESSES=$SLURM_NTASKS

# --kill-on-bad-exit: nobody waits for a task that has failed.
# The number of a task is known in it alone.
# shellcheck disable=SC2016
exec srun --kill-on-bad-exit=1 bash -c \
    'KERAS_DISTRIBUTION_PROCESS_ID=$SLURM_PROCID exec keras-seq2seq train "$@"' \
    train "$recipe" --output-dir "$run" "$@"
