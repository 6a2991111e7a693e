// What kit_soak.py runs, plain and with sanitizers, over the C interface of export/mobile:
//
//     kit_soak translate BUNDLE QUANTIZATION BEAM XNNPACK THREADS COUNT SEED < texts
//     kit_soak damage COPY COUNT SEED
//
// `translate` translates COUNT texts, lines of standard input and random bytes, in THREADS threads
// that share one translator, and prints the resident memory on the way. The same text must have the
// same translation every time. `damage` changes a file of the bundle COPY, opens it, and puts it
// back. Exits 1 if anything is not as it should be.

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <map>
#include <mutex>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "translator.h"

namespace {

namespace fs = std::filesystem;

long resident_kilobytes() {
  std::ifstream file("/proc/self/status");
  for (std::string word; file >> word;)
    if (word == "VmRSS:") {
      file >> word;
      return std::stol(word);
    }
  return 0;
}

std::string random_text(std::mt19937& draw) {
  std::string text(draw() % 24, '\0');
  for (char& c : text) c = static_cast<char>(draw() % 3 ? draw() % 256 : 'a' + draw() % 26);
  return text;
}

// The text and score of all hypotheses, or the error.
std::string translated(Seq2SeqTranslator translator, const std::string& text) {
  Seq2SeqTranslation* const found = seq2seq_translate(translator, text.data(), text.size());
  if (found == nullptr) return std::string("error: ") + seq2seq_error();
  std::string all;
  for (int32_t i = 0; i < seq2seq_count(found); ++i) {
    size_t length = 0, ids = 0;
    const char* const one = seq2seq_text(found, i, &length);
    const int32_t* const first = seq2seq_ids(found, i, &ids);
    all += std::string(one, length) + "\n" + std::to_string(seq2seq_score(found, i)) + "\n";
    for (size_t k = 0; k < ids; ++k) all += std::to_string(first[k]) + " ";
  }
  seq2seq_delete(found);
  return all;
}

int translate(char** values) {
  const Seq2SeqOptions options = {values[1], std::atoi(values[2]), std::atoi(values[3]), 1, 1};
  const int threads = std::atoi(values[4]), count = std::atoi(values[5]);
  std::mt19937 draw(static_cast<unsigned>(std::atoi(values[6])));
  std::vector<std::string> texts = {"", std::string("\0", 1), std::string(5'000, 'a')};
  for (std::string line; std::getline(std::cin, line);) texts.push_back(line);
  for (int i = 0; i < 200; ++i) texts.push_back(random_text(draw));
  const Seq2SeqTranslator translator = seq2seq_open(values[0], &options);
  if (translator == 0) return std::fprintf(stderr, "%s\n", seq2seq_error()), 1;
  std::map<std::string, std::string> known;
  std::mutex mutex;
  std::atomic<int> next = 0, different = 0, failed = 0;
  for (int round = 1; round <= 10; ++round) {
    const int end = static_cast<int>(static_cast<int64_t>(count) * round / 10);
    const auto work = [&] {
      for (int number; (number = next++) < end;) {
        const std::string& text = texts[static_cast<size_t>(number) * 7 % texts.size()];
        const std::string found = translated(translator, text);
        failed += found.rfind("error: ", 0) == 0;
        const std::lock_guard<std::mutex> lock(mutex);
        different += known.emplace(text, found).first->second != found;
      }
    };
    std::vector<std::thread> pool;
    for (int i = 0; i < threads; ++i) pool.emplace_back(work);
    for (std::thread& thread : pool) thread.join();
    next = end;
    std::printf("after %d: %ld kB\n", end, resident_kilobytes());
  }
  seq2seq_close(translator);
  std::printf("%d texts, %d different, %d refused\n", count, different.load(), failed.load());
  for (int i = 0; i < 21; ++i) {
    if (i % 5 == 0) std::printf("opened %d times: %ld kB\n", i + 1, resident_kilobytes());
    const Seq2SeqTranslator again = seq2seq_open(values[0], &options);
    if (again == 0 || translated(again, texts.back()) != known[texts.back()]) ++different;
    seq2seq_close(again);
  }
  return different != 0;
}

std::string content(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

void damage(std::string& bytes, std::mt19937& draw) {
  const size_t place = draw() % bytes.size();
  switch (draw() % 5) {
    case 0:
      bytes.resize(place);
      break;
    case 1:
      bytes.insert(place, random_text(draw) + "x");
      break;
    case 2:
      bytes.erase(place, 1 + draw() % 64);
      break;
    case 3:
      bytes[place] = static_cast<char>(bytes[place] ^ (1 << draw() % 8));
      break;
    default:
      bytes.insert(place, std::string(1 + draw() % 5000, "[{\"0-\\"[draw() % 7]));
  }
}

int damage(char** values) {
  const fs::path copy = values[0];
  const int count = std::atoi(values[1]);
  std::mt19937 draw(static_cast<unsigned>(std::atoi(values[2])));
  std::vector<fs::path> files;
  for (const auto& entry : fs::recursive_directory_iterator(copy))
    if (entry.is_regular_file()) files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  int opened = 0, unnoticed = 0;
  for (int i = 0; i < count; ++i) {
    // Every other time the manifest, the only file that no checksum guards.
    const bool manifest = i % 2 == 0;
    const fs::path path = manifest ? copy / "manifest.json" : files[draw() % files.size()];
    const std::string before = content(path);
    std::string after = before;
    damage(after, draw);
    std::ofstream(path, std::ios::binary | std::ios::trunc) << after;
    const Seq2SeqTranslator translator = seq2seq_open(copy.c_str(), nullptr);
    if (translator != 0) {
      ++opened;
      unnoticed += path.filename() != "manifest.json" && after != before;
      translated(translator, "the dog");
      seq2seq_close(translator);
    } else if (*seq2seq_error() == '\0') {
      ++unnoticed;
    }
    std::ofstream(path, std::ios::binary | std::ios::trunc) << before;
  }
  std::printf("%d damaged, %d opened (in the manifest), %d unnoticed\n", count, opened, unnoticed);
  return unnoticed != 0;
}

}  // namespace

int main(int count, char** values) {
  const std::string what = count > 1 ? values[1] : "";
  if (what == "translate" && count == 9) return translate(values + 2);
  if (what == "damage" && count == 5) return damage(values + 2);
  std::fprintf(stderr, "kit_soak: see the first lines of kit_soak.cpp\n");
  return 2;
}
