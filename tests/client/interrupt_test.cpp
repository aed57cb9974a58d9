// The program's interrupt check ends connecting, and only that of the thread that it means.
#include <gtest/gtest.h>

#include <pthread.h>
#include <signal.h>

#include <atomic>
#include <future>
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
  client::State& state = client::State::current();
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
                               [&]() -> client::State::SessionDriverPtr {
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
                               []() -> client::State::SessionDriverPtr {
                                 throw Disconnected("begun anew");
                               }),
                 Disconnected);
  });
  first.get();
  second.get();
}

}  // namespace
}  // namespace steward::detail::test
