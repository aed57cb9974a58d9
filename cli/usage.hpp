// What is wrong with how the program was called, and the codes that it exits with.
#pragma once

#include <stdexcept>

namespace steward::cli {

constexpr int kFailed = 1;
constexpr int kWrongArgument = 2;

// The text is one clear line; the program prints it and exits with 2.
class UsageError : public std::runtime_error {
  using std::runtime_error::runtime_error;
};

}  // namespace steward::cli
