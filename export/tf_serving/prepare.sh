#!/usr/bin/env bash
# Lays out a bundle as TensorFlow Serving's folder of models: bash prepare.sh BUNDLE MODELS [VERSION]
#
# MODELS/translator/VERSION           every signature; n-best lists are warmed up too
# MODELS/translator_batched/VERSION   with batching parameters
# MODELS/*.config, MODELS/batching_parameters.txt unless they are there
set -euo pipefail
if [ $# -lt 2 ] || [ ! -d "$1/saved_model/1" ]; then
    echo "usage: bash prepare.sh BUNDLE MODELS [VERSION]; BUNDLE must hold saved_model/1." >&2
    exit 2
fi
bundle=$1 models=$2 version=${3:-1}
kit=$(dirname "$0")

for name in translator translator_batched; do
    if [ -e "$models/$name/$version" ]; then
        echo "VERSION must be new. Received: $version, which $models/$name has." >&2
        exit 1
    fi
done
for name in translator translator_batched; do
    # The server looks at folders whose names are numbers: it never sees half a version.
    partial=$models/$name/partial-$version
    mkdir -p "$models/$name"
    rm -rf "$partial"
    cp -r "$bundle/saved_model/1" "$partial"
    if [ "$name" = translator ]; then
        cat "$partial/assets.extra/n_best_warmup_requests" \
            >> "$partial/assets.extra/tf_serving_warmup_requests"
    else
        cp "$kit/batching_parameters.txt" "$partial/batching_params.pbtxt"
    fi
    mv "$partial" "$models/$name/$version"
done
for file in model.config batching_parameters.txt monitoring.config; do
    [ -e "$models/$file" ] || cp "$kit/$file" "$models/$file"
done
