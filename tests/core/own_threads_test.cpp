// Threads of the library are known by their names, from their first moment.
#include <steward/core/own_threads.hpp>

#include <pthread.h>
#include <signal.h>

#include <array>
#include <string>
#include <thread>

#include <gtest/gtest.h>

namespace steward::core {
namespace {

std::string name_of_this_thread() {
  std::array<char, 16> name{};
  ::pthread_getname_np(::pthread_self(), name.data(), name.size());
  return name.data();
}

bool blocks_everything() {
  sigset_t now;
  ::pthread_sigmask(SIG_SETMASK, nullptr, &now);
  return ::sigismember(&now, SIGINT) == 1 && ::sigismember(&now, SIGTERM) == 1;
}

TEST(OwnThreads, HaveTheNameAndNoSignalsFromTheirFirstInstruction) {
  std::string name;
  bool blocked = false;
  std::thread thread;
  {
    const OwnThreads scope("steward-test");
    thread = std::thread([&] {
      name = name_of_this_thread();
      blocked = blocks_everything();
    });
  }
  thread.join();
  EXPECT_EQ(name, "steward-test");
  EXPECT_TRUE(blocked);
}

TEST(OwnThreads, LeaveTheThreadThatStartsThemAsItWas) {
  const std::string before = name_of_this_thread();
  { const OwnThreads scope("steward-test"); }
  EXPECT_EQ(name_of_this_thread(), before);
  EXPECT_FALSE(blocks_everything());
}

}  // namespace
}  // namespace steward::core
