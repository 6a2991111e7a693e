import numpy as np
import pytest

from keras_seq2seq.exporters.litert.int8_scale import Scale

TINY = [(0.0, 1e-44), (-1e-46, 1e-300), (-1e-37, 0.0)]


@pytest.mark.parametrize(
    "limits", [(-1.0, 1.0), (0.0, 6.0), (2.0, 6.0), (-3.0, -1.0), (0.0, 0.0), *TINY, (-3e38, 3e38)]
)
def test_a_scale_holds_the_range_and_zero_exactly(limits):
    scale = Scale.of(*limits)
    assert -128 <= scale.zero_point <= 127
    assert np.finfo("float32").tiny <= np.float32(scale.scale) < np.inf
    held = scale.scale * (np.array([-128, 127]) - scale.zero_point)
    assert held[0] <= limits[0] + scale.scale
    assert held[1] >= limits[1] - scale.scale
    middle = Scale.centred(*limits)
    assert middle.zero_point == 0
    assert np.finfo("float32").tiny <= np.float32(middle.scale) < np.inf
    assert middle.scale * 127 >= max(map(abs, limits)) * (1 - 1e-6)
