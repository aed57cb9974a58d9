// What was sent arrives, although its sender has closed, or ended, and did not wait for that.
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include <steward/core/auth_key.hpp>
#include <steward/core/errors.hpp>
#include <steward/pipe/listener.hpp>
#include <steward/process/streams.hpp>
#include <steward/tests/client/forked.hpp>

namespace steward {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

// More than a socket holds that nobody reads from, and less than both sides together.
constexpr int kMessages = 200;
const std::string kMessage(1000, 'x');
// Nothing waits for the network: far less than it takes until somebody gives up.
constexpr auto kAtOnce = 500ms;

// Over tcp without a key, and with one.
class Closing : public testing::TestWithParam<bool> {
 protected:
  using Ends = std::pair<Connection<std::string>, Connection<std::string>>;
  Ends connected() {
    auto near = Connection<std::string>::connect(listener.address(), {.key = key});
    return {std::move(near), listener.accept<std::string>()};
  }

  const std::string key = GetParam() ? generate_key() : std::string();
  Listener listener{"tcp://127.0.0.1:0", {.key = key}};
};
INSTANTIATE_TEST_SUITE_P(With, Closing, testing::Bool(),
                         [](const auto& which) { return which.param ? "AKey" : "NoKey"; });

void send_all(Connection<std::string>& end) {
  for (int i = 0; i < kMessages; ++i) end.send_bytes(kMessage);
}
void expect_all(Connection<std::string>& end) {
  for (int i = 0; i < kMessages; ++i) ASSERT_EQ(end.recv_bytes(), kMessage) << i;
  EXPECT_THROW(end.recv_bytes(), Closed);
}

// Until the other side does not take it any more, and never long.
void say_on(Connection<std::string>& end, int times) {
  try {
    for (int i = 0; i < times; ++i) end.send_bytes("still working");
  } catch (const Closed&) {
  }
}

TEST_P(Closing, DoesNotWaitAndLosesNothingOfWhatASlowReaderHasStillToRead) {
  auto [near, far] = connected();
  say_on(near, 10);  // never read
  send_all(far);
  const auto start = Clock::now();
  far.close();
  EXPECT_LT(Clock::now() - start, kAtOnce);
  say_on(near, 200);
  expect_all(near);
}

TEST_P(Closing, APeerThatSendsBeforeItReadsIsNotLeftWaiting) {
  auto [near, far] = connected();
  send_all(far);
  far.close();
  try {
    near.send_bytes(std::string(20'000'000, 'x'));
  } catch (const Closed&) {
    // It may be told as soon as all has arrived.
  }
  expect_all(near);
}

TEST_P(Closing, ManyThatDoNotReadHoldUpNobody) {
  std::vector<Connection<std::string>> silent;
  const auto start = Clock::now();
  for (int i = 0; i < 20; ++i) {
    auto [near, far] = connected();
    send_all(far);
    silent.push_back(std::move(near));
  }
  EXPECT_LT(Clock::now() - start, 20 * kAtOnce);
}

TEST_P(Closing, ALastWordArrivesBeforeTheEndOfItsProcess) {
  detail::test::Forked child([this](int) {
    detail::process::flush_streams();
    {
      auto near = Connection<std::string>::connect(listener.address(), {.key = key});
      near.poll(10s);  // and does not read it
      send_all(near);
    }
    std::exit(0);  // as main() that returns
    return 1;
  });
  auto far = listener.accept<std::string>();
  far.send_bytes("unheard");
  expect_all(far);
  EXPECT_EQ(child.join(), 0);
}

TEST_P(Closing, ACopyOfAForkedProcessGoesOn) {
  auto [near, far] = connected();
  detail::test::Forked child([&near = near, &far = far](int) {
    far.close();
    if (near.recv_bytes() != "go") return 1;
    near.send_bytes("from the copy");
    return near.recv_bytes() == "on" ? 0 : 2;
  });
  near.close();
  far.send_bytes("go");
  EXPECT_EQ(far.recv_bytes(), "from the copy");
  far.send_bytes("on");
  EXPECT_EQ(child.join(), 0);
}

// Which has sent, and not all of it has arrived.
TEST_P(Closing, ACopyOfAForkedProcessGoesOnBehindWhatWasSent) {
  auto [near, far] = connected();
  const std::string go = "go";
  detail::test::Forked child([&near = near, &far = far](int) {
    far.close();
    return near.recv_bytes() == "on" ? 0 : 2;
  });
  send_all(near);
  near.close();
  far.send_bytes("on");
  EXPECT_EQ(child.join(), 0);
  expect_all(far);
}

}  // namespace
}  // namespace steward
