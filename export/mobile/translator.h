/*
 * Translates texts with the LiteRT files of a bundle: text in, text out. Plain C.
 *
 *     Seq2SeqTranslator translator = seq2seq_open("bundle", NULL);
 *     Seq2SeqTranslation* found = seq2seq_translate(translator, "They are watching.", 18);
 *     if (found != NULL) puts(seq2seq_text(found, 0, NULL)); else puts(seq2seq_error());
 *     seq2seq_delete(found);
 *     seq2seq_close(translator);
 *
 * Threads: every function may be called from any thread. Threads that share a translator wait for
 * each other while the model runs; to run in parallel, open one for each thread.
 *
 * Errors: a function that fails returns 0 or NULL, and `seq2seq_error` of the same thread says why.
 * No C++ exception leaves a function.
 */
#ifndef SEQ2SEQ_TRANSLATOR_H_
#define SEQ2SEQ_TRANSLATOR_H_

#include <stddef.h>
#include <stdint.h>

#if defined(__GNUC__)
#define SEQ2SEQ_API __attribute__((visibility("default")))
#else
#define SEQ2SEQ_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* An open bundle. 0 is none. A number is never used twice in a process, so a closed translator is
 * an error and nothing worse. */
typedef int64_t Seq2SeqTranslator;

/* The translations of one text; owned by the caller, who gives it back to `seq2seq_delete`. */
typedef struct Seq2SeqTranslation Seq2SeqTranslation;

typedef struct Seq2SeqOptions {
  /* Which file: "float32", or another that the bundle holds. NULL is "float32". */
  const char* quantization;
  /* 0: greedy search. 1: the beam search that the bundle was exported with. */
  int32_t beam;
  /* 1: with the kernels of XNNPACK, two to three times as fast. 0: with TensorFlow Lite's own, as
   * "float16" always is: XNNPACK of TensorFlow Lite 2.17 computes nonsense from such a file. */
  int32_t xnnpack;
  /* Threads of one operator, at least 1. More than 1 pays for large models only. */
  int32_t num_threads;
  /* 1: the files that are opened must have the SHA-256 of the manifest. 0: only their sizes are
   * checked, for a bundle that was checked when it was installed: a damaged file may then end the
   * process inside TensorFlow Lite. */
  int32_t check;
} Seq2SeqOptions;

/* Returns float32, greedy, with XNNPACK, one thread, checked. */
SEQ2SEQ_API Seq2SeqOptions seq2seq_default_options(void);

/*
 * Opens a bundle. It needs the manifest, the tokenizers and `litert/model_<quantization>.tflite`;
 * every other file may be left out. The files must stay as they are until the translator is closed.
 *
 * folder: path in UTF-8, ended by NUL.
 * options: NULL for the default options. Read during the call only.
 * Returns 0 if it is no whole bundle of format version 4, or has no such file or search.
 */
SEQ2SEQ_API Seq2SeqTranslator seq2seq_open(const char* folder, const Seq2SeqOptions* options);

/*
 * Translates one text.
 *
 * text: UTF-8, `length` bytes, not ended by NUL; read during the call only. What is not UTF-8 reads
 *     U+FFFD, a NUL byte a space. An empty text has an empty translation.
 * Returns NULL if the translator is closed, the text has more tokens than `seq2seq_longest_source`,
 *     or the model fails. Nothing is ever cut from a source.
 */
SEQ2SEQ_API Seq2SeqTranslation* seq2seq_translate(Seq2SeqTranslator translator, const char* text,
                                                  size_t length);

/* Most tokens of a source, end of sentence included; 0 if the translator is closed. */
SEQ2SEQ_API int32_t seq2seq_longest_source(Seq2SeqTranslator translator);

/* Closes a translator; calls of other threads that are under way end first. Returns 0 if it was
 * closed before. */
SEQ2SEQ_API int32_t seq2seq_close(Seq2SeqTranslator translator);

/* Number of hypotheses, the best first: 1 of a greedy search, at most `num_hypotheses` of a beam
 * search. The functions below take 0 <= index < count and return 0 or NULL for any other. What they
 * point to lives until `seq2seq_delete`. */
SEQ2SEQ_API int32_t seq2seq_count(const Seq2SeqTranslation* translation);

/* The text, valid UTF-8, ended by NUL; it holds no other NUL unless the model wrote one. Its bytes
 * without the end go to `length`, which may be NULL. */
SEQ2SEQ_API const char* seq2seq_text(const Seq2SeqTranslation* translation, int32_t index,
                                     size_t* length);

/* Target ids without bos, eos and padding; how many goes to `count`. */
SEQ2SEQ_API const int32_t* seq2seq_ids(const Seq2SeqTranslation* translation, int32_t index,
                                       size_t* count);

/* Sum of the log-probabilities of the tokens, end of sentence included, in nats. At most 0. */
SEQ2SEQ_API float seq2seq_score(const Seq2SeqTranslation* translation, int32_t index);

/* What a beam search sorts by; of a greedy search, the score. */
SEQ2SEQ_API float seq2seq_ranking(const Seq2SeqTranslation* translation, int32_t index);

/* 1, or 0 if the longest length of the model cut the translation. */
SEQ2SEQ_API int32_t seq2seq_finished(const Seq2SeqTranslation* translation, int32_t index);

/* Gives back a translation; NULL is allowed. */
SEQ2SEQ_API void seq2seq_delete(Seq2SeqTranslation* translation);

/* Why the last call of this thread failed that did: UTF-8, ended by NUL, never NULL. It stays until
 * another call of this thread fails. */
SEQ2SEQ_API const char* seq2seq_error(void);

#ifdef __cplusplus
}
#endif

#endif /* SEQ2SEQ_TRANSLATOR_H_ */
