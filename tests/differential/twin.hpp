// Twin: a python3 process that holds Python's own list or dict and does there what it is told.
//
// A resource: one process, which ends with it. Thread safety: none.
#pragma once

#include <cstdio>
#include <string>

#include <sys/types.h>

#include <steward/core/value.hpp>

namespace steward::detail::test {

class Twin {
 public:
  // `kind`: "list" or "dict".
  explicit Twin(const char* kind);
  Twin(const Twin&) = delete;
  Twin& operator=(const Twin&) = delete;
  ~Twin();

  // "ok <result as JSON>", "error missing" or "error bad".
  std::string answer(const std::string& operation, const Value::List& arguments);

 private:
  pid_t pid_ = -1;
  std::FILE* to_ = nullptr;
  std::FILE* from_ = nullptr;
};

}  // namespace steward::detail::test
