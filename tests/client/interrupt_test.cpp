// The program's interrupt check ends connecting, and only that of the thread that it means.
#include <gtest/gtest.h>

#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <future>
#include <optional>
#include <string>
#include <thread>

#include <steward/client/interrupt.hpp>
#include <steward/client/reference.hpp>
#include <steward/client/state.hpp>
#include <steward/core/errors.hpp>
#include <steward/tests/client/fake_house.hpp>

namespace steward::detail::test {
namespace {

using namespace std::chrono_literals;

class InterruptTest : public testing::Test {
 protected:
  InterruptTest() {
    struct sigaction action {};
    action.sa_handler = [](int) {};
    ::sigaction(SIGUSR1, &action, &before);
  }
  ~InterruptTest() override {
    set_interrupt_check(nullptr);
    ::sigaction(SIGUSR1, &before, nullptr);
  }
  struct sigaction before {};
};

TEST_F(InterruptTest, EndsAConnectToAManagerThatSaysNothing) {
  FakeHouse house(Control::mute);
  set_interrupt_check([] { return true; });
  std::atomic<pthread_t> thread{};
  auto connecting = std::async(std::launch::async, [&] {
    thread = ::pthread_self();
    EXPECT_THROW(client::connect(house.address(), {.timeout = 60s}), Interrupted);
  });
  while (house.peers() == 0) std::this_thread::yield();
  const auto begin = std::chrono::steady_clock::now();
  while (connecting.wait_for(1ms) != std::future_status::ready) ::pthread_kill(thread, SIGUSR1);
  EXPECT_LT(std::chrono::steady_clock::now() - begin, 30s);
}

std::atomic<std::thread::id> sharer;
std::atomic<bool> shares = false;

TEST_F(InterruptTest, EndsNoConnectOfAnotherThreadThatSharesIt) {
  client::ClientState& state = client::ClientState::current();
  const std::string address = "ipc:///nowhere/shared.sock";
  // It waits behind the other one as soon as it asks.
  set_interrupt_check([] {
    if (std::this_thread::get_id() == sharer.load()) {
      shares = true;
      shares.notify_all();
    }
    return false;
  });
  std::atomic<bool> dials = false;
  auto first = std::async(std::launch::async, [&] {
    EXPECT_THROW(state.connect(address, std::nullopt,
                               [&]() -> client::ClientState::SessionDriverPtr {
                                 dials = true;
                                 dials.notify_all();
                                 shares.wait(false);
                                 throw Interrupted("interrupted");
                               }),
                 Interrupted);
  });
  dials.wait(false);
  auto second = std::async(std::launch::async, [&] {
    sharer = std::this_thread::get_id();
    EXPECT_THROW(state.connect(address, std::nullopt,
                               []() -> client::ClientState::SessionDriverPtr {
                                 throw Disconnected("begun anew");
                               }),
                 Disconnected);
  });
  first.get();
  second.get();
}

std::optional<std::string> call(client::Session& session, std::string_view method,
                                std::chrono::seconds time) {
  client::CallOptions options;
  options.deadline = core::deadline_after(time);
  options.effect = client::Effect::take;
  return session.call(core::ObjectId{3}, method, arguments({}), options);
}

std::atomic<bool> wanted = false;

// The signal has come a moment before this thread sleeps.
TEST_F(InterruptTest, IsSeenWithoutASignalInTheSleep) {
  FakeHouse house;
  const client::SessionPtr session = client::connect(house.address());
  wanted = false;
  set_interrupt_check([] { return wanted.load(); });
  auto waits = std::async(std::launch::async,
                          [&] { EXPECT_THROW(call(*session, "park", 20s), Interrupted); });
  house.manager().wait_until([](const FakeManager& seen) { return seen.runs("park") == 1; });
  wanted = true;
  waits.get();
  session->end(5s);
}

std::atomic<std::thread::id> asked;
std::atomic<bool> answered = false;

// What the program runs there may wait for its other threads.
TEST_F(InterruptTest, IsAskedWhileAnotherThreadLeads) {
  FakeHouse house;
  const client::SessionPtr session = client::connect(house.address());
  asked = std::thread::id();
  answered = false;
  set_interrupt_check([] {
    if (asked.exchange(std::this_thread::get_id()) != std::thread::id()) return false;
    asked.notify_all();
    const auto end = std::chrono::steady_clock::now() + 20s;
    while (!answered && std::chrono::steady_clock::now() < end) std::this_thread::yield();
    return true;
  });
  auto waits = std::async(std::launch::async,
                          [&] { EXPECT_THROW(call(*session, "park", 60s), Interrupted); });
  asked.wait(std::thread::id());
  client::CallOptions options;
  options.effect = client::Effect::read;
  options.deadline = core::deadline_after(10s);
  EXPECT_NO_THROW(
      session->call(core::ObjectId{3}, "echo", arguments({encoded(std::int64_t{1})}), options));
  answered = true;
  waits.get();
  session->end(5s);
}

std::atomic<int> times_asked = 0;

// A destructor cannot tell of it, and at exit() whoever would be asked may be gone.
TEST_F(InterruptTest, IsNotAskedByWhoSaysGoodbye) {
  FakeHouse house;
  house.manager().answer_bye(false);
  const client::SessionPtr session = client::connect(house.address());
  set_interrupt_check([] {
    ++times_asked;
    return true;
  });
  times_asked = 0;
  auto& driver = static_cast<client::SessionDriver&>(*session);
  driver.announce_end();
  driver.await_end_known(core::deadline_after(150ms));
  session->end(150ms);
  EXPECT_EQ(times_asked, 0);
}

// Its child has nothing to wait for in the middle of a call of its parent.
TEST_F(InterruptTest, MayFork) {
  static std::atomic<pid_t> child;
  FakeHouse house;
  const client::SessionPtr session = client::connect(house.address());
  child = -1;
  set_interrupt_check([] {
    if (child == -1) child = ::fork();
    return child != 0;
  });
  const pid_t parent = ::getpid();
  int code = 1;
  try {
    call(*session, "park", 60s);
  } catch (const Interrupted&) {
    code = 2;
  }
  if (::getpid() != parent) ::_exit(code);
  EXPECT_EQ(code, 2);
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(WEXITSTATUS(status), 2);
  session->end(5s);
}

}  // namespace
}  // namespace steward::detail::test
