#include <string>

#include <gtest/gtest.h>

#include <steward/core/errors.hpp>
#include <steward/core/ipc_address.hpp>

namespace steward::detail::core {
namespace {

TEST(IpcAddress, IsAPathAndPerhapsABoot) {
  EXPECT_EQ(parse_ipc("ipc:///run/work.sock")->path, "/run/work.sock");
  EXPECT_EQ(parse_ipc("ipc:///run/work.sock")->boot, "");
  EXPECT_EQ(parse_ipc("ipc:///run/work.sock?boot=1-2")->path, "/run/work.sock");
  EXPECT_EQ(parse_ipc("ipc:///run/work.sock?boot=1-2")->boot, "1-2");
  EXPECT_EQ(parse_ipc("ipc:///run/work.sock?boot=1-2")->text(), "ipc:///run/work.sock");
  EXPECT_FALSE(parse_ipc("tcp://host:1"));
}

TEST(IpcAddress, TakesThePathAsItStands) {
  for (const std::string path : {"/a?b/c", "/a?boot=1/c", "/a b#c%20", "/what?", "/\"'"}) {
    EXPECT_EQ(parse_ipc("ipc://" + path)->path, path);
    EXPECT_EQ(parse_ipc("ipc://" + path + "?boot=2")->path, path);
    EXPECT_EQ(parse_ipc("ipc://" + path + "?boot=2")->boot, "2");
  }
}

TEST(IpcAddress, NeedsAnAbsolutePathOfASocket) {
  for (const std::string text : {"ipc://", "ipc://work", "ipc://./work", "ipc:///run/"}) {
    EXPECT_THROW(parse_ipc(text), BadCall) << text;
  }
  EXPECT_THROW(parse_ipc(std::string("ipc:///a\0b", 10)), BadCall);
}

}  // namespace
}  // namespace steward::detail::core
