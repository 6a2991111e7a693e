package io.github.seq2seq

import java.io.File
import java.io.IOException
import kotlin.concurrent.thread
import kotlin.system.exitProcess
import kotlinx.coroutines.async
import kotlinx.coroutines.awaitAll
import kotlinx.coroutines.runBlocking

private var passed = 0
private var asked = 0

private fun check(what: String, holds: () -> Boolean) {
    asked += 1
    if (holds()) passed += 1 else println("FAILED: $what")
}

private fun failure(action: () -> Unit): String? =
    try {
        action()
        null
    } catch (error: TranslatorException) {
        error.message
    }

/** Checks what the classes promise: `CheckKt BUNDLE OTHER_BUNDLE PLACE`, a place to copy to. */
fun main(arguments: Array<String>) {
    val (bundle, other, place) = arguments.map(::File)
    checkTranslator(bundle)
    checkBundleFolder(bundle, other, place)
    println("$passed of $asked checks passed")
    exitProcess(if (passed == asked) 0 else 1)
}

private fun checkTranslator(bundle: File) {
    val translator = Translator(bundle, "dynamic_int8")
    val expected = translator.hypotheses("the red dog").first()
    check("half a surrogate pair is U+FFFD") {
        translator.hypotheses("a \uD800 dog") == translator.hypotheses("a \uFFFD dog")
    }
    check("NUL is a space") {
        translator.hypotheses("the\u0000dog") == translator.hypotheses("the dog")
    }
    check("an empty text has an empty translation") {
        translator.hypotheses("").first().text == ""
    }
    check("coroutines share a translator") {
        runBlocking { List(64) { async { translator.translate("the red dog") } }.awaitAll() }
            .all { it == expected }
    }
    check("an overlong text is refused") {
        failure { translator.hypotheses("dog ".repeat(99)) }.orEmpty().contains("at most")
    }
    check("an unknown file is refused") {
        failure { Translator(bundle, "int4") }.orEmpty().contains("Received: \"int4\"")
    }
    check("closing does not disturb those who translate") {
        val results = List(8) { mutableListOf<String>() }
        val threads = results.map { found ->
            thread {
                val closed = failure {
                    while (true) found += translator.hypotheses("the red dog").first().text
                }
                found += closed.orEmpty()
            }
        }
        Thread.sleep(200)
        translator.close()
        threads.forEach { it.join() }
        results.all { found ->
            found.last().startsWith("The translator is closed") &&
                found.dropLast(1).all { it == expected.text }
        }
    }
    check("a closed translator may be closed again") {
        translator.close()
        failure { translator.longestSource } != null
    }
}

private fun checkBundleFolder(bundle: File, other: File, place: File) {
    val names = bundle.list().orEmpty().filter { it.endsWith("tokenizer.model") }
    val files = names + "litert/model_dynamic_int8.tflite"
    var opened = 0
    val source = BundleSource { name ->
        opened += 1
        File(bundle, name).inputStream()
    }
    val folder = bundleFolder(place, source, files)
    check("a bundle is copied once") {
        val before = opened
        bundleFolder(place, source, files) == folder && opened == before + 1
    }
    check("a copy translates") {
        Translator(folder, "dynamic_int8").use { it.hypotheses("the dog").first().text } ==
            Translator(bundle, "dynamic_int8").use { it.hypotheses("the dog").first().text }
    }
    check("a copy that fails leaves the old bundle") {
        val broken = BundleSource { name ->
            if (name.startsWith("litert")) throw IOException("no $name")
            File(other, name).inputStream()
        }
        try {
            bundleFolder(place, broken, files)
            false
        } catch (error: IOException) {
            bundleFolder(place, source, files) == folder && place.list()?.size == 1
        }
    }
    check("another bundle takes its place") {
        val changed = bundleFolder(place, { File(other, it).inputStream() }, files)
        changed != folder && place.list().orEmpty().toList() == listOf(changed.name)
    }
}
