// Tests of what holds for processes however they are started.
#pragma once

#include <optional>
#include <ostream>
#include <string>

#include <gtest/gtest.h>

#include <steward/process/start_method.hpp>
#include <steward/process/state.hpp>

namespace steward {

namespace detail::test {

// Each test once for every method: its processes are started by that, and so are theirs.
class ByMethod : public testing::TestWithParam<StartMethod> {
 protected:
  ByMethod() { set_start_method(GetParam()); }
  ~ByMethod() override { process::ProcessState::get().set_default_method(std::nullopt); }
};

inline std::string name_of(StartMethod method) {
  switch (method) {
    case StartMethod::fork_server: return "fork_server";
    case StartMethod::spawn: return "spawn";
    case StartMethod::fork: return "fork";
  }
  return {};
}

inline std::string method_name(const testing::TestParamInfo<StartMethod>& method) {
  return name_of(method.param);
}

inline auto every_method() {
  return testing::Values(StartMethod::fork_server, StartMethod::spawn, StartMethod::fork);
}

// Those where one process server makes many processes.
inline auto methods_with_a_server() {
  return testing::Values(StartMethod::fork_server, StartMethod::spawn);
}

}  // namespace detail::test

// For GoogleTest, which would print bytes.
inline void PrintTo(StartMethod method, std::ostream* out) {
  *out << detail::test::name_of(method);
}

}  // namespace steward
