package io.github.seq2seq

import java.io.File
import kotlin.system.exitProcess
import kotlinx.coroutines.runBlocking

/**
 * Translates standard input, UTF-8, to one line for each line, on a JVM that is not Android's:
 *
 *     java -Djava.library.path=BUILD -cp ... io.github.seq2seq.TranslateLinesKt BUNDLE QUANTIZATION
 *         [--beam] [--no-xnnpack] [--scores]
 */
fun main(arguments: Array<String>) {
    val scores = "--scores" in arguments
    val out = System.out.buffered()
    try {
        Translator(
                File(arguments[0]),
                arguments[1],
                beam = "--beam" in arguments,
                xnnpack = "--no-xnnpack" !in arguments,
            )
            .use { translator ->
                System.`in`.bufferedReader().forEachLine { line ->
                    val found = runBlocking { translator.translate(line) }
                    val prefix = if (scores) "${found.score}\t${found.finished}\t" else ""
                    out.write("$prefix${found.text}\n".toByteArray())
                }
            }
    } catch (error: TranslatorException) {
        System.err.println("translate: ${error.message}")
        exitProcess(1)
    } finally {
        out.flush()
    }
}
