// Tests of what holds for processes however they are started.
#pragma once

#include <string>

#include <gtest/gtest.h>

#include <steward/process/start_method.hpp>

namespace steward::test {

// Each test once for every method: its processes are started by that, and so are theirs.
class ByMethod : public testing::TestWithParam<StartMethod> {
 protected:
  ByMethod() { set_start_method(GetParam()); }
};

inline std::string method_name(const testing::TestParamInfo<StartMethod>& method) {
  switch (method.param) {
    case StartMethod::fork_server: return "fork_server";
    case StartMethod::spawn: return "spawn";
    case StartMethod::fork: return "fork";
  }
  return {};
}

inline auto every_method() {
  return testing::Values(StartMethod::fork_server, StartMethod::spawn, StartMethod::fork);
}

// Those where one keeper makes many processes.
inline auto methods_with_a_server() {
  return testing::Values(StartMethod::fork_server, StartMethod::spawn);
}

}  // namespace steward::test
