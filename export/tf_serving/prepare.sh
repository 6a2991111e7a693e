#!/usr/bin/env bash
# Lays out a bundle as TensorFlow Serving's folder of models: bash prepare.sh BUNDLE MODELS [VERSION]
#
# MODELS/translator/VERSION           every signature; n-best lists are warmed up too
# MODELS/translator_batched/VERSION   with batching parameters
# MODELS/*.config, batching_parameters.txt, ready.sh unless they are there
#
# Needs bash, awk, diff, and sha256sum or shasum. Exit status: 2 for wrong arguments, 1 for a bundle or a
# version that is refused; then MODELS/*/VERSION is as it was.
set -euo pipefail
unset CDPATH

fail() { # STATUS MESSAGE
    printf '%s\n' "$2" >&2
    exit "$1"
}
# A name that begins with "-" would be read as an option.
rooted() { case $1 in /*) printf '%s' "$1" ;; *) printf '%s' "./$1" ;; esac; }

usage="usage: bash prepare.sh BUNDLE MODELS [VERSION]"
if [ $# -lt 2 ] || [ $# -gt 3 ]; then
    fail 2 "$usage. Received: $# arguments."
fi
bundle=$(rooted "$1") models=$(rooted "$2") version=${3-1}
kit=$(cd -- "$(dirname -- "$(rooted "$0")")" && pwd)
case $version in
'' | 0* | *[!0-9]* | ???????????????????*)
    fail 2 "VERSION must be a positive whole number, such as 2: the server ignores folders of other names. Received: $version."
    ;;
esac
if [ ! -d "$bundle/saved_model/1" ] || [ ! -f "$bundle/manifest.json" ]; then
    fail 2 "$usage; BUNDLE must hold saved_model/1 and manifest.json, as \`keras-seq2seq export\` writes them. Received: $1."
fi

# Prints what differs between a copy of saved_model/1 and the manifest; nothing if all is well.
faults() { # FOLDER
    local listed
    # The manifest has one key a line. Paths below saved_model/1 need no escapes in JSON.
    listed=$(awk '
        /^  "files": [{]/ { inside = 1; next }
        inside && /^  [}]/ { exit }
        inside && /^    "saved_model\/1\/[^"\\]*": [{]/ {
            path = $0
            sub(/^    "saved_model\/1\//, "", path)
            sub(/": [{].*$/, "", path)
        }
        inside && path != "" && /^      "sha256": "[0-9a-f]+"/ {
            sum = $0
            sub(/^      "sha256": "/, "", sum)
            sub(/".*$/, "", sum)
            print sum "  " path
            path = ""
        }' "$bundle/manifest.json")
    case $listed in *"  saved_model.pb"*) ;; *)
        echo "manifest.json does not list saved_model/1/saved_model.pb as keras-seq2seq writes it"
        return
        ;;
    esac
    (
        cd -- "$1"
        diff <(printf '%s\n' "$listed" | cut -c 67- | LC_ALL=C sort) \
            <(find . -type f | cut -c 3- | LC_ALL=C sort) |
            sed -n 's/^< \(.*\)/\1: is missing/p; s/^> \(.*\)/\1: is not in the manifest/p'
        printf '%s\n' "$listed" | checksums 2>/dev/null | sed -n 's/: FAILED$/: was altered/p'
    ) || true # both report a difference by their status too
}
checksums() {
    if command -v sha256sum >/dev/null; then
        sha256sum --check
    elif command -v shasum >/dev/null; then
        shasum -a 256 --check
    else
        fail 1 "Checksums need sha256sum or shasum."
    fi
}
command -v sha256sum >/dev/null || command -v shasum >/dev/null ||
    fail 1 "prepare.sh needs sha256sum or shasum, to check the files of the bundle."

for name in translator translator_batched; do
    if [ -e "$models/$name/$version" ]; then
        fail 1 "VERSION must be new. Received: $version, which $2/$name has."
    fi
done

# The server looks at folders whose names are numbers: it never sees half a version.
partial=partial-$version-$$
trap 'rm -rf -- "$models/translator/$partial" "$models/translator_batched/$partial"' EXIT
for name in translator translator_batched; do
    copy=$models/$name/$partial
    mkdir -p -- "$models/$name"
    # -L: links become files, because the server may not see what they point to.
    cp -RL -- "$bundle/saved_model/1" "$copy" ||
        fail 1 "Copying $1/saved_model/1 to $2/$name failed; nothing was changed."
    wrong=$(faults "$copy")
    [ -z "$wrong" ] ||
        fail 1 "The files of $1/saved_model/1 are not those of its manifest.json; export or copy the bundle again:"$'\n'"$wrong"
    if [ "$name" = translator ]; then
        cat -- "$copy/assets.extra/n_best_warmup_requests" \
            >>"$copy/assets.extra/tf_serving_warmup_requests"
    else
        cp -- "$kit/batching_parameters.txt" "$copy/batching_params.pbtxt"
    fi
done
# What a power cut leaves under the final name is whole.
sync -f "$models" 2>/dev/null || sync
for name in translator translator_batched; do
    # -T, where mv has it, moves nothing into a folder that another prepare.sh has made meanwhile.
    if ! mv -T -- "$models/$name/$partial" "$models/$name/$version" 2>/dev/null; then
        if [ -e "$models/$name/$version" ]; then
            fail 1 "VERSION must be new. Received: $version, which $2/$name has got meanwhile."
        fi
        mv -- "$models/$name/$partial" "$models/$name/$version"
    fi
done
for file in model.config batching_parameters.txt monitoring.config ready.sh; do
    if [ ! -e "$models/$file" ]; then
        cp -- "$kit/$file" "$models/$file.$$"
        mv -- "$models/$file.$$" "$models/$file"
    fi
done
