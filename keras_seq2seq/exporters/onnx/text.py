"""Puts the tokenizers into an ONNX file, with operators of onnxruntime-extensions."""

from typing import Any

from keras_seq2seq.exporters.onnx.conversion import check_graph
from keras_seq2seq.runtimes.onnx import TEXT_FUNCTION
from keras_seq2seq.text.tokenizer import Tokenizer, TokenizerPair
from keras_seq2seq.text.vocabulary import EOS_ID, PAD_ID, UNK_ID

DOMAIN = "ai.onnx.contrib"
# The operator returns the ids of all texts in one row, with the bounds of each text.
TOKENIZE = f"""
tokenize (string[batch] text) => (int32[batch, source_length] source_ids)
<int64[1] best = {{0}}, float[1] alpha = {{0}}, bool[1] no = {{0}}, int32[1] pad = {{{PAD_ID}}},
 int32[1] eos = {{{EOS_ID}}}, int64 zero = {{0}}, int64 one = {{1}}, int64[1] first = {{0}},
 int64[1] second = {{1}}, int64[1] last = {{-1}}, int64[1] open_end = {{{2**62}}}> {{
    flat, bounds = {DOMAIN}.SentencepieceTokenizer (text, best, alpha, no, no, no)
    begins = Slice (bounds, first, last)
    ends = Slice (bounds, second, open_end)
    length = Sub (ends, begins)
    longest = ReduceMax <keepdims = 0> (length)
    width = Add (longest, one)
    column = Range (zero, width, one)
    row_begins = Unsqueeze (begins, second)
    row_length = Unsqueeze (length, second)
    wanted = Add (row_begins, column)
    after_all = Size (flat)
    place = Min (wanted, after_all)
    padded = Concat <axis = 0> (flat, pad)
    ids = Gather (padded, place)
    is_token = Less (column, row_length)
    is_end = Equal (column, row_length)
    eos_or_pad = Where (is_end, eos, pad)
    source_ids = Where (is_token, ids, eos_or_pad)
}}
"""
# The operator takes the ids of one text, so a Loop decodes text by text.
DETOKENIZE = f"""
detokenize (int32[batch, length] target_ids, float[batch] scores)
    => (string[batch] translation, float[batch] score, float[batch] confidence)
<int64 unk = {{{UNK_ID}}}, int64 eos = {{{EOS_ID}}}, int64 pad = {{{PAD_ID}}}, bool go = {{1}},
 int64[1] second = {{1}}, float one = {{1}}> {{
    ids = Cast <to = 7> (target_ids)
    is_unk = Equal (ids, unk)
    is_piece = Greater (ids, eos)
    is_kept = Or (is_unk, is_piece)
    batch = Shape <end = 1> (ids)
    rows = Squeeze (batch)
    translation = Loop (rows, go) <body = detokenize_row (int64 row, bool going) => (
        bool still_going, string decoded) {{
        row_ids = Gather (ids, row)
        row_kept = Gather (is_kept, row)
        kept = Compress (row_ids, row_kept)
        one_text = {DOMAIN}.SentencepieceDecoder (kept)
        decoded = Squeeze (one_text)
        still_going = Identity (going)
    }}>
    is_pad = Equal (ids, pad)
    is_counted = Not (is_pad)
    counted = Cast <to = 1> (is_counted)
    tokens = ReduceSum <keepdims = 0> (counted, second)
    at_least_one = Max (tokens, one)
    mean = Div (scores, at_least_one)
    confidence = Exp (mean)
    score = Identity (scores)
}}
"""


def add_tokenizers(model: Any, tokenizers: TokenizerPair) -> None:
    """Changes an onnx.ModelProto from ids to ids, in place, to one from text to text.

    Args:
        model: `translate_greedy`. Afterwards its input is `text`, string, shape (batch,), and its
            outputs are `translation`, string, `score` and `confidence`, float32, and `finished`,
            bool, each (batch,), like the `serving_default` of the SavedModel.
        tokenizers: Their SentencePiece models go into the file.
    """
    import onnx

    before = _graph(TOKENIZE, "SentencepieceTokenizer", tokenizers.source)
    after = _graph(DETOKENIZE, "SentencepieceDecoder", tokenizers.target)
    graph = model.graph
    inner = [onnx.NodeProto.FromString(node.SerializeToString()) for node in graph.node]
    finished = [value for value in graph.output if value.name == "finished"]
    del graph.node[:]
    graph.node.extend([*before.node, *inner, *after.node])
    graph.initializer.extend([*before.initializer, *after.initializer])
    kept = [onnx.ValueInfoProto.FromString(value.SerializeToString()) for value in finished]
    del graph.input[:], graph.output[:]
    graph.input.extend(before.input)
    graph.output.extend([*after.output, *kept])
    graph.name = TEXT_FUNCTION
    model.opset_import.append(onnx.helper.make_opsetid(DOMAIN, 1))
    check_graph(model)


def _graph(text: str, operator: str, tokenizer: Tokenizer) -> Any:
    """Returns a graph with a SentencePiece model, whose inner names get a prefix of their own."""
    import onnx

    from keras_seq2seq.file_formats.onnx_graph import nodes

    graph = onnx.parser.parse_graph(text)
    for node in nodes(graph):
        if node.op_type == operator:
            node.attribute.append(onnx.helper.make_attribute("model", tokenizer.to_bytes()))
    prefix = f"{graph.name}/"
    return onnx.compose.add_prefix_graph(graph, prefix, rename_inputs=False, rename_outputs=False)
