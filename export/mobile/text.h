// The text rules of a bundle: what is not UTF-8 reads U+FFFD, NUL a space.
#pragma once

#include <string>
#include <string_view>

namespace seq2seq {

// Returns valid UTF-8 without NUL. A sequence that breaks off or cannot go on gives one U+FFFD, as
// in Python's bytes.decode(errors="replace") and in browsers.
std::string clean_text(std::string_view bytes);

}  // namespace seq2seq
