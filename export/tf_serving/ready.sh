#!/usr/bin/env bash
# Is a model ready? bash ready.sh MODEL [HOST [PORT]]: status 0 if the server offers a version of it.
#
# For readiness probes inside the server's image, which has bash but neither curl nor Python. It asks
# for the status of the model: GET /v1/models/MODEL of the REST interface, plain HTTP.
set -u
model=${1:?usage: bash ready.sh MODEL [HOST [PORT]]} host=${2:-127.0.0.1} port=${3:-8501}
exec 3<>"/dev/tcp/$host/$port" || exit 1
printf 'GET /v1/models/%s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n' "$model" "$host" >&3
# A version that is being loaded or that failed has another state.
while IFS= read -r -t 5 line <&3 || [ -n "$line" ]; do
    case $line in *'"state": "AVAILABLE"'* | *'"state":"AVAILABLE"'*) exit 0 ;; esac
done
echo "no version of $model is AVAILABLE at $host:$port" >&2
exit 1
