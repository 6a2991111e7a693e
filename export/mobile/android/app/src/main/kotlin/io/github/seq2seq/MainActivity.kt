package io.github.seq2seq

import android.app.Activity
import android.content.Context
import android.os.Bundle
import android.widget.Button
import android.widget.EditText
import android.widget.TextView
import java.io.File
import java.io.IOException
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.MainScope
import kotlinx.coroutines.async
import kotlinx.coroutines.cancel
import kotlinx.coroutines.launch

/** One text field, one button, one translation. */
class MainActivity : Activity() {
    private val scope = MainScope()

    override fun onCreate(savedInstanceState: Bundle?) {
        super.onCreate(savedInstanceState)
        setContentView(R.layout.main)
        val source = findViewById<EditText>(R.id.source)
        val target = findViewById<TextView>(R.id.target)
        // An error of opening is shown when somebody asks for a translation.
        val translator =
            scope.async(Dispatchers.IO) { runCatching { TheTranslator.get(applicationContext) } }
        findViewById<Button>(R.id.translate).setOnClickListener {
            scope.launch {
                target.text =
                    try {
                        translator.await().getOrThrow().translate(source.text.toString()).text
                    } catch (error: TranslatorException) {
                        error.message
                    } catch (error: IOException) {
                        error.message
                    }
            }
        }
    }

    override fun onDestroy() {
        scope.cancel()
        super.onDestroy()
    }
}

private const val QUANTIZATION = "dynamic_int8"

// A bundle with a tokenizer for each side has source_tokenizer.model and target_tokenizer.model in
// place of tokenizer.model.
private val FILES = listOf("tokenizer.model", "litert/model_$QUANTIZATION.tflite")

/** The model outlives an activity, which the system makes anew at every turn of the phone. */
private object TheTranslator {
    private var open: Translator? = null

    @Synchronized
    fun get(context: Context): Translator =
        open ?: Translator(copied(context), QUANTIZATION).also { open = it }

    private fun copied(context: Context) =
        bundleFolder(
            File(context.noBackupFilesDir, "translator"),
            { name -> context.assets.open("bundle/$name") },
            FILES,
        )
}
