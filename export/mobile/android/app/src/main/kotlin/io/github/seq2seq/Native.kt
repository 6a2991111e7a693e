package io.github.seq2seq

/**
 * A bundle that is not whole, a text that is too long, a translator that is closed, a model that
 * fails: the message says which, and what to do.
 */
class TranslatorException(message: String) : RuntimeException(message)

/** The functions of jni.cpp. Texts are UTF-8; a translation is a number until `delete`. */
internal object Native {
    init {
        System.loadLibrary("seq2seq_translator_jni")
    }

    @JvmStatic
    external fun open(
        folder: ByteArray,
        quantization: ByteArray,
        beam: Boolean,
        xnnpack: Boolean,
        numThreads: Int,
        check: Boolean,
    ): Long

    @JvmStatic external fun translate(translator: Long, text: ByteArray): Long

    @JvmStatic external fun count(translation: Long): Int

    @JvmStatic external fun text(translation: Long, index: Int): ByteArray

    @JvmStatic external fun score(translation: Long, index: Int): Float

    @JvmStatic external fun finished(translation: Long, index: Int): Boolean

    @JvmStatic external fun delete(translation: Long)

    @JvmStatic external fun longestSource(translator: Long): Int

    @JvmStatic external fun close(translator: Long)
}
