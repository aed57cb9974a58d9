#include <steward/cli/words.hpp>

namespace steward::cli {

std::vector<std::string> words_of(std::string_view line) {
  std::vector<std::string> words;
  std::string word;
  int depth = 0;
  bool quoted = false;
  bool escaped = false;
  for (const char letter : line) {
    const bool blank = letter == ' ' || letter == '\t' || letter == '\r' || letter == '\n';
    if (blank && !quoted && depth <= 0) {
      if (!word.empty()) words.push_back(std::move(word));
      word.clear();
      continue;
    }
    word += letter;
    if (quoted) {
      if (letter == '"' && !escaped) quoted = false;
      escaped = letter == '\\' && !escaped;
    } else if (letter == '"') {
      quoted = true;
    } else if (letter == '[' || letter == '{') {
      ++depth;
    } else if (letter == ']' || letter == '}') {
      --depth;
    }
  }
  if (!word.empty()) words.push_back(std::move(word));
  return words;
}

}  // namespace steward::cli
