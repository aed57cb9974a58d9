// The standard exceptions on their way between processes: which of them an exception is, and the
// same again on the other side.
#pragma once

#include <exception>
#include <string>

namespace steward::detail::core {

// What another process needs to know of an exception besides its text and its type.
struct Standard {
  // The standard exception that it is, or that its class is derived from: "std::out_of_range". One
  // without any of them has no name.
  std::string name;
  // Of its code(), where that type has one: "generic". Empty if there is no code.
  std::string category;
  int value = 0;
};

Standard standard_of(const std::exception& error);

// Throws a RemoteError that is of the standard type, with its code, or a SystemError if it was one.
// What is not known here, name or category, becomes the next best: a std::runtime_error or
// std::logic_error. So a std::system_error with a category of the program's own arrives without its
// code: only the categories of the standard can be found by their names.
[[noreturn]] void throw_remote(const std::string& text, const std::string& type_name,
                               const Standard& standard);

}  // namespace steward::detail::core
