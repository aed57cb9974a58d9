// What is wrong with how the program was called.
#pragma once

#include <stdexcept>

namespace steward::cli {

// The text is one clear line; the program prints it and exits with 2.
class UsageError : public std::runtime_error {
  using std::runtime_error::runtime_error;
};

}  // namespace steward::cli
