// Translates ids with a LiteRT file of a bundle, by tflite_flutter (iOS and Android).
//
// Only read, from the sources of tflite_flutter 0.12.1: there is no Dart here. What it calls,
// TensorFlow Lite's C API without signatures, was run on 2.17.1 with the same file: "TensorFlow Lite
// C 2.17.1 without signatures".
//
// It reaches the first subgraph alone: the greedy search of the longest source length. So a short
// text takes as long to read as the longest does (docs/mobile.md has the figure), and there is no
// beam. Give no XNNPackDelegate on old builds of TensorFlow Lite with a float16 file that
// `keras-seq2seq` before this version wrote: it computes with wrong numbers there.
//
// SentencePiece: dart_sentencepiece_tokenizer 1.4.0 of pub.dev reads unigram models in Dart; not run
// here. Compare its ids first, as README.md tells, or call the C++ library of ../ios and ../android
// by dart:ffi.

import 'dart:io';
import 'dart:typed_data';

import 'package:tflite_flutter/tflite_flutter.dart';

const int pad = 0;
const int eos = 3;

/// A translation: ids without eos, the sum of their log-probabilities, and whether eos ended it.
class Translation {
  const Translation(this.ids, this.score, this.finished);

  final List<int> ids;
  final double score;
  final bool finished;
}

/// The greedy search inside `model_<quantization>.tflite`; one call at a time.
class Translator {
  Translator._(this._interpreter, this._longest, this._targetIds, this._scores, this._finished);

  /// Opens a file.
  ///
  /// Throws [ArgumentError] if its first subgraph is no search of fixed length.
  factory Translator.fromFile(File model, {int threads = 2}) {
    final options = InterpreterOptions()..threads = threads;
    final interpreter = Interpreter.fromFile(model, options: options);
    final inputs = interpreter.getInputTensors();
    if (inputs.length != 1 || inputs.single.type != TensorType.int32) {
      interpreter.close();
      throw ArgumentError('The first subgraph must take source ids alone; export the bundle again.');
    }
    // Without signatures the outputs have no names of ours: types and shapes tell them apart.
    final outputs = interpreter.getOutputTensors();
    int place(TensorType type, int rank) =>
        outputs.indexWhere((one) => one.type == type && one.shape.length == rank);
    return Translator._(interpreter, inputs.single.shape[1], place(TensorType.int32, 2),
        place(TensorType.float32, 1), place(TensorType.int32, 1));
  }

  final Interpreter _interpreter;
  final int _longest;
  final int _targetIds;
  final int _scores;
  final int _finished;

  /// Translates source ids of the bundle's tokenizer, eos (3) at the end.
  ///
  /// Throws [ArgumentError] if they are more than the file takes.
  Translation translate(List<int> ids) {
    if (ids.length > _longest) {
      throw ArgumentError('A source must have at most $_longest ids. Received: ${ids.length}.');
    }
    // Int32List starts with zeros, and zero is pad.
    final source = Int32List(_longest)..setAll(0, ids);
    _interpreter.getInputTensor(0).data = source.buffer.asUint8List();
    _interpreter.invoke();
    final target = _bytes(_targetIds).asInt32List();
    final end = target.indexWhere((id) => id == eos || id == pad);
    return Translation(end < 0 ? target : target.sublist(0, end), _bytes(_scores).asFloat32List()[0],
        _bytes(_finished).asInt32List()[0] == 1);
  }

  // A copy: the next call writes into the same memory.
  ByteBuffer _bytes(int output) =>
      Uint8List.fromList(_interpreter.getOutputTensor(output).data).buffer;

  void close() => _interpreter.close();
}
