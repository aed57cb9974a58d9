// The threads of ZeroMQ are the library's for whoever counts threads.
#include <filesystem>
#include <fstream>
#include <map>
#include <string>

#include <gtest/gtest.h>

#include <steward/client/transport/options.hpp>
#include <steward/tests/sanitized.hpp>

namespace steward::detail::test {
namespace {

// Of all threads, by their numbers.
std::map<std::string, std::string> names() {
  std::map<std::string, std::string> all;
  for (const auto& task : std::filesystem::directory_iterator("/proc/self/task")) {
    std::ifstream file(task.path() / "comm");
    std::getline(file, all[task.path().filename()]);
  }
  return all;
}

TEST(ZmqThreads, HaveANameOfOursWhenTheyAreStarted) {
  if (kThreadSanitized) GTEST_SKIP() << "a thread of the sanitizer starts at some time";
  const auto before = names();
  zmq::context_t context;
  client::start_threads(context);
  auto now = names();
  for (const auto& [number, name] : before) {
    EXPECT_EQ(now[number], name);
    now.erase(number);
  }
  EXPECT_GE(now.size(), 2U);
  for (const auto& [number, name] : now) {
    // Empty: one that helped to start them, on its way out.
    EXPECT_TRUE(name.empty() || name == "steward-zmq" || name.starts_with("ZMQbg/")) << name;
  }
}

}  // namespace
}  // namespace steward::detail::test
