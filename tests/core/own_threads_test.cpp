// Threads of the library are known by their names, and no thread of the program is taken for one.
#include <steward/core/own_threads.hpp>

#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include <array>
#include <fstream>
#include <latch>
#include <stdexcept>
#include <string>
#include <thread>

#include <gtest/gtest.h>

namespace steward::detail::core {
namespace {

std::string name_of_this_thread() {
  std::array<char, 16> name{};
  ::pthread_getname_np(::pthread_self(), name.data(), name.size());
  return name.data();
}

// As others see it.
std::string name_of(pid_t thread) {
  std::ifstream file("/proc/self/task/" + std::to_string(thread) + "/comm");
  std::string name;
  std::getline(file, name);
  return name;
}

bool blocks_everything() {
  sigset_t now;
  ::pthread_sigmask(SIG_SETMASK, nullptr, &now);
  return ::sigismember(&now, SIGINT) == 1 && ::sigismember(&now, SIGTERM) == 1;
}

TEST(OwnThreads, HaveTheNameAndNoSignalsFromTheirFirstInstruction) {
  std::string name;
  bool blocked = false;
  start_own_thread("steward-test", [&] {
    name = name_of_this_thread();
    blocked = blocks_everything();
  }).join();
  EXPECT_EQ(name, "steward-test");
  EXPECT_TRUE(blocked);
}

TEST(OwnThreads, HaveTheNameOnceTheyAreStarted) {
  std::latch told(1);
  std::latch seen(1);
  pid_t id = 0;
  std::thread thread = start_own_thread("steward-test", [&] {
    id = ::gettid();
    told.count_down();
    seen.wait();
  });
  told.wait();
  EXPECT_EQ(name_of(id), "steward-test");
  seen.count_down();
  thread.join();
}

// While it starts them, too: a program that forks meanwhile must see it as what it is.
TEST(OwnThreads, LeaveTheThreadThatStartsThemAsItIs) {
  const std::string before = name_of_this_thread();
  const pid_t starter = ::gettid();
  std::string meanwhile;
  run_on_own_thread("steward-test", [&] { meanwhile = name_of(starter); });
  EXPECT_EQ(meanwhile, before);
  EXPECT_EQ(name_of_this_thread(), before);
  EXPECT_FALSE(blocks_everything());
}

TEST(OwnThreads, GiveTheirNameToThoseThatTheyStart) {
  std::string name;
  run_on_own_thread("steward-test", [&] {
    std::thread([&] { name = name_of_this_thread(); }).join();
  });
  EXPECT_EQ(name, "steward-test");
}

TEST(OwnThreads, PassOnWhatIsThrown) {
  EXPECT_THROW(run_on_own_thread("steward-test", [] { throw std::out_of_range("x"); }),
               std::out_of_range);
}

TEST(OwnThreads, HaveNoNameOfOursInTheProgramsCode) {
  std::array<std::string, 3> names;
  run_on_own_thread("steward-test", [&] {
    {
      const ProgramsCode callback;
      names[0] = name_of_this_thread();
      std::thread([&] { names[1] = name_of_this_thread(); }).join();
    }
    names[2] = name_of_this_thread();
  });
  EXPECT_FALSE(names[0].starts_with(kOwnThread));
  EXPECT_FALSE(names[1].starts_with(kOwnThread));
  EXPECT_EQ(names[2], "steward-test");
}

}  // namespace
}  // namespace steward::detail::core
