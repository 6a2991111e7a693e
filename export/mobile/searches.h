// The searches inside a LiteRT file: source ids in, hypotheses out.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "tflite.h"

namespace seq2seq {

constexpr int32_t kPad = 0, kBos = 2, kEos = 3;

struct Hypothesis {
  // Target ids without bos, eos and padding.
  std::vector<int32_t> ids;
  // Sum of the log-probabilities, in nats.
  float score;
  // What a beam search sorts by; of a greedy search, the score.
  float ranking;
  // False if the longest length cut it.
  bool finished;
};

// Runs one search, which the file has as a signature for each of a few source lengths: of these the
// shortest is taken that holds a source. A length costs memory and time only when it is used.
//
// Threads may share it, but wait for each other. Every function throws std::runtime_error.
class Searches {
 public:
  // function: "translate_greedy" or "translate_beam".
  // lengths: shortest first, not empty.
  Searches(const std::string& path, const std::string& function,
           const std::vector<int32_t>& lengths, bool xnnpack, int32_t num_threads);
  ~Searches();
  Searches(const Searches&) = delete;
  Searches& operator=(const Searches&) = delete;

  int32_t longest_source() const { return lengths_.back(); }

  // Returns the hypotheses, the best first.
  // ids: ended by eos, at most `longest_source`.
  std::vector<Hypothesis> run(const std::vector<int>& ids);

 private:
  template <auto kDelete>
  struct Deleter {
    template <class T>
    void operator()(T* given) const {
      kDelete(given);
    }
  };
  using Runner = std::unique_ptr<TfLiteSignatureRunner, Deleter<TfLiteSignatureRunnerDelete>>;

  void add_xnnpack(TfLiteInterpreterOptions* options, int32_t num_threads);
  TfLiteSignatureRunner* runner(int32_t length);
  std::vector<Hypothesis> hypotheses(const TfLiteSignatureRunner* runner) const;
  [[noreturn]] void fail(const std::string& message) const;

  const std::string path_;
  const std::string function_;
  const std::vector<int32_t> lengths_;
  // What TensorFlow Lite said last.
  std::string reported_;
  std::mutex mutex_;
  // In this order, as each needs those before it until its end.
  std::unique_ptr<TfLiteModel, Deleter<TfLiteModelDelete>> model_;
  std::unique_ptr<TfLiteXNNPackDelegateWeightsCache,
                  Deleter<TfLiteXNNPackDelegateWeightsCacheDelete>>
      weights_cache_;
  std::unique_ptr<TfLiteDelegate, Deleter<TfLiteXNNPackDelegateDelete>> delegate_;
  std::unique_ptr<TfLiteInterpreter, Deleter<TfLiteInterpreterDelete>> interpreter_;
  std::map<int32_t, Runner> runners_;
};

}  // namespace seq2seq
