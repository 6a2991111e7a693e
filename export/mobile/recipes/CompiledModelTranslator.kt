// Translates ids with a LiteRT file of a bundle, by LiteRT's CompiledModel (Android).
//
// Compiled here against the Kotlin sources of google-ai-edge/LiteRT of August 2026, with
// kotlin-compiler of npm (README.md tells how). Not run here: there is no Android. The
// Python binding of CompiledModel, over the same C++ class, was run with the same file.
//
//     implementation("com.google.ai.edge.litert:litert:2.1.0")
//
// On the CPU alone: what its GPU and NPU accelerators make of the loops of a search was not tried.
// SentencePiece: see SignatureTranslator.java.
package org.kerasseq2seq.recipes

import com.google.ai.edge.litert.Accelerator
import com.google.ai.edge.litert.CompiledModel
import com.google.ai.edge.litert.TensorBuffer

private const val PAD = 0
private const val EOS = 3
private const val MEMORY = ":memory" // no path: LiteRT would take another model's from there
private const val INPUT = "source_ids"
private val OUTPUTS = listOf("target_ids", "scores", "finished", "token_log_probs")

/** A translation: ids without eos, the sum of their log-probabilities, and whether eos ended it. */
data class Translation(val ids: List<Int>, val score: Float, val finished: Boolean)

/**
 * The greedy search inside `model_<quantization>.tflite`; one call at a time.
 *
 * @param path The file, copied out of the assets.
 * @param sourceLengths `artefacts.litert.source_lengths` of the bundle's manifest.json.
 * @param attends Whether the bundle's signatures have the output `attention`.
 */
class CompiledModelTranslator(
  path: String,
  sourceLengths: List<Int>,
  attends: Boolean = true,
  threads: Int = 2,
) : AutoCloseable {
  private val lengths = sourceLengths.sorted()
  private val names = if (attends) OUTPUTS + "attention" else OUTPUTS
  private val model =
    CompiledModel.create(
      path,
      CompiledModel.Options(Accelerator.CPU).apply {
        // Without a place for them, XNNPACK packs the weights once for each loop of each length.
        cpuOptions = CompiledModel.CpuOptions(numThreads = threads, xnnPackWeightCachePath = MEMORY)
      },
    )
  // Buffers are made when a length comes first, and kept.
  private val buffers = mutableMapOf<String, Pair<TensorBuffer, Map<String, TensorBuffer>>>()

  /**
   * @param ids Source ids of the bundle's tokenizer, eos (3) at the end.
   * @throws IllegalArgumentException If they are more than the file takes.
   */
  @Synchronized
  fun translate(ids: IntArray): Translation {
    val length = lengths.firstOrNull { it >= ids.size }
    requireNotNull(length) { "A source must have at most ${lengths.last()} ids. Received: ${ids.size}" }
    val signature = "translate_greedy_$length"
    val (input, outputs) =
      buffers.getOrPut(signature) {
        Pair(
          model.createInputBuffer(INPUT, signature),
          names.associateWith { model.createOutputBuffer(it, signature) },
        )
      }
    // copyOf pads with zeros, and zero is pad.
    input.writeInt(ids.copyOf(length))
    model.run(mapOf(INPUT to input), outputs, signature)
    val found = outputs.getValue("target_ids").readInt().takeWhile { it != EOS && it != PAD }
    val score = outputs.getValue("scores").readFloat().first()
    return Translation(found, score, outputs.getValue("finished").readInt().first() != 0)
  }

  @Synchronized
  override fun close() {
    for ((input, outputs) in buffers.values) {
      input.close()
      outputs.values.forEach { it.close() }
    }
    model.close()
  }
}
