// Leases of remote sessions, by an injected clock.
#include <gtest/gtest.h>

#include <steward/manager/server/liveness.hpp>

namespace steward::detail::test {
namespace {

using namespace std::chrono_literals;

class Leases : public testing::Test {
 protected:
  static core::SessionId session(std::uint8_t number) {
    core::SessionId id;
    id.bytes.fill(number);
    return id;
  }

  const core::Time start = core::Time{} + 1h;
  server::Poller poller;
  server::Liveness liveness{poller, 15s};
};

TEST_F(Leases, AreShortForProcessesThatEndSoon) {
  liveness.lease(session(1), start);
  liveness.lease(session(2), start);
  EXPECT_EQ(liveness.next_deadline(), start + 15s);
  liveness.shorten(session(2));
  EXPECT_EQ(liveness.next_deadline(), start + 2s);
  liveness.renew(session(2), start + 1s);
  liveness.expire(start + 2s);
  EXPECT_FALSE(liveness.has_dead()) << "it is still there";
  liveness.expire(start + 3s);
  EXPECT_EQ(liveness.take_dead(), std::vector<core::SessionId>{session(2)});
  liveness.forget(session(2));
  liveness.expire(start + 15s);
  EXPECT_EQ(liveness.take_dead(), std::vector<core::SessionId>{session(1)});
}

TEST_F(Leases, ThatAreShortAreExcusedToo) {
  liveness.lease(session(1), start);
  liveness.shorten(session(1));
  liveness.excuse(start + 10s);
  liveness.expire(start + 11s);
  EXPECT_FALSE(liveness.has_dead());
  liveness.forget(session(1));
  EXPECT_FALSE(liveness.next_deadline());
}

}  // namespace
}  // namespace steward::detail::test
