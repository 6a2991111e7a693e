#!/usr/bin/env bash
# Serves what prepare.sh laid out, with docker: bash serve.sh MODELS [FLAG OF THE SERVER ...]
#
# gRPC at port 8500, REST at 8501, on this machine only. From the environment:
#   HOST=0.0.0.0              publish on all interfaces, or on one, by its address
#   GRPC_PORT, REST_PORT      other ports of this machine
#   SSL_CONFIG=FILE           gRPC with TLS (see ssl_config.sh); REST knows no TLS and stays closed
#   IMAGE=tensorflow/serving:2.21.0-gpu DOCKER_OPTIONS="--gpus all"
# The server has flags of its own: bash serve.sh MODELS --tensorflow_intra_op_parallelism=4
set -euo pipefail
unset CDPATH
rooted() { case $1 in /*) printf '%s' "$1" ;; *) printf '%s' "./$1" ;; esac; }
# docker reads a mount as a row of CSV: only quoted may a name have commas and quotes.
mount() { printf 'type=bind,"source=%s",target=%s,readonly' "${1//\"/\"\"}" "$2"; }

models=$(rooted "${1:?usage: bash serve.sh MODELS [FLAG OF THE SERVER ...]}")
shift
if [ ! -f "$models/model.config" ]; then
    echo "MODELS must be a folder that prepare.sh has filled. Received: $models, without model.config." >&2
    exit 2
fi
models=$(cd -- "$models" && pwd)
host=${HOST:-127.0.0.1}
options=(--publish "$host:${GRPC_PORT:-8500}:8500" --mount "$(mount "$models" /models)")
flags=(--rest_api_port=8501)
if [ -n "${SSL_CONFIG:-}" ]; then
    keys=$(rooted "$SSL_CONFIG")
    keys=$(cd -- "$(dirname -- "$keys")" && pwd)/${keys##*/}
    options+=(--mount "$(mount "$keys" /ssl.config)")
    flags+=(--ssl_config_file=/ssl.config)
else
    options+=(--publish "$host:${REST_PORT:-8501}:8501")
fi
# The entry point of the image would add a model of its own. Without the poll a running server would
# never read model.config again. Later flags override earlier ones.
# shellcheck disable=SC2086  # DOCKER_OPTIONS are several words
exec docker run --rm "${options[@]}" ${DOCKER_OPTIONS:-} \
    --entrypoint tensorflow_model_server "${IMAGE:-tensorflow/serving:2.21.0}" \
    --port=8500 "${flags[@]}" \
    --model_config_file=/models/model.config \
    --model_config_file_poll_wait_seconds=10 \
    --allow_version_labels_for_unavailable_models \
    --monitoring_config_file=/models/monitoring.config \
    --enable_batching --enable_per_model_batching_parameters \
    --batching_parameters_file=/models/batching_parameters.txt \
    "$@"
