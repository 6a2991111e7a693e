"""How int8 numbers stand for real ones."""

import dataclasses

import numpy as np

LEAST, LEVELS = -128, 255
# On each side of a zero in the middle.
MIDDLE_LEVELS = 127


@dataclasses.dataclass(frozen=True)
class Scale:
    """How int8 numbers stand for real ones: real = scale * (number - zero_point)."""

    scale: float
    zero_point: int

    @classmethod
    def of(cls, least: float, greatest: float) -> "Scale":
        """Returns the finest scale that covers a range and zero; 1 for a range of zeros.

        A range so small that no normal float32 is its step counts as zeros.
        """
        least, greatest = min(least, 0.0), max(greatest, 0.0)
        scale = float(np.float32((greatest - least) / LEVELS))
        if scale < np.finfo("float32").tiny:
            return cls(1.0, LEAST)
        return cls(scale, round(LEAST - least / scale))

    @classmethod
    def centred(cls, least: float, greatest: float) -> "Scale":
        """Returns the finest scale that covers a range with 0 in the middle, as weights have it."""
        scale = float(np.float32(max(-least, greatest, 0.0) / MIDDLE_LEVELS))
        return cls(scale if scale >= np.finfo("float32").tiny else 1.0, 0)
