#!/usr/bin/env bash
# Serves what prepare.sh laid out: bash serve.sh MODELS. gRPC at port 8500, REST at 8501.
set -euo pipefail
models=$(cd "${1:?usage: bash serve.sh MODELS}" && pwd)
# The entry point of the image would add a model of its own.
exec docker run --rm -p 8500:8500 -p 8501:8501 -v "$models:/models:ro" \
    --entrypoint tensorflow_model_server "${IMAGE:-tensorflow/serving:2.21.0}" \
    --port=8500 --rest_api_port=8501 \
    --model_config_file=/models/model.config \
    --monitoring_config_file=/models/monitoring.config \
    --enable_batching --enable_per_model_batching_parameters \
    --batching_parameters_file=/models/batching_parameters.txt
