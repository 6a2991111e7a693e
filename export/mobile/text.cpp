#include "text.h"

#include <cstddef>
#include <cstdint>

namespace seq2seq {
namespace {

// What a first byte says: how many bytes follow, and the range of the next one (Unicode, table
// 3-7).
struct Start {
  int following;
  uint8_t lowest;
  uint8_t highest;
};

Start start_of(uint8_t byte) {
  if (byte < 0x80) return {0, 0, 0};
  if (byte < 0xC2 || byte > 0xF4) return {-1, 0, 0};
  if (byte < 0xE0) return {1, 0x80, 0xBF};
  if (byte == 0xE0) return {2, 0xA0, 0xBF};
  if (byte == 0xED) return {2, 0x80, 0x9F};
  if (byte < 0xF0) return {2, 0x80, 0xBF};
  if (byte == 0xF0) return {3, 0x90, 0xBF};
  if (byte == 0xF4) return {3, 0x80, 0x8F};
  return {3, 0x80, 0xBF};
}

}  // namespace

std::string clean_text(std::string_view bytes) {
  std::string text;
  text.reserve(bytes.size());
  for (size_t i = 0; i < bytes.size();) {
    const size_t first = i;
    const Start start = start_of(static_cast<uint8_t>(bytes[i++]));
    int following = start.following;
    for (uint8_t lowest = start.lowest, highest = start.highest; following > 0; --following) {
      if (i == bytes.size()) break;
      const auto next = static_cast<uint8_t>(bytes[i]);
      if (next < lowest || next > highest) break;
      ++i, lowest = 0x80, highest = 0xBF;
    }
    if (following != 0) {
      text += "\xEF\xBF\xBD";
    } else if (bytes[first] == '\0') {
      text += ' ';
    } else {
      text += bytes.substr(first, i - first);
    }
  }
  return text;
}

}  // namespace seq2seq
