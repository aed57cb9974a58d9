#pragma once

// Source files as tidy_test sees them: a little of C++, as much as its rules need.

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace steward::tidy {

struct File {
  File(std::string path, std::string text);

  std::string path;  // from the root of the source tree, with /
  std::string text;
  std::string uncommented;  // comments made blank
  std::string code;         // the insides of literals too
};

struct Include {
  std::string target;
  bool quoted;
  std::size_t line;
};

struct Named {
  std::string name;
  std::size_t line;
};

std::vector<std::string> words(std::string_view text);
std::vector<std::string> lines(const std::string& text);
std::size_t line_of(std::string_view text, std::size_t position);

std::vector<Include> includes(const File& file);

// Calls of these functions, also as ::name and std::name, but not as a member of something.
std::vector<Named> calls(const File& file, std::string_view functions);

// Definitions of objects that live as long as the process or a thread and are not constant: at
// namespace scope, static in a class or in a function. One with (arguments) passes unseen, since it
// looks like a function; a member or parameter never counts.
std::vector<Named> lasting_objects(const File& file);

}  // namespace steward::tidy
