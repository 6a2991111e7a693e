#!/usr/bin/env bash
# Translates a text file in several processes: bash split_xargs.sh BUNDLE INPUT OUTPUT [OPTION ...]
#
# One line of OUTPUT for each line of INPUT, in order. Options are those of keras-seq2seq translate.
# From the environment:
#   JOBS=4          processes at the same time (default: the cores of the machine)
#   LINES=20000     lines of a part
# A process that dies is started again. If all are stopped, run it again: it goes on where
# OUTPUT.parts ends.
set -euo pipefail
bundle=${1:?usage: bash split_xargs.sh BUNDLE INPUT OUTPUT [OPTION ...]} input=${2:?} output=${3:?}
shift 3
parts=$output.parts
part_lines=${LINES:-20000}
# Other parts than those of last time would be joined wrongly.
recipe="$(cksum < "$input") $part_lines"
if [ -e "$parts/recipe" ] && [ "$(cat -- "$parts/recipe")" != "$recipe" ]; then
    echo "$parts belongs to another INPUT, or to other LINES; remove it to start over." >&2
    exit 2
fi
if [ ! -e "$parts/recipe" ]; then
    rm -rf -- "$parts"
    mkdir -p -- "$parts"
    split --lines="$part_lines" --suffix-length=6 --numeric-suffixes -- "$input" "$parts/in."
    printf '%s\n' "$recipe" > "$parts/recipe.new"
    mv -- "$parts/recipe.new" "$parts/recipe"
fi
one() {
    [ ! -e "$1.out" ] || return 0
    # A process that died is started again where it ended; an error that stays is told at last.
    for attempt in 1 2 3; do
        keras-seq2seq translate "$BUNDLE" --output "$1.partial" --resume "${@:2}" < "$1" && break
        [ "$attempt" != 3 ] || return 1
    done
    mv -- "$1.partial" "$1.out"
}
export -f one
export BUNDLE=$bundle
# shellcheck disable=SC2016  # the inner shell replaces them
find "$parts" -name 'in.[0-9]*' ! -name '*.out' ! -name '*.partial' -print0 | sort -z |
    xargs -0 -r -P "${JOBS:-$(nproc)}" -I {} bash -c 'set -eu; one "$@"' one {} "$@"
find "$parts" -name 'in.*.out' -print0 | sort -z | xargs -0 -r cat -- > "$output.new"
# As many lines as came in; the last one may lack its end.
wanted=$(grep -c '' -- "$input" || true) found=$(grep -c '' -- "$output.new" || true)
if [ "$wanted" != "$found" ]; then
    echo "$output.new has $found lines, $input has $wanted; run it again." >&2
    exit 1
fi
mv -- "$output.new" "$output"
rm -rf -- "$parts"
