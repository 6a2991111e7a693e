#include "translator.h"

#include <sentencepiece_processor.h>

#include <atomic>
#include <exception>
#include <map>
#include <memory>
#include <mutex>
#include <new>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "bundle.h"
#include "searches.h"
#include "text.h"

namespace {

using seq2seq::Hypothesis;

struct Text {
  std::string text;
  Hypothesis hypothesis;
};

const char* quantization_of(const Seq2SeqOptions& options) {
  return options.quantization ? options.quantization : "float32";
}

std::unique_ptr<sentencepiece::SentencePieceProcessor> tokenizer(const std::string& model,
                                                                 int64_t vocabulary_size) {
  auto processor = std::make_unique<sentencepiece::SentencePieceProcessor>();
  if (const auto status = processor->LoadFromSerializedProto(model); !status.ok())
    throw std::runtime_error("A tokenizer of the bundle cannot be read: " + status.ToString());
  if (vocabulary_size != 0 && processor->GetPieceSize() != vocabulary_size)
    throw std::runtime_error("A tokenizer must have the size of the model's vocabulary, " +
                             std::to_string(vocabulary_size) +
                             ". Received: " + std::to_string(processor->GetPieceSize()) +
                             "; export the bundle again.");
  return processor;
}

// The XNNPACK delegate of TensorFlow Lite 2.17 keeps the float16 weights that it has widened for
// one subgraph only: the others read what overwrote them, and translate to nonsense without an
// error.
bool uses_xnnpack(const Seq2SeqOptions& options) {
  return options.xnnpack != 0 && std::string_view(quantization_of(options)) != "float16";
}

class Translator {
 public:
  Translator(const seq2seq::Bundle& bundle, const Seq2SeqOptions& options)
      : source_(tokenizer(bundle.source_tokenizer, bundle.source_vocabulary_size)),
        target_(bundle.target_tokenizer.empty()
                    ? nullptr
                    : tokenizer(bundle.target_tokenizer, bundle.target_vocabulary_size)),
        searches_(bundle.model_path, options.beam ? "translate_beam" : "translate_greedy",
                  bundle.source_lengths, uses_xnnpack(options), options.num_threads) {}

  int32_t longest_source() const { return searches_.longest_source(); }

  std::vector<Text> translate(std::string_view text) {
    std::vector<int> ids;
    if (const auto status = source_->Encode(seq2seq::clean_text(text), &ids); !status.ok())
      throw std::runtime_error("A text cannot be encoded: " + status.ToString());
    ids.push_back(seq2seq::kEos);
    std::vector<Text> found;
    for (Hypothesis& one : searches_.run(ids)) found.push_back({decoded(one.ids), std::move(one)});
    return found;
  }

 private:
  std::string decoded(const std::vector<int32_t>& ids) const {
    const auto& processor = target_ ? *target_ : *source_;
    for (const int32_t id : ids)
      if (id < 0 || id >= processor.GetPieceSize())
        throw std::runtime_error("The model returned the id " + std::to_string(id) +
                                 ", which the vocabulary lacks; export the bundle again.");
    std::string text;
    if (const auto status = processor.Decode(std::vector<int>(ids.begin(), ids.end()), &text);
        !status.ok())
      throw std::runtime_error("A translation cannot be decoded: " + status.ToString());
    return text;
  }

  std::unique_ptr<sentencepiece::SentencePieceProcessor> source_;
  // Null if both sides share one.
  std::unique_ptr<sentencepiece::SentencePieceProcessor> target_;
  seq2seq::Searches searches_;
};

// The open translators by number; a call keeps its translator alive until it ends.
class Registry {
 public:
  Seq2SeqTranslator add(std::shared_ptr<Translator> translator) {
    const std::lock_guard<std::mutex> lock(mutex_);
    open_.emplace(++last_, std::move(translator));
    return last_;
  }

  std::shared_ptr<Translator> get(Seq2SeqTranslator number) {
    const std::lock_guard<std::mutex> lock(mutex_);
    const auto found = open_.find(number);
    if (found == open_.end()) throw std::runtime_error("The translator is closed; open another.");
    return found->second;
  }

  std::shared_ptr<Translator> take(Seq2SeqTranslator number) {
    auto found = get(number);
    const std::lock_guard<std::mutex> lock(mutex_);
    open_.erase(number);
    return found;
  }

 private:
  std::mutex mutex_;
  std::map<Seq2SeqTranslator, std::shared_ptr<Translator>> open_;
  Seq2SeqTranslator last_ = 0;
};

// Never destroyed: threads may translate while the process ends.
Registry& registry() {
  static Registry* const only = new Registry;
  return *only;
}

thread_local std::string last_error;

// Calls a function; what it throws becomes the last error and a value of zero.
template <class Function>
auto guarded(Function function) noexcept -> decltype(function()) {
  try {
    return function();
  } catch (const std::bad_alloc&) {
    last_error = "There is not enough memory.";
  } catch (const std::exception& error) {
    try {
      last_error = error.what();
    } catch (...) {
      last_error.clear();
    }
  } catch (...) {
    last_error = "An unknown error.";
  }
  return {};
}

Seq2SeqOptions checked(const Seq2SeqOptions* options) {
  const Seq2SeqOptions given = options ? *options : seq2seq_default_options();
  if (given.num_threads < 1)
    throw std::runtime_error(
        "`num_threads` must be at least 1. Received: " + std::to_string(given.num_threads) + ".");
  return given;
}

}  // namespace

struct Seq2SeqTranslation {
  std::vector<Text> texts;

  const Text* at(int32_t index) const {
    const auto place = static_cast<size_t>(index);
    return index < 0 || place >= texts.size() ? nullptr : &texts[place];
  }
};

Seq2SeqOptions seq2seq_default_options(void) { return {nullptr, 0, 1, 1, 1}; }

Seq2SeqTranslator seq2seq_open(const char* folder, const Seq2SeqOptions* options) {
  return guarded([&]() -> Seq2SeqTranslator {
    if (folder == nullptr) throw std::runtime_error("`folder` must be a path. Received: NULL.");
    const Seq2SeqOptions given = checked(options);
    const seq2seq::Bundle bundle =
        seq2seq::read_bundle(folder, quantization_of(given), given.check != 0);
    if (given.beam && !bundle.has_beam)
      throw std::runtime_error(
          "The bundle has no beam search; write one with `keras-seq2seq export --beam-size N`.");
    return registry().add(std::make_shared<Translator>(bundle, given));
  });
}

Seq2SeqTranslation* seq2seq_translate(Seq2SeqTranslator translator, const char* text,
                                      size_t length) {
  return guarded([&]() -> Seq2SeqTranslation* {
    const auto open = registry().get(translator);
    if (text == nullptr && length != 0)
      throw std::runtime_error("`text` must be UTF-8. Received: NULL.");
    const std::string_view bytes =
        length == 0 ? std::string_view() : std::string_view(text, length);
    return new Seq2SeqTranslation{open->translate(bytes)};
  });
}

int32_t seq2seq_longest_source(Seq2SeqTranslator translator) {
  return guarded([&]() -> int32_t { return registry().get(translator)->longest_source(); });
}

int32_t seq2seq_close(Seq2SeqTranslator translator) {
  return guarded([&]() -> int32_t { return registry().take(translator) != nullptr; });
}

int32_t seq2seq_count(const Seq2SeqTranslation* translation) {
  return translation ? static_cast<int32_t>(translation->texts.size()) : 0;
}

const char* seq2seq_text(const Seq2SeqTranslation* translation, int32_t index, size_t* length) {
  const Text* const found = translation ? translation->at(index) : nullptr;
  if (length != nullptr) *length = found ? found->text.size() : 0;
  return found ? found->text.c_str() : nullptr;
}

const int32_t* seq2seq_ids(const Seq2SeqTranslation* translation, int32_t index, size_t* count) {
  const Text* const found = translation ? translation->at(index) : nullptr;
  if (count != nullptr) *count = found ? found->hypothesis.ids.size() : 0;
  return found ? found->hypothesis.ids.data() : nullptr;
}

float seq2seq_score(const Seq2SeqTranslation* translation, int32_t index) {
  const Text* const found = translation ? translation->at(index) : nullptr;
  return found ? found->hypothesis.score : 0;
}

float seq2seq_ranking(const Seq2SeqTranslation* translation, int32_t index) {
  const Text* const found = translation ? translation->at(index) : nullptr;
  return found ? found->hypothesis.ranking : 0;
}

int32_t seq2seq_finished(const Seq2SeqTranslation* translation, int32_t index) {
  const Text* const found = translation ? translation->at(index) : nullptr;
  return found ? found->hypothesis.finished : 0;
}

void seq2seq_delete(Seq2SeqTranslation* translation) { delete translation; }

const char* seq2seq_error(void) { return last_error.c_str(); }
