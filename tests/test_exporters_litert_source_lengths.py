import pytest

from keras_seq2seq.exporters.litert.source_lengths import FINEST, source_lengths


@pytest.mark.parametrize("longest", [1, 7, 8, 12, 13, 40, 64, 100, 128, 500, 1000])
def test_padding_stays_small_and_the_lengths_few(longest):
    lengths = source_lengths(longest)
    assert lengths[0] == longest and list(lengths) == sorted(set(lengths), reverse=True)
    assert len(lengths) <= 14
    for length in range(1, longest + 1):
        padded = min(one for one in lengths if one >= length)
        assert padded <= max(1.6 * length, length + FINEST + FINEST // 2)
