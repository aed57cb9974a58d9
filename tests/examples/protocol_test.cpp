// docs/protocol.md is enough to write a client: one in Python was written from it alone.
#include <array>
#include <cstdio>
#include <string>

#include <gtest/gtest.h>

#include <steward/steward.hpp>

namespace steward::detail::test {
namespace {

TEST(Protocol, IsEnoughToWriteAClientInAnotherLanguage) {
  const std::string python = STEWARD_PYTHON;
  Manager manager;
  const auto list = manager.list();
  const std::string address = manager.address();
  const std::string prefix = "ipc://";
  const std::string directory =
      address.substr(prefix.size(), address.rfind("/manager.sock") - prefix.size());
  const std::string command = python + " " + STEWARD_SOURCE_DIR +
                              "/tests/examples/protocol_client.py " + directory + " " +
                              list.handle().str() + " 2>&1";

  std::FILE* pipe = ::popen(command.c_str(), "r");
  ASSERT_NE(pipe, nullptr);
  std::string said;
  std::array<char, 4096> piece;
  while (std::fgets(piece.data(), piece.size(), pipe) != nullptr) said += piece.data();
  EXPECT_EQ(::pclose(pipe), 0);
  EXPECT_EQ(said, "ok\n");

  ASSERT_EQ(list.size(), 2U);
  EXPECT_TRUE((list.at(0).as<Dict<>>().empty()));
  EXPECT_EQ(list.at(1), "from Python");
  EXPECT_EQ(manager.number_of_objects(), 2U) << manager.debug_info();
}

}  // namespace
}  // namespace steward::detail::test
