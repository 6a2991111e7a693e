"""Learning rate schedules."""

from typing import Any

import keras


@keras.saving.register_keras_serializable("keras_seq2seq")
class InverseSquareRoot(keras.optimizers.schedules.LearningRateSchedule):
    """Rises linearly from 0 to a peak, then falls with the inverse square root of the step.

    rate = peak * min(step / warmup_steps, sqrt(warmup_steps / step)), step counted from 1. With
    peak = (units * warmup_steps) ** -0.5 it is the Noam schedule.

    Args:
        peak: float > 0. Highest learning rate.
        warmup_steps: int > 0. Step at which the peak is reached.
    Raises:
        ValueError: If a number is not positive.
    Reference:
        Vaswani et al. 2017, section 5.3.
    """

    def __init__(self, peak: float, warmup_steps: int) -> None:
        super().__init__()
        if not peak > 0 or warmup_steps < 1:
            raise ValueError(
                "`peak` must be above 0 and `warmup_steps` at least 1. "
                f"Received: {peak} and {warmup_steps}."
            )
        self.peak = peak
        self.warmup_steps = warmup_steps

    def __call__(self, step: Any) -> Any:
        share = (keras.ops.cast(step, "float32") + 1.0) / self.warmup_steps
        return self.peak * keras.ops.minimum(share, keras.ops.rsqrt(share))

    def get_config(self) -> dict[str, Any]:
        return {"peak": self.peak, "warmup_steps": self.warmup_steps}
