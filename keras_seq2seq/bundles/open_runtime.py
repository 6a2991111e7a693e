"""Opens an artefact of a bundle with the runtime of its format."""

from keras_seq2seq.formats import FORMATS, resolved
from keras_seq2seq.runtimes.runtime import ArtefactFiles, Runtime


def open_runtime(name: str, artefact: ArtefactFiles) -> Runtime:
    """Opens an artefact; imports what its format needs.

    Args:
        name: Name of the format.
        artefact: Files of the artefact.
    Raises:
        ImportError: If the packages of the runtime are not installed.
    """
    return resolved(FORMATS[name].runtime)(artefact)


def open_keras(artefact: ArtefactFiles) -> Runtime:
    """Opens the Keras model of a bundle."""
    from keras_seq2seq.runtimes.keras import KerasRuntime
    from keras_seq2seq.seq2seq import load_model

    model = load_model(artefact.path, compile=False)
    return KerasRuntime(model, artefact.max_length, artefact.shortlist)
