#!/usr/bin/env bash
# Fetches what the kit is built from for a phone: SentencePiece's sources and a JSON reader, into a
# folder, from PyPI:
#
#     bash fetch_sources.sh android/third_party
set -euo pipefail
[ $# = 1 ] || { echo "fetch_sources: there must be one folder. Received: $#." >&2; exit 2; }
mkdir -p "$1"
cd "$1"
pip=(python3 -m pip download --quiet --disable-pip-version-check --no-deps)
"${pip[@]}" --no-binary :all: sentencepiece==0.2.1
"${pip[@]}" --only-binary :all: nlohmann-json==3.12.0
sha256sum --check --quiet <<'SUMS'
8138cec27c2f2282f4a34d9a016e3374cd40e5c6e9cb335063db66a0a3b71fad  sentencepiece-0.2.1.tar.gz
5f6132720fb25d0d70bf0742f8397b49a540dcc193e7312a914f6aa49f054810  nlohmann_json-3.12.0-py3-none-any.whl
SUMS
rm -rf sentencepiece include
tar xzf sentencepiece-0.2.1.tar.gz --strip-components 1 sentencepiece-0.2.1/sentencepiece
python3 -m zipfile -e nlohmann_json-3.12.0-py3-none-any.whl json
mv json/nlohmann_json/include include
rm -rf json sentencepiece-0.2.1.tar.gz nlohmann_json-3.12.0-py3-none-any.whl
