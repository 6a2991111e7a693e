"""Learning rates over the steps of a training."""

from typing import Any

import keras

from keras_seq2seq.training.recipe_sections import TrainingRecipe


@keras.saving.register_keras_serializable("keras_seq2seq")
class InverseSquareRoot(keras.optimizers.schedules.LearningRateSchedule):
    """Rises from 0 to a peak in a straight line, then falls with the root of the step.

    rate = peak * min(step / warmup_steps, sqrt(warmup_steps / step)), step counted from 1. The rate
    of Noam is the one whose peak is (units * warmup_steps) ** -0.5.

    Args:
        peak: float > 0. Highest learning rate.
        warmup_steps: int > 0. Step at which it is reached.
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


def learning_rate(training: TrainingRecipe, total_steps: int) -> Any:
    """Returns the learning rate of a recipe: a number, or a schedule of Keras.

    Args:
        training: Says schedule, peak and warm-up.
        total_steps: int > 0. Steps of the whole training.
    """
    peak, warmup = training.learning_rate, training.warmup_steps
    if training.schedule == "inverse_sqrt":
        return InverseSquareRoot(peak, max(1, warmup))
    if training.schedule == "cosine":
        return keras.optimizers.schedules.CosineDecay(
            initial_learning_rate=0.0 if warmup else peak,
            decay_steps=max(1, total_steps - warmup),
            warmup_target=peak if warmup else None,
            warmup_steps=warmup,
        )
    return peak
