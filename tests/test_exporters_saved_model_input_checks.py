import numpy as np
import pytest
import tensorflow as tf
from exported_models import exported

from keras_seq2seq.exporters.saved_model.input_checks import IdLimits, checked_ids
from keras_seq2seq.text.vocabulary import EOS_ID

LIMITS = {"source_ids": IdLimits(9, 3), "target_ids": IdLimits(None, None)}


def test_ids_within_the_limits_pass_as_they_are():
    given = {"source_ids": [[4, 8, EOS_ID, 0, 0]], "target_ids": [[99, 5, 5, 5, EOS_ID]]}
    found = checked_ids(LIMITS, **{name: tf.constant(ids) for name, ids in given.items()})
    assert [tensor.numpy().tolist() for tensor in found] == list(given.values())


@pytest.mark.parametrize(
    ("name", "ids", "message"),
    [
        ("source_ids", [[9]], "`source_ids` must be 0 to 8"),
        ("source_ids", [[-1]], "`source_ids` must be 0 to 8"),
        ("target_ids", [[-1]], "`target_ids` must be at least 0"),
        ("source_ids", [[4, 4, 4, EOS_ID], [4, 3, 0, 0]], "at most 3 tokens"),
        ("source_ids", np.zeros((2, 0)), "at least one column"),
    ],
)
def test_ids_beyond_the_limits_are_refused(name, ids, message):
    tensor = tf.constant(ids, tf.int32)
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        checked_ids(LIMITS, **{name: tensor})


@pytest.mark.long
@pytest.mark.parametrize("signature", ["translate_greedy", "translate_ids", "encode", "score"])
def test_no_signature_reads_beyond_learned_positions(signature):
    bundle = exported("transformer_post_shared")
    loaded = tf.saved_model.load(str(bundle.folder / "saved_model" / "1")).signatures[signature]
    longest = bundle.model.config.max_length
    for length in (longest, longest + 1):
        given = {"source_ids": tf.constant([[5] * (length - 1) + [EOS_ID]])}
        if signature == "score":
            given = {"source_ids": given["source_ids"][:, -2:], "target_ids": given["source_ids"]}
        if signature == "translate_ids":
            given |= {"beam_size": tf.constant(2), "num_hypotheses": tf.constant(1)}
            given["alpha"] = tf.constant(0.5)
        if length == longest:
            loaded(**given)
            continue
        with pytest.raises(tf.errors.InvalidArgumentError, match=f"at most {longest} tokens"):
            loaded(**given)
