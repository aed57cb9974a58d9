// Memory: how much a call asks for, since whoever makes millions of them pays for each, and what
// becomes of a call for which it ends.
#include <steward/tests/client/session_test.hpp>

#include <cstddef>
#include <string>
#include <thread>

#include <steward/tests/client/fake_house.hpp>
#include <steward/tests/shm/failing_new.hpp>

namespace steward::detail::test {
namespace {

using client::Effect;

TEST(Allocations, OfASmallCallAreOneAtMost) {
  FakeHouse house;
  const client::SessionPtr session = client::connect(house.address());
  const std::string args = arguments({encoded(std::int64_t{7})});
  client::CallOptions options;
  options.effect = Effect::read;
  const auto call = [&] { session->call(core::ObjectId{3}, "echo", args, options); };
  for (int i = 0; i < 100; ++i) call();
  constexpr std::size_t kCalls = 1000;
  {
    const FailingNew more(kCalls + 1);
    for (std::size_t i = 0; i < kCalls; ++i) call();
    EXPECT_FALSE(more.has_failed());
  }
  client::end_all_sessions(std::chrono::seconds(5));
}

using AllocationsTest = SessionTest;

// Nobody answers the link's frames on this thread: they come from that of the manager.
TEST_F(AllocationsTest, ThatFailFailTheCallAndNothingElse) {
  FakeHouse house;
  session = client::connect(house.address());
  const std::string one = arguments({encoded(std::int64_t{1})});
  std::int64_t done = 0;
  at_each_allocation([&](std::size_t n) {
    bool failed = false;
    try {
      const FailingNew failing(n);
      session->call(kList, "add", one, {});
      session->post(kList, "add", one);
      failed = failing.has_failed();
    } catch (const Error&) {
      failed = true;
    }
    const std::string none = arguments({encoded(std::int64_t{0})});
    const std::int64_t now = integer_of(session->call(kList, "add", none, {}).value());
    EXPECT_GE(now, done);
    EXPECT_LE(now, done + 2);
    done = now;
    return failed;
  });
  EXPECT_EQ(house.manager().sessions(), 1U);
}

// What a call's arguments have claimed ends with the call, also one that never began.
TEST_F(AllocationsTest, ThatFailLetGoOfWhatWasClaimedForTheCall) {
  FakeHouse house;
  session = client::connect(house.address());
  const core::Reference bare(list_token(session->incarnation(), 7));
  const std::string args = arguments({encoded(std::string(20'000, 'x'))});
  at_each_allocation([&](std::size_t n) {
    session->outgoing(bare, {});
    bool failed = false;
    try {
      const FailingNew failing(n);
      session->call(kList, "echo", args, {});
      failed = failing.has_failed();
    } catch (const Error&) {
      failed = true;
    }
    // What is let go of without memory to say so stays with the manager. But nothing waits for this
    // thread's next call.
    const std::string one = arguments({encoded(1)});
    std::thread([&] { session->call(kList, "echo", one, {}); }).join();
    const auto after = house.manager().grants();
    session->call(kList, "echo", one, {});
    session->call(kList, "echo", one, {});
    EXPECT_EQ(house.manager().grants(), after) << n;
    return failed;
  });
}

}  // namespace
}  // namespace steward::detail::test
