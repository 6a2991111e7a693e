"""The schema of LiteRT files, which writers and inspectors share."""

from types import ModuleType

IDENTIFIER = b"TFL3"


def litert_schema() -> ModuleType:
    """Returns the classes that read and write the tables of a LiteRT file.

    Raises:
        ImportError: If neither ai-edge-litert nor tensorflow is installed.
    """
    try:
        from ai_edge_litert import schema_py_generated
    except ImportError:
        try:
            from tensorflow.lite.python import schema_py_generated
        except ImportError as error:
            raise ImportError(
                "Reading a LiteRT file needs its schema: `pip install "
                f'"keras_seq2seq[litert]"`. Received: {error}.'
            ) from error
    return schema_py_generated
