// Translates standard input, UTF-8, to one line for each line:
//
//     translate BUNDLE [--quantization float32] [--beam] [--no-xnnpack] [--threads 1] [--no-check]
//         [--scores] < source.txt > translations.txt
//
// --scores prints "score TAB finished TAB translation" with 9 digits. A line that fails prints an
// empty line, its error goes to standard error, and the exit status is 1.

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <iostream>
#include <string>

#include "translator.h"

namespace {

struct Arguments {
  const char* bundle = nullptr;
  Seq2SeqOptions options = seq2seq_default_options();
  bool scores = false;
};

// Returns false after it has told what is wrong.
bool parse(int count, char** values, Arguments& arguments) {
  for (int i = 1; i < count; ++i) {
    const std::string value = values[i];
    if (value == "--beam") {
      arguments.options.beam = 1;
    } else if (value == "--no-xnnpack") {
      arguments.options.xnnpack = 0;
    } else if (value == "--no-check") {
      arguments.options.check = 0;
    } else if (value == "--scores") {
      arguments.scores = true;
    } else if (value == "--quantization" && i + 1 < count) {
      arguments.options.quantization = values[++i];
    } else if (value == "--threads" && i + 1 < count) {
      arguments.options.num_threads = std::atoi(values[++i]);
    } else if (value.rfind("--", 0) != 0 && arguments.bundle == nullptr) {
      arguments.bundle = values[i];
    } else {
      std::cerr << "translate: there must be one bundle, and options as --quantization NAME, "
                   "--beam, --no-xnnpack, --threads N, --no-check, --scores. Received: "
                << value << "\n";
      return false;
    }
  }
  if (arguments.bundle == nullptr) std::cerr << "translate: there must be one bundle.\n";
  return arguments.bundle != nullptr;
}

void print(const Seq2SeqTranslation* found, bool scores) {
  size_t length = 0;
  const char* const text = seq2seq_text(found, 0, &length);
  std::string line(text ? text : "", length);
  std::replace(line.begin(), line.end(), '\n', ' ');
  std::replace(line.begin(), line.end(), '\r', ' ');
  if (scores)
    std::printf("%.9g\t%d\t", static_cast<double>(seq2seq_score(found, 0)),
                seq2seq_finished(found, 0));
  std::fwrite(line.data(), 1, line.size(), stdout);
  std::putchar('\n');
}

}  // namespace

int main(int count, char** values) {
  Arguments arguments;
  if (!parse(count, values, arguments)) return 2;
  const Seq2SeqTranslator translator = seq2seq_open(arguments.bundle, &arguments.options);
  if (translator == 0) {
    std::cerr << "translate: " << seq2seq_error() << "\n";
    return 1;
  }
  bool failed = false;
  int number = 0;
  for (std::string line; std::getline(std::cin, line);) {
    if (++number == 1 && line.rfind("\xEF\xBB\xBF", 0) == 0) line.erase(0, 3);
    if (!line.empty() && line.back() == '\r') line.pop_back();
    Seq2SeqTranslation* const found = seq2seq_translate(translator, line.data(), line.size());
    if (found == nullptr) {
      std::cerr << "translate: line " << number << ": " << seq2seq_error() << "\n";
      failed = true;
    }
    print(found, arguments.scores);
    seq2seq_delete(found);
  }
  seq2seq_close(translator);
  if (std::fflush(stdout) != 0) {
    std::perror("translate: standard output");
    return 1;
  }
  return failed;
}
