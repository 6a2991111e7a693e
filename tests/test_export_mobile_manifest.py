"""The kit of export/mobile knows every key that a manifest may have, compiled or not."""

import json
import re

from conftest import ROOT
from mobile_kit import FOLDER

from keras_seq2seq.exporters.litert.writer import PARTS

SCHEMA = json.loads((ROOT / "keras_seq2seq/bundles/manifest.schema.json").read_text("utf-8"))


def known(where):
    """Returns the keys that the kit takes in a part of the manifest."""
    source = (FOLDER / "bundle.cpp").read_text("utf-8")
    (keys,) = re.findall(rf'refuse_others\(\w+, "{where}",\s*\{{([^}}]*)\}}', source)
    return set(re.findall(r'"(\w+)"', keys))


def test_the_kit_takes_what_an_export_may_write():
    artefact = SCHEMA["properties"]["artefacts"]["properties"]["litert"]
    assert known("manifest") == set(SCHEMA["properties"])
    assert known("artefacts.litert") == set(artefact["properties"])
    assert known("artefacts.litert.files") == set(PARTS)
