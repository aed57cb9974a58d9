// Lines of standard input as the words of a call.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace steward::cli {

// The line cut at white space that is outside of texts in quotes, of [ ] and of { }:
// `ages set "a b" {"x": 1}` has four words.
std::vector<std::string> words_of(std::string_view line);

}  // namespace steward::cli
