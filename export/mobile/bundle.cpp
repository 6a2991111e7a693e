#include "bundle.h"

#include <algorithm>
#include <cstddef>
#include <filesystem>
#include <fstream>
#include <initializer_list>
#include <nlohmann/json.hpp>
#include <stdexcept>

#include "sha256.h"

namespace seq2seq {
namespace {

namespace fs = std::filesystem;
using json = nlohmann::json;

constexpr int kFormatVersion = 4;
constexpr uintmax_t kLargestManifest = 64u << 20;
// So that a length fits an array on a phone whatever a manifest says.
constexpr int64_t kLongest = 1 << 20;
const char kRemedy[] = "; copy or export the bundle again.";

[[noreturn]] void fail(const std::string& message) { throw std::runtime_error(message); }

// At most 60 bytes of a value, for a message.
std::string shown(const json& value) {
  std::string text = value.dump(-1, ' ', true, json::error_handler_t::replace);
  return text.size() <= 60 ? text : text.substr(0, 57) + "...";
}

std::string names(const json& object) {
  std::string text;
  for (const auto& entry : object.items()) text += (text.empty() ? "" : ", ") + entry.key();
  return text;
}

const json& object_at(const json& object, const char* key) {
  const auto found = object.find(key);
  if (found == object.end() || !found->is_object())
    fail(std::string("`") + key + "` of a manifest must be an object. Received: " +
         (found == object.end() ? "nothing" : shown(*found)) + kRemedy);
  return *found;
}

std::string text_at(const json& object, const std::string& key) {
  const auto found = object.find(key);
  if (found == object.end() || !found->is_string())
    fail("`" + key + "` of a manifest must be a text. Received: " +
         (found == object.end() ? "nothing" : shown(*found)) + kRemedy);
  return found->get<std::string>();
}

int64_t integer_at(const json& object, const std::string& key, int64_t lowest, int64_t highest) {
  const auto found = object.find(key);
  if (found == object.end() || !found->is_number_integer() || *found < lowest || *found > highest)
    fail("`" + key + "` of a manifest must be an integer from " + std::to_string(lowest) + " to " +
         std::to_string(highest) +
         ". Received: " + (found == object.end() ? "nothing" : shown(*found)) + kRemedy);
  return found->get<int64_t>();
}

// A key that this kit does not know may change what the others mean.
void refuse_others(const json& object, const char* where,
                   std::initializer_list<const char*> known) {
  for (const auto& entry : object.items())
    if (const std::string& key = entry.key();
        std::none_of(known.begin(), known.end(), [&](const char* one) { return key == one; }))
      fail(std::string("`") + where + "` has the key `" + key +
           "`, which this kit does not know; take the kit of the version that wrote the bundle.");
}

bool is_inside(const std::string& name) {
  for (size_t start = 0; start <= name.size();) {
    const size_t end = std::min(name.find('/', start), name.size());
    const std::string part = name.substr(start, end - start);
    if (part.empty() || part == "." || part == "..") return false;
    start = end + 1;
  }
  return std::none_of(name.begin(), name.end(), [](char c) {
    return c == '\\' || c == ':' || static_cast<unsigned char>(c) < 0x20;
  });
}

// The files that a manifest lists, within its folder.
class Files {
 public:
  Files(fs::path folder, const json& listed, bool check)
      : folder_(std::move(folder)), listed_(listed), check_(check) {}

  // Returns where a file lies, of the size that is listed.
  fs::path path(const std::string& name) const {
    const auto entry = listed_.find(name);
    if (!is_inside(name) || entry == listed_.end() || !entry->is_object())
      fail("A file must be listed in the manifest and lie in the bundle. Received: " + shown(name) +
           kRemedy);
    std::error_code error;
    const fs::path path = fs::canonical(folder_ / fs::u8path(name), error);
    if (error || !fs::is_regular_file(path, error)) fail(name + " does not exist" + kRemedy);
    const fs::path root = fs::canonical(folder_);
    if (std::mismatch(root.begin(), root.end(), path.begin(), path.end()).first != root.end())
      fail("A file must lie in the bundle. Received: " + name + ", a symbolic link out of it.");
    const int64_t bytes = integer_at(*entry, "bytes", 0, INT64_MAX);
    const uintmax_t found = fs::file_size(path);
    if (found != static_cast<uintmax_t>(bytes))
      fail(name + " must have " + std::to_string(bytes) +
           " bytes. Received: " + std::to_string(found) + kRemedy);
    return path;
  }

  // Returns the content of a small file, from which its checksum is computed too.
  std::string content(const std::string& name) const {
    std::string bytes;
    read(name, [&](const char* data, size_t size) { bytes.append(data, size); });
    return bytes;
  }

  void check(const std::string& name) const {
    if (check_) read(name, [](const char*, size_t) {});
  }

 private:
  template <class Take>
  void read(const std::string& name, Take take) const {
    std::ifstream file(path(name), std::ios::binary);
    Sha256 sha256;
    std::vector<char> buffer(1 << 16);
    while (file.read(buffer.data(), static_cast<std::streamsize>(buffer.size())) ||
           file.gcount() > 0) {
      const auto size = static_cast<size_t>(file.gcount());
      if (check_) sha256.add(buffer.data(), size);
      take(buffer.data(), size);
    }
    if (!file.eof()) fail(name + " cannot be read to its end" + kRemedy);
    if (!check_) return;
    const std::string expected = text_at(*listed_.find(name), "sha256"), found = sha256.digest();
    if (found != expected)
      fail(name + " must have the SHA-256 " + expected + ". Received: " + found + kRemedy);
  }

  fs::path folder_;
  const json& listed_;
  bool check_;
};

json read_manifest(const fs::path& folder) {
  const fs::path path = folder / "manifest.json";
  std::error_code error;
  const uintmax_t bytes = fs::file_size(path, error);
  std::ifstream file(path, std::ios::binary);
  if (error || !file)
    fail("A bundle must hold a manifest.json. Received: " + folder.u8string() +
         "; write one with `keras-seq2seq export`.");
  if (bytes > kLargestManifest)
    fail("A manifest.json must have at most " + std::to_string(kLargestManifest) +
         " bytes. Received: " + std::to_string(bytes) + kRemedy);
  json manifest;
  try {
    manifest = json::parse(file);
  } catch (const json::exception& why) {
    fail(path.u8string() + " is not JSON: " + why.what() + kRemedy);
  }
  if (!manifest.is_object()) fail("A manifest must be an object. Received: " + shown(manifest));
  const auto version = manifest.find("format_version");
  if (version == manifest.end() || *version != kFormatVersion)
    fail("This kit reads bundles of format version " + std::to_string(kFormatVersion) +
         ". Received: " + (version == manifest.end() ? "nothing" : shown(*version)) + " in " +
         path.u8string() + "; export the bundle again with the version of this kit.");
  return manifest;
}

// Returns the LiteRT entry of a manifest whose other parts this kit knows.
const json& litert_entry(const json& manifest) {
  refuse_others(manifest, "manifest",
                {"format_version", "versions", "model", "special_ids", "limits", "beam",
                 "languages", "tokenizer", "shortlist", "states", "source_tensors", "artefacts",
                 "files", "quality", "quantization", "latencies", "parity"});
  const json& special = object_at(manifest, "special_ids");
  integer_at(special, "pad", 0, 0), integer_at(special, "unk", 1, 1);
  integer_at(special, "bos", 2, 2), integer_at(special, "eos", 3, 3);
  const json& artefacts = object_at(manifest, "artefacts");
  if (!artefacts.contains("litert"))
    fail("A bundle for this kit must hold LiteRT files. Received: " + names(artefacts) +
         "; export it with --formats litert.");
  const json& litert = object_at(artefacts, "litert");
  refuse_others(litert, "artefacts.litert",
                {"path", "files", "signatures", "source_lengths", "batch_size"});
  return litert;
}

std::string model_name(const json& litert, const std::string& quantization) {
  const json& written = object_at(litert, "files");
  if (!written.contains(quantization))
    fail("The quantization must be one that the bundle has, of " + names(written) +
         ". Received: " + shown(quantization) + "; export the bundle with --quantization.");
  const json& parts = object_at(written, quantization.c_str());
  refuse_others(parts, "artefacts.litert.files", {"translate", "steps", "batch"});
  return text_at(litert, "path") + "/" + text_at(parts, "translate");
}

std::vector<int32_t> source_lengths(const json& litert) {
  const auto given = litert.find("source_lengths");
  std::vector<int32_t> lengths;
  if (given != litert.end() && given->is_array() && given->size() <= 1024)
    for (const json& length : *given)
      if (length.is_number_integer() && length >= 1 && length <= kLongest)
        lengths.push_back(length.get<int32_t>());
  if (lengths.empty() || lengths.size() != given->size())
    fail("`artefacts.litert.source_lengths` of a manifest must be a list of lengths. Received: " +
         (given == litert.end() ? "nothing" : shown(*given)) + kRemedy);
  std::sort(lengths.begin(), lengths.end());
  return lengths;
}

// A model with custom parts has no configuration, and its vocabularies no sizes.
int64_t vocabulary_size(const json& manifest, const char* key) {
  const auto model = manifest.find("model");
  const bool told = model != manifest.end() && model->is_object() && model->contains(key);
  return told ? integer_at(*model, key, 1, INT32_MAX) : 0;
}

}  // namespace

Bundle read_bundle(const std::string& folder, const std::string& quantization, bool check) {
  const fs::path root = fs::u8path(folder);
  const json manifest = read_manifest(root);
  const json& litert = litert_entry(manifest);
  const Files files(root, object_at(manifest, "files"), check);
  const std::string model = model_name(litert, quantization);
  const json& tokenizer = object_at(manifest, "tokenizer");
  const std::string source = text_at(tokenizer, "source"), target = text_at(tokenizer, "target");

  Bundle bundle;
  bundle.source_lengths = source_lengths(litert);
  bundle.max_length =
      static_cast<int32_t>(integer_at(object_at(manifest, "limits"), "max_length", 1, kLongest));
  bundle.source_vocabulary_size = vocabulary_size(manifest, "source_vocabulary_size");
  bundle.target_vocabulary_size = vocabulary_size(manifest, "target_vocabulary_size");
  bundle.has_beam = manifest.contains("beam") && manifest["beam"].is_object();
  bundle.model_path = files.path(model).u8string();
  files.check(model);
  bundle.source_tokenizer = files.content(source);
  if (target != source) bundle.target_tokenizer = files.content(target);
  return bundle;
}

}  // namespace seq2seq
