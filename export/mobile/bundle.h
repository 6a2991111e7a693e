// The manifest of a bundle, and its files, each checked before it is used. docs/bundle.md explains
// the keys.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace seq2seq {

// What a manifest says of the LiteRT file of one quantization.
struct Bundle {
  std::string model_path;
  // Contents of the SentencePiece models; `target_tokenizer` is empty if both sides share one.
  std::string source_tokenizer;
  std::string target_tokenizer;
  // In tokens, end of sentence included, shortest first: a search inside the file for each.
  std::vector<int32_t> source_lengths;
  // Longest translation in tokens, end of sentence included.
  int32_t max_length = 0;
  // Sizes of the vocabularies, or 0 where the manifest does not tell.
  int64_t source_vocabulary_size = 0;
  int64_t target_vocabulary_size = 0;
  bool has_beam = false;
};

// Reads a bundle.
//
// folder: path in UTF-8.
// check: whether the files must have the SHA-256 of the manifest, and not only the size.
// Throws std::runtime_error, which names the rule and what was received.
Bundle read_bundle(const std::string& folder, const std::string& quantization, bool check);

}  // namespace seq2seq
