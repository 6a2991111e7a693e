"""Operators that the stock TensorFlow Serving runs, besides TensorFlow's own."""

TENSORFLOW, TENSORFLOW_TEXT, CUSTOM = "tensorflow", "tensorflow_text", "custom"
# The operators that tensorflow-text registers; the server links all of them.
TEXT_OPERATORS = {
    *("CaseFoldUTF8", "ConstrainedSequence", "FastBertNormalize"),
    *("FastWordpieceTokenizeWithOffsets", "FindSourceOffsets", "MaxSpanningTree"),
    *("NormalizeUTF8", "NormalizeUTF8WithOffsetsMap", "PhraseTokenize"),
    *("RegexSplitWithOffsets", "RougeL", "SentenceFragments", "SentenceFragmentsV2"),
    *("SentencepieceDetokenizeOp", "SentencepieceIdToStringOp", "SentencepieceOp"),
    *("SentencepieceStringToIdOp", "SentencepieceTokenizeOp"),
    *("SentencepieceTokenizeWithOffsetsOp", "SentencepieceVocabSizeOp"),
    *("SplitMergeTokenizeWithOffsets", "TokenizerFromLogits"),
    *("UnicodeScriptTokenizeWithOffsets", "WhitespaceTokenizeWithOffsets"),
    *("WordpieceTokenizeWithOffsets",),
}
TEXT_PREFIX = "TFText>"
# TensorFlow registers them, but they call functions of the Python process that wrote them.
PYTHON_OPERATORS = {"PyFunc", "PyFuncStateless", "EagerPyFunc"}


def domain_of(operator: str) -> str:
    """Returns where an operator comes from: "tensorflow", "tensorflow_text" or "custom"."""
    if operator in TEXT_OPERATORS or operator.startswith(TEXT_PREFIX):
        return TENSORFLOW_TEXT
    from tensorflow.python.framework import op_def_registry

    return CUSTOM if op_def_registry.get(operator) is None else TENSORFLOW
