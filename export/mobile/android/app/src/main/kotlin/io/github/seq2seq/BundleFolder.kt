package io.github.seq2seq

import java.io.File
import java.io.IOException
import java.io.InputStream
import java.security.MessageDigest

/** Where the files of a bundle come from: the assets of an app, a download, a test. */
fun interface BundleSource {
    /** Opens a file by its path in the bundle, with "/"; throws IOException if it is not there. */
    fun open(name: String): InputStream
}

/**
 * Copies a bundle into a folder, where TensorFlow Lite can map its files into memory.
 *
 * The folder is named after the content of the manifest, so that another bundle gets another folder
 * and the copy happens once. It is written under a temporary name and renamed: a folder with its
 * final name is whole. Folders of other bundles in the same place are deleted; a translator that
 * has one of them open goes on, as its files stay until it is closed.
 *
 * Call it from one process and one thread at a time, and not from the thread of a user interface.
 *
 * @param place A folder of its own for the bundles of one translator, such as
 *   `File(context.noBackupFilesDir, "translator")`.
 * @param source Holds `manifest.json` and the files of `names`.
 * @param names Which files to copy beside the manifest: the tokenizers and the LiteRT file.
 * @return The folder for `Translator`.
 * @throws IOException If a file is missing or cannot be written; an older bundle then stays.
 */
@Throws(IOException::class)
fun bundleFolder(place: File, source: BundleSource, names: List<String>): File {
    val manifest = source.open(MANIFEST).use { it.readBytes() }
    val digest = MessageDigest.getInstance("SHA-256")
    digest.update(manifest)
    names.sorted().forEach { digest.update("\n$it".toByteArray()) }
    val name = digest.digest().joinToString("") { "%02x".format(it) }
    val folder = File(place, name)
    if (!folder.isDirectory) {
        val partial = File(place, "$name.partial")
        partial.deleteRecursively()
        for (file in names) copy(source, file, File(partial, file))
        write(File(partial, MANIFEST)) { it.write(manifest) }
        if (!partial.renameTo(folder)) throw IOException("$partial cannot be renamed to $folder.")
    }
    place.listFiles().orEmpty().filter { it != folder }.forEach { it.deleteRecursively() }
    return folder
}

private const val MANIFEST = "manifest.json"

private fun copy(source: BundleSource, name: String, target: File) =
    source.open(name).use { input -> write(target) { input.copyTo(it) } }

private fun write(target: File, content: (java.io.OutputStream) -> Unit) {
    val folder = target.parentFile ?: throw IOException("$target has no folder.")
    if (!folder.isDirectory && !folder.mkdirs()) throw IOException("$folder cannot be made.")
    target.outputStream().use {
        content(it)
        // On the disk before the folder gets its name, so that a power cut leaves no empty file.
        it.fd.sync()
    }
}
