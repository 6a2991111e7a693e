package io.github.seq2seq

import java.io.Closeable
import java.io.File
import java.nio.ByteBuffer
import java.nio.CharBuffer
import java.nio.charset.CodingErrorAction
import java.util.concurrent.Executors
import kotlinx.coroutines.asCoroutineDispatcher
import kotlinx.coroutines.withContext

/**
 * One translation.
 *
 * @property text The translation.
 * @property score Sum of the log-probabilities of its tokens, in nats; at most 0.
 * @property finished False if the longest length of the model cut it.
 */
data class Translation(val text: String, val score: Float, val finished: Boolean)

/**
 * Translates texts with a bundle. Nothing here is of Android alone.
 *
 * Any thread may call it. Threads wait for each other; a call that is under way when another thread
 * closes the translator ends as if it had not been closed.
 *
 * @param folder The bundle; its files must stay as they are until `close`.
 * @param quantization Which file: "float32", or another that the bundle holds.
 * @param beam False for greedy search, true for the beam search of the bundle.
 * @param xnnpack Whether to use the kernels of XNNPACK.
 * @param numThreads Threads of one operator, at least 1.
 * @param check Whether to compare the SHA-256 of the files with the manifest.
 * @throws TranslatorException If it is no whole bundle, or has no such file or search.
 */
class Translator(
    folder: File,
    quantization: String = "float32",
    beam: Boolean = false,
    xnnpack: Boolean = true,
    numThreads: Int = 1,
    check: Boolean = true,
) : Closeable {
    // A number that was closed is refused by the library, so no lock is needed here.
    private val handle =
        Native.open(utf8(folder.path), utf8(quantization), beam, xnnpack, numThreads, check)
    private val thread =
        Executors.newSingleThreadExecutor { Thread(it, "translator").apply { isDaemon = true } }
    private val dispatcher = thread.asCoroutineDispatcher()

    /** Most tokens of a source, end of sentence included. */
    val longestSource: Int
        get() = Native.longestSource(handle)

    /**
     * Translates a text on a thread of its own, one text at a time, and never on the caller's. A
     * translation that has begun is not interrupted.
     *
     * @throws TranslatorException As `hypotheses`.
     */
    suspend fun translate(text: String): Translation =
        withContext(dispatcher) { hypotheses(text).first() }

    /**
     * Translates a text and waits for it: not for the thread of a user interface.
     *
     * @param text Half a surrogate pair reads U+FFFD, NUL a space. An empty text has an empty
     *   translation.
     * @return The hypotheses, the best first; one of a greedy search.
     * @throws TranslatorException If the translator is closed, or the text has more tokens than
     *   `longestSource`.
     */
    fun hypotheses(text: String): List<Translation> {
        val found = Native.translate(handle, utf8(text))
        try {
            return List(Native.count(found)) { index ->
                Translation(
                    Native.text(found, index).decodeToString(),
                    Native.score(found, index),
                    Native.finished(found, index),
                )
            }
        } finally {
            Native.delete(found)
        }
    }

    /** Frees the memory of the model. A second call does nothing. */
    override fun close() {
        Native.close(handle)
        thread.shutdown()
    }
}

// String.toByteArray writes "?" for half a surrogate pair; a bundle wants U+FFFD.
private fun utf8(text: String): ByteArray {
    val encoder =
        Charsets.UTF_8.newEncoder()
            .onMalformedInput(CodingErrorAction.REPLACE)
            .replaceWith(byteArrayOf(0xEF.toByte(), 0xBF.toByte(), 0xBD.toByte()))
    val bytes: ByteBuffer = encoder.encode(CharBuffer.wrap(text))
    return ByteArray(bytes.remaining()).also { bytes.get(it) }
}
