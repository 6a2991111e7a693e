// Translates ids with a LiteRT file of a bundle, by the classic Interpreter of Java (Android).
//
// Compiled here with javac 17 against the sources of org.tensorflow.lite in google-ai-edge/LiteRT of
// August 2026 (README.md tells how). Not run here: its native library is in no registry
// that could be reached. The same calls of the same file were run in Python and C.
//
//     implementation("com.google.ai.edge.litert:litert:1.4.2")  // or 2.1 and later
//
// SentencePiece: its C++ library, built by the NDK as ../CMakeLists.txt does, or that of ../android.
// DJL's Java package has no library for Android (deepjavalibrary/djl#1187), and SentencePiece4J 1.0.1
// turns texts to lower case and leaves the model's own normalisation out: other ids, other words.
package org.kerasseq2seq.recipes;

import java.io.File;
import java.util.Arrays;
import java.util.HashMap;
import java.util.Map;
import java.util.TreeMap;
import org.tensorflow.lite.Interpreter;

/** Greedy or beam search inside `model_<quantization>.tflite`; one call at a time. */
public final class SignatureTranslator implements AutoCloseable {
  private static final int PAD = 0;
  private static final int EOS = 3;

  /** A translation: ids without eos, the sum of their log-probabilities, and whether eos ended it. */
  public record Translation(int[] ids, float score, boolean finished) {}

  private final Interpreter interpreter;
  // The signatures of the search, by the source length that they take.
  private final TreeMap<Integer, String> signatures = new TreeMap<>();

  /**
   * @param model The file, copied out of the assets.
   * @param search "greedy", or "beam" if the bundle has one.
   * @throws IllegalArgumentException If the file has no such search of fixed length.
   */
  public SignatureTranslator(File model, String search, int threads) {
    interpreter = new Interpreter(model, new Interpreter.Options().setNumThreads(threads));
    String prefix = "translate_" + search + "_";
    for (String key : interpreter.getSignatureKeys()) {
      if (key.startsWith(prefix)) {
        signatures.put(Integer.parseInt(key.substring(prefix.length())), key);
      }
    }
    if (signatures.isEmpty()) {
      interpreter.close();
      throw new IllegalArgumentException(
          model + " must have signatures " + prefix + "N; export the bundle again.");
    }
  }

  /**
   * @param ids Source ids of the bundle's tokenizer, eos (3) at the end.
   * @throws IllegalArgumentException If they are more than the file takes.
   */
  public synchronized Translation translate(int[] ids) {
    Map.Entry<Integer, String> fitting = signatures.ceilingEntry(ids.length);
    if (fitting == null) {
      throw new IllegalArgumentException(
          "A source must have at most " + signatures.lastKey() + " ids. Received: " + ids.length);
    }
    String key = fitting.getValue();
    // copyOf pads with zeros, and zero is pad.
    int[][] source = {Arrays.copyOf(ids, fitting.getKey())};
    int[] shape = interpreter.getOutputTensorFromSignature("target_ids", key).shape();
    boolean isBeam = shape.length == 3;
    Object target = isBeam ? new int[1][shape[1]][shape[2]] : new int[1][shape[1]];
    Object scores = isBeam ? new float[1][shape[1]] : new float[1];
    Object finished = isBeam ? new int[1][shape[1]] : new int[1];
    Map<String, Object> outputs = new HashMap<>();
    outputs.put("target_ids", target);
    outputs.put("scores", scores);
    outputs.put("finished", finished);
    interpreter.runSignature(Map.of("source_ids", source), outputs, key);
    // Of a beam, the best hypothesis comes first.
    int[] found = isBeam ? ((int[][][]) target)[0][0] : ((int[][]) target)[0];
    float score = isBeam ? ((float[][]) scores)[0][0] : ((float[]) scores)[0];
    int ended = isBeam ? ((int[][]) finished)[0][0] : ((int[]) finished)[0];
    return new Translation(untilEnd(found), score, ended != 0);
  }

  private static int[] untilEnd(int[] ids) {
    int length = 0;
    while (length < ids.length && ids[length] != EOS && ids[length] != PAD) length++;
    return Arrays.copyOf(ids, length);
  }

  @Override
  public synchronized void close() {
    interpreter.close();
  }
}
