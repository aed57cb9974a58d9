// What tests of Listeners share: a directory for paths, and the texts of errors.
#pragma once

#include <stdlib.h>

#include <cstdlib>
#include <filesystem>
#include <string>

namespace steward::detail::test {

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

}  // namespace steward::detail::test
