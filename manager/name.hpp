// Names of managed objects.
#pragma once

#include <string>
#include <utility>

namespace steward {

// What named("x") returns. There is no other way to make one: a string in braces stays an element.
class Name {
 public:
  const std::string& text() const { return text_; }

 private:
  friend Name named(std::string name);
  struct Key {};
  Name(std::string text, Key) : text_(std::move(text)) {}

  std::string text_;
};

// The first argument of a factory that opens the object of this name, or creates it. 1 to 255 bytes.
inline Name named(std::string name) { return {std::move(name), Name::Key()}; }

}  // namespace steward
