"""Builds the optimizer and the learning rate that a recipe describes."""

from typing import Any

import keras

from keras_seq2seq.training.recipe_sections import TrainingRecipe
from keras_seq2seq.training.schedules import InverseSquareRoot

# Weight decay is meant for weight matrices, not for biases and the gains of norms.
NOT_DECAYED = ["bias", "gamma", "beta"]


def build_optimizer(training: TrainingRecipe, total_steps: int) -> keras.optimizers.Optimizer:
    """Returns Adam, or AdamW if the recipe sets a weight decay.

    Args:
        training: The section of the recipe with all the values.
        total_steps: int > 0. Number of batches in the whole training.
    Reference:
        Kingma and Ba 2015; Loshchilov and Hutter 2019.
    """
    options = {
        "learning_rate": learning_rate(training, total_steps),
        "beta_1": training.beta_1,
        "beta_2": training.beta_2,
        "epsilon": training.epsilon,
        "global_clipnorm": training.clip_norm,
        "gradient_accumulation_steps": training.accumulation_steps
        if training.accumulation_steps > 1
        else None,
        "use_ema": training.ema_momentum > 0,
        "ema_momentum": training.ema_momentum or 0.99,
    }
    if not training.weight_decay:
        return keras.optimizers.Adam(**options)
    optimizer = keras.optimizers.AdamW(weight_decay=training.weight_decay, **options)
    optimizer.exclude_from_weight_decay(var_names=NOT_DECAYED)
    return optimizer


def learning_rate(training: TrainingRecipe, total_steps: int) -> Any:
    """Returns the learning rate of a recipe: a number, or a Keras schedule.

    Args:
        training: The section of the recipe with schedule, peak and warm-up.
        total_steps: int > 0. Number of steps in the whole training.
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
