import re

import pytest
import tensorflow as tf
from exported_models import MAX_LENGTH, exported_with_text, tiny_model

from keras_seq2seq.exporters.prepared import PreparedExport
from keras_seq2seq.exporters.saved_model.writer import write_saved_model


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    """A model of which weights are most of the folder, and what was written of it."""
    folder = tmp_path_factory.mktemp("large")
    model = tiny_model(embedding_dim=256, units=256, share_embeddings=True, tie_output=True)
    return model, folder, write_saved_model(PreparedExport(model, MAX_LENGTH), folder)


def test_entry_names_the_version_and_tensors(large):
    entry = large[2]
    step = entry["signatures"]["decode_step"]
    assert entry["files"] == {"float32": "1"}
    assert {"name": "target_ids", "dtype": "int32", "shape": [None, 1]} in step["inputs"]
    assert {"name": "keys", "dtype": "float32", "shape": [None, None, 256]} in step["inputs"]
    assert {"name": "state_0", "dtype": "float32", "shape": [None, 256]} in step["outputs"]


def test_encoder_gives_what_the_step_takes(large):
    signatures = large[2]["signatures"]
    given = signatures["encode"]["outputs"]
    assert [t for t in signatures["decode_step"]["inputs"] if t["name"] != "target_ids"] == given


def test_weights_are_stored_once(large):
    model, folder, _ = large
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    assert 1.0 <= size / (4 * model.count_params()) < 1.3


def test_serving_default_takes_ids_without_tokenizers(large):
    signatures = large[2]["signatures"]
    assert signatures["serving_default"] == signatures["translate_greedy"]
    assert [tensor["name"] for tensor in signatures["translate_greedy"]["outputs"]] == [
        "attention",
        "finished",
        "scores",
        "target_ids",
        "token_log_probs",
    ]


def test_serving_default_takes_texts_with_tokenizers():
    folder = exported_with_text().folder / "saved_model" / "1"
    function = tf.saved_model.load(str(folder)).signatures["serving_default"]
    assert function.structured_input_signature[1] == {
        "text": tf.TensorSpec((None,), tf.string, "text")
    }
    outputs = {name: spec.dtype.name for name, spec in function.structured_outputs.items()}
    assert outputs == {
        "translation": "string",
        "score": "float32",
        "confidence": "float32",
        "finished": "bool",
    }


def test_tokenizers_of_other_sizes_are_refused(tmp_path):
    tokenizers = exported_with_text().model.tokenizers
    source, target = tokenizers.vocabulary_sizes
    for sizes in ((21, target), (source, 21)):
        model = tiny_model(source_vocabulary_size=sizes[0], target_vocabulary_size=sizes[1])
        message = rf"tokenizers must .* {re.escape(f'{sizes}. Received: {(source, target)}')};"
        with pytest.raises(ValueError, match=message):
            write_saved_model(PreparedExport(model, 2, tokenizers), tmp_path)


@pytest.mark.long
def test_nothing_is_printed(tmp_path, capfd):
    write_saved_model(PreparedExport(tiny_model(), 2), tmp_path)
    assert capfd.readouterr() == ("", "")
