"""The schema of LiteRT files, which writers and inspectors share."""

from types import ModuleType

from keras_seq2seq.installed import missing_package

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
            what = "Reading a LiteRT file needs its schema"
            raise missing_package(what, "litert", error) from error
    return schema_py_generated
