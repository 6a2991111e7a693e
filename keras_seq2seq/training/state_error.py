"""The error for a state from which a training cannot resume."""


class StateError(ValueError):
    """A state that cannot be read, or belongs to another training."""
