"""A signal to one process of a training stops all of them, after the same step."""

from keras_seq2seq.training.interruption import Interruption
from keras_seq2seq.training.processes import Processes


class AgreedStop:
    """The moment at which all processes of a training stop after a signal to any of them.

    Args:
        interruption: What notes the signals of this process.
        processes: Those of the training; a single one stops by itself.
    """

    def __init__(self, interruption: Interruption, processes: Processes) -> None:
        self._interruption = interruption
        self._processes = processes
        self._agreed: int | None = None

    def comes(self) -> bool:
        """Returns True if the training stops now; called after each step, in all processes."""
        noted = self._interruption.noted
        if not self._processes.several:
            return noted is not None
        if noted is not None:
            self._processes.want_stop(noted)
        self._agreed = self._processes.tick()
        return self._agreed is not None

    def check(self) -> None:
        """Raises KeyboardInterrupt, or Terminated, if the training stops now."""
        if self._processes.several:
            if self._agreed is None:
                return
            self._interruption.noted = self._agreed
        self._interruption.check()
