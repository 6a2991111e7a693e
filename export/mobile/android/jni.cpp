// The C interface for a JVM, on Android and elsewhere. Texts cross as UTF-8 in byte arrays:
// NewStringUTF takes another encoding, and ends the process on what is not in it.
#include <jni.h>

#include <climits>
#include <string>

#include "../translator.h"

namespace {

void fail(JNIEnv* env, const char* type, const char* message) {
  if (env->ExceptionCheck()) return;
  const jclass found = env->FindClass(type);
  if (found != nullptr) env->ThrowNew(found, message);
}

// The message is UTF-8, which ThrowNew does not take: what is not ASCII reads "?".
void fail_with_last_error(JNIEnv* env) {
  std::string message = seq2seq_error();
  for (char& c : message)
    if (static_cast<unsigned char>(c) >= 0x80) c = '?';
  fail(env, "io/github/seq2seq/TranslatorException", message.c_str());
}

// Returns false with a pending exception if there is no memory.
bool read(JNIEnv* env, jbyteArray bytes, std::string& text) {
  if (bytes == nullptr) {
    fail(env, "java/lang/NullPointerException", "A text must not be null.");
    return false;
  }
  text.resize(static_cast<size_t>(env->GetArrayLength(bytes)));
  env->GetByteArrayRegion(bytes, 0, static_cast<jsize>(text.size()),
                          reinterpret_cast<jbyte*>(text.data()));
  return !env->ExceptionCheck();
}

// Calls a function; C++ exceptions, which can only be of missing memory here, stay inside.
template <class Function>
auto guarded(JNIEnv* env, Function function) noexcept -> decltype(function()) {
  try {
    return function();
  } catch (...) {
    fail(env, "java/lang/OutOfMemoryError", "There is not enough memory.");
    return {};
  }
}

}  // namespace

extern "C" {

JNIEXPORT jlong JNICALL Java_io_github_seq2seq_Native_open(JNIEnv* env, jclass, jbyteArray folder,
                                                           jbyteArray quantization, jboolean beam,
                                                           jboolean xnnpack, jint num_threads,
                                                           jboolean check) {
  return guarded(env, [&]() -> jlong {
    std::string path, name;
    if (!read(env, folder, path) || !read(env, quantization, name)) return 0;
    const Seq2SeqOptions options = {name.c_str(), beam, xnnpack, num_threads, check};
    const Seq2SeqTranslator translator = seq2seq_open(path.c_str(), &options);
    if (translator == 0) fail_with_last_error(env);
    return translator;
  });
}

// Returns a number, which goes back to `delete`.
JNIEXPORT jlong JNICALL Java_io_github_seq2seq_Native_translate(JNIEnv* env, jclass,
                                                                jlong translator,
                                                                jbyteArray source) {
  return guarded(env, [&]() -> jlong {
    std::string text;
    if (!read(env, source, text)) return 0;
    Seq2SeqTranslation* const found = seq2seq_translate(translator, text.data(), text.size());
    if (found == nullptr) fail_with_last_error(env);
    return reinterpret_cast<jlong>(found);
  });
}

JNIEXPORT jint JNICALL Java_io_github_seq2seq_Native_count(JNIEnv*, jclass, jlong translation) {
  return seq2seq_count(reinterpret_cast<const Seq2SeqTranslation*>(translation));
}

JNIEXPORT jbyteArray JNICALL Java_io_github_seq2seq_Native_text(JNIEnv* env, jclass,
                                                                jlong translation, jint index) {
  size_t length = 0;
  const char* const text =
      seq2seq_text(reinterpret_cast<const Seq2SeqTranslation*>(translation), index, &length);
  if (length > INT_MAX) {
    fail(env, "java/lang/OutOfMemoryError", "A translation is too long for an array.");
    return nullptr;
  }
  const jbyteArray bytes = env->NewByteArray(static_cast<jsize>(length));
  if (bytes != nullptr && length > 0)
    env->SetByteArrayRegion(bytes, 0, static_cast<jsize>(length),
                            reinterpret_cast<const jbyte*>(text));
  return bytes;
}

JNIEXPORT jfloat JNICALL Java_io_github_seq2seq_Native_score(JNIEnv*, jclass, jlong translation,
                                                             jint index) {
  return seq2seq_score(reinterpret_cast<const Seq2SeqTranslation*>(translation), index);
}

JNIEXPORT jboolean JNICALL Java_io_github_seq2seq_Native_finished(JNIEnv*, jclass,
                                                                  jlong translation, jint index) {
  return seq2seq_finished(reinterpret_cast<const Seq2SeqTranslation*>(translation), index) != 0;
}

JNIEXPORT void JNICALL Java_io_github_seq2seq_Native_delete(JNIEnv*, jclass, jlong translation) {
  seq2seq_delete(reinterpret_cast<Seq2SeqTranslation*>(translation));
}

JNIEXPORT jint JNICALL Java_io_github_seq2seq_Native_longestSource(JNIEnv* env, jclass,
                                                                   jlong translator) {
  const int32_t longest = seq2seq_longest_source(translator);
  if (longest == 0) fail_with_last_error(env);
  return longest;
}

JNIEXPORT void JNICALL Java_io_github_seq2seq_Native_close(JNIEnv*, jclass, jlong translator) {
  seq2seq_close(translator);
}

}  // extern "C"
