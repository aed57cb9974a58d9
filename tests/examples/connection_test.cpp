// A Connection and Python's multiprocessing.connection understand each other's messages.
#include <array>
#include <cstdio>
#include <cstdlib>
#include <string>

#include <gtest/gtest.h>

#include <steward/steward.hpp>

namespace steward::detail::test {
namespace {

TEST(PythonConnection, SpeaksWithAListener) {
  std::string directory = "/tmp/steward-test-XXXXXX";
  ASSERT_NE(::mkdtemp(directory.data()), nullptr);
  const std::string path = directory + "/socket";
  {
    Listener listener("ipc://" + path);
    const std::string command = std::string(STEWARD_PYTHON) + " " + STEWARD_SOURCE_DIR +
                                "/tests/examples/connection_client.py " + path + " 2>&1";
    std::FILE* python = ::popen(command.c_str(), "r");
    ASSERT_NE(python, nullptr);
    {
      auto connection = listener.accept_for<Value>(std::chrono::seconds(30));
      ASSERT_TRUE(connection);
      EXPECT_EQ(connection->recv(), Value("hello"));
      connection->send(Value(7));
      EXPECT_THROW(connection->recv(), BadCall);
      EXPECT_EQ(connection->recv(), Value::of_bytes(std::string(1'000'000, 'x')));
      connection->send(Value::of_bytes(std::string(300'000, 'y')));
    }
    std::string said;
    std::array<char, 4096> piece;
    while (std::fgets(piece.data(), piece.size(), python) != nullptr) said += piece.data();
    EXPECT_EQ(::pclose(python), 0);
    EXPECT_EQ(said, "ok\n");
  }
  ::rmdir(directory.c_str());
}

}  // namespace
}  // namespace steward::detail::test
