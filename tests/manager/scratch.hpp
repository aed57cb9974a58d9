// What tests of Listeners share: a directory for paths, and the texts of errors.
#pragma once

#include <stdlib.h>

#include <cstdlib>
#include <exception>
#include <filesystem>
#include <functional>
#include <string>

#include <gtest/gtest.h>

namespace steward::test {

// Goes with all that is in it.
class Scratch {
 public:
  Scratch() {
    if (::mkdtemp(path_.data()) == nullptr) std::abort();
  }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  ~Scratch() { std::filesystem::remove_all(path_); }

  std::string file(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_ = "/tmp/steward-test-XXXXXX";
};

// Of the error that the call must throw.
template <class Error>
std::string text_of(const std::function<void()>& call) {
  try {
    call();
  } catch (const Error& error) {
    return error.what();
  } catch (const std::exception& error) {
    ADD_FAILURE() << "another error: " << error.what();
  }
  return {};
}

}  // namespace steward::test
