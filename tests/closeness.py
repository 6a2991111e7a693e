"""When two computations of the same numbers agree."""

import numpy as np


def assert_close(found, wanted, share=4e-6):
    """Checks that arrays differ by rounding alone: by no more than a share of the largest number.

    Another order of the sums changes a result by the rounding of its largest summands, however
    small the result itself is, and each processor has its own order.
    """
    size = np.abs(wanted).max(initial=0)
    np.testing.assert_allclose(found, wanted, rtol=0, atol=share * size, equal_nan=False)
