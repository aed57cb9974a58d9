// Calls of threads that are interrupted by signals all the time: no call fails by that, none is
// done twice, and every wait ends.
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <thread>
#include <vector>

#include <steward/client/reference.hpp>
#include <steward/core/errors.hpp>
#include <steward/manager/server/server.hpp>
#include <steward/tests/client/fake_house.hpp>
#include <steward/tests/client/session_test.hpp>
#include <steward/tests/client/storm.hpp>

namespace steward::detail::test {
namespace {

constexpr core::ObjectId kList{3};

// The threads' calls, of every kind, under a storm.
void call_in_a_storm(const client::SessionPtr& session, int flags) {
  constexpr int kThreads = 4;
  constexpr int kCalls = 1500;
  const SignalStorm storm(flags);
  std::atomic<int> failures = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([&] {
      const SignalStorm::Thread mine;
      try {
        for (int k = 0; k < kCalls; ++k) {
          const std::string one = arguments({encoded(std::int64_t{1})});
          session->call(kList, "add", one, {});
          session->post(kList, "add", one);
          client::CallOptions take;
          take.effect = client::Effect::take;
          take.deadline = core::deadline_after(std::chrono::microseconds(100));
          if (k % 50 == 0) session->call(kList, "park", arguments({}), take);
        }
      } catch (const std::exception& failure) {
        ++failures;
        ADD_FAILURE() << failure.what();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  if (failures != 0) return;
  const std::string none = arguments({encoded(std::int64_t{0})});
  EXPECT_EQ(integer_of(session->call(kList, "add", none, {}).value()), 2 * kThreads * kCalls);
}

class SignalsTest : public testing::TestWithParam<int> {};
INSTANTIATE_TEST_SUITE_P(, SignalsTest, testing::Values(SA_RESTART, 0), [](const auto& param) {
  return param.param == 0 ? "InterruptingHandlers" : "RestartingHandlers";
});

TEST_P(SignalsTest, DisturbNoCallOverSockets) {
  FakeHouse house;
  call_in_a_storm(client::connect(house.address()), GetParam());
  client::end_all_sessions(std::chrono::seconds(5));
}

TEST_P(SignalsTest, DisturbNoCallThroughMemory) {
  FakeManager manager;
  std::shared_ptr<FakeLink> link;
  link = std::make_shared<FakeLink>([&](std::uint64_t connection, const std::string& frame) {
    for (std::string& answer : manager.take(connection, frame)) {
      link->deliver(connection, std::move(answer));
    }
  });
  link->connect();
  const client::SessionPtr session =
      client::connect_over(link->transport(), manager.new_ticket(), {"ipc:///fake/manager.sock"});
  call_in_a_storm(session, GetParam());
  session->end(std::chrono::seconds(5));
}

TEST_P(SignalsTest, DisturbNoConnecting) {
  FakeHouse house;
  const SignalStorm storm(GetParam());
  const SignalStorm::Thread mine;
  for (int i = 0; i < 100; ++i) {
    const client::SessionPtr session = client::connect(house.address());
    session->end(std::chrono::seconds(5));
  }
  EXPECT_EQ(house.manager().byes(), 100U);
}

}  // namespace
}  // namespace steward::detail::test
