#include "searches.h"

#include <algorithm>
#include <cmath>
#include <cstdarg>
#include <cstdio>
#include <filesystem>
#include <set>
#include <stdexcept>
#include <string_view>

namespace seq2seq {
namespace {

// Scores below it stand where a beam search found fewer hypotheses than it may return.
constexpr float kNoHypothesis = -5e8f;

void report(void* user_data, const char* format, va_list arguments) {
  char line[512];
  std::vsnprintf(line, sizeof line, format, arguments);
  *static_cast<std::string*>(user_data) = line;
}

// Whether the options have the member `weights_cache` where tflite.h has it.
bool knows_weights_cache() {
#ifdef SEQ2SEQ_TFLITE_HEADERS
  return true;
#else
  return std::string_view(TfLiteVersion()).substr(0, 5) == "2.17.";
#endif
}

// The values of a tensor, or null if it is not of this type and size.
template <class T>
const T* values(const TfLiteTensor* tensor, TfLiteType type, size_t count) {
  if (tensor == nullptr || TfLiteTensorType(tensor) != type) return nullptr;
  if (TfLiteTensorByteSize(tensor) != count * sizeof(T)) return nullptr;
  return static_cast<const T*>(TfLiteTensorData(tensor));
}

}  // namespace

Searches::Searches(const std::string& path, const std::string& function,
                   const std::vector<int32_t>& lengths, bool xnnpack, int32_t num_threads)
    : path_(path), function_(function), lengths_(lengths) {
  model_.reset(TfLiteModelCreateFromFile(path.c_str()));
  if (!model_) fail("it is not a LiteRT file");
  const std::unique_ptr<TfLiteInterpreterOptions, Deleter<TfLiteInterpreterOptionsDelete>> options(
      TfLiteInterpreterOptionsCreate());
  TfLiteInterpreterOptionsSetNumThreads(options.get(), num_threads);
  TfLiteInterpreterOptionsSetErrorReporter(options.get(), report, &reported_);
  if (xnnpack) add_xnnpack(options.get(), num_threads);
  interpreter_.reset(TfLiteInterpreterCreate(model_.get(), options.get()));
  if (!interpreter_) fail("this runtime does not take it");
  if (weights_cache_ && !TfLiteXNNPackDelegateWeightsCacheFinalizeHard(weights_cache_.get()))
    fail("XNNPACK cannot keep its weights");
  std::set<std::string> held;
  for (int32_t i = 0; i < TfLiteInterpreterGetSignatureCount(interpreter_.get()); ++i)
    held.insert(TfLiteInterpreterGetSignatureKey(interpreter_.get(), i));
  for (const int32_t length : lengths_)
    if (const auto name = function_ + "_" + std::to_string(length); held.count(name) == 0)
      fail("it has no signature `" + name + "`");
}

Searches::~Searches() = default;

// XNNPACK packs the weights of every signature anew unless they share a cache: a file of ten
// signatures would take ten times its size in memory.
void Searches::add_xnnpack(TfLiteInterpreterOptions* options, int32_t num_threads) {
  TfLiteXNNPackDelegateOptions xnnpack = TfLiteXNNPackDelegateOptionsDefault();
  xnnpack.num_threads = num_threads;
  if (knows_weights_cache()) {
    // Room for all of them, of which what is not used is given back: growing would move them.
    const size_t bytes = 4 * std::filesystem::file_size(path_) + (1 << 20);
    weights_cache_.reset(TfLiteXNNPackDelegateWeightsCacheCreateWithSize(bytes));
    xnnpack.weights_cache = weights_cache_.get();
  }
  delegate_.reset(TfLiteXNNPackDelegateCreate(&xnnpack));
  if (!delegate_) fail("XNNPACK cannot be had");
  TfLiteInterpreterOptionsAddDelegate(options, delegate_.get());
}

std::vector<Hypothesis> Searches::run(const std::vector<int>& ids) {
  const auto length =
      std::lower_bound(lengths_.begin(), lengths_.end(), ids.size(),
                       [](int32_t one, size_t size) { return static_cast<size_t>(one) < size; });
  if (length == lengths_.end())
    throw std::runtime_error(
        "A text must have at most " + std::to_string(longest_source()) +
        " tokens, end of sentence included. Received: " + std::to_string(ids.size()) +
        "; split it into sentences, or export the bundle with a larger max_source_length.");
  const std::lock_guard<std::mutex> lock(mutex_);
  TfLiteSignatureRunner* const search = runner(*length);
  TfLiteTensor* const input = TfLiteSignatureRunnerGetInputTensor(search, "source_ids");
  auto* const given = static_cast<int32_t*>(TfLiteTensorData(input));
  std::fill(std::copy(ids.begin(), ids.end(), given), given + *length, kPad);
  if (TfLiteSignatureRunnerInvoke(search) != kTfLiteOk) fail("a search failed");
  return hypotheses(search);
}

TfLiteSignatureRunner* Searches::runner(int32_t length) {
  if (const auto found = runners_.find(length); found != runners_.end()) return found->second.get();
  const std::string name = function_ + "_" + std::to_string(length);
  Runner made(TfLiteInterpreterGetSignatureRunner(interpreter_.get(), name.c_str()));
  if (!made) fail("it has no signature `" + name + "`");
  if (TfLiteSignatureRunnerAllocateTensors(made.get()) != kTfLiteOk)
    fail("`" + name + "` gets no memory");
  const auto size = static_cast<size_t>(length);
  if (!values<int32_t>(TfLiteSignatureRunnerGetInputTensor(made.get(), "source_ids"), kTfLiteInt32,
                       size))
    fail("`" + name + "` does not take `source_ids` of that length");
  return runners_.emplace(length, std::move(made)).first->second.get();
}

std::vector<Hypothesis> Searches::hypotheses(const TfLiteSignatureRunner* runner) const {
  const auto output = [&](const char* name) {
    return TfLiteSignatureRunnerGetOutputTensor(runner, name);
  };
  const TfLiteTensor* const target = output("target_ids");
  const int32_t axes = target == nullptr ? 0 : TfLiteTensorNumDims(target);
  if (axes != 2 && axes != 3) fail("`target_ids` is not a list of translations");
  const auto steps = static_cast<size_t>(TfLiteTensorDim(target, axes - 1));
  const auto count = static_cast<size_t>(axes == 3 ? TfLiteTensorDim(target, 1) : 1);
  const auto* const ids = values<int32_t>(target, kTfLiteInt32, count * steps);
  const auto* const scores = values<float>(output("scores"), kTfLiteFloat32, count);
  const auto* const finished = values<int32_t>(output("finished"), kTfLiteInt32, count);
  const auto* const log_probs =
      values<float>(output("token_log_probs"), kTfLiteFloat32, count * steps);
  const auto* const rankings =
      axes == 3 ? values<float>(output("rankings"), kTfLiteFloat32, count) : scores;
  if (!ids || !scores || !finished || !log_probs || !rankings)
    fail("its outputs are not those of docs/bundle.md");
  if (std::any_of(log_probs, log_probs + count * steps, [](float one) { return std::isnan(one); }))
    fail("the model returned NaN; training that diverged leaves NaN in its weights");
  std::vector<Hypothesis> found;
  for (size_t i = 0; i < count; ++i) {
    if (!(scores[i] > kNoHypothesis)) continue;
    const int32_t* const row = ids + i * steps;
    const int32_t* const end = std::find(row, row + steps, kEos);
    Hypothesis one{{}, scores[i], rankings[i], finished[i] != 0};
    std::copy_if(row, end, std::back_inserter(one.ids),
                 [](int32_t id) { return id != kPad && id != kBos; });
    found.push_back(std::move(one));
  }
  return found;
}

void Searches::fail(const std::string& message) const {
  throw std::runtime_error(
      path_ + " cannot be used: " + message + (reported_.empty() ? "" : ": " + reported_) +
      ". Export the bundle again, or take another TensorFlow Lite than " + TfLiteVersion() + ".");
}

}  // namespace seq2seq
