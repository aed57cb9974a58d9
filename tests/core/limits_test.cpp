// Which limits a manager may be given.
#include <steward/core/limits.hpp>

#include <functional>
#include <limits>
#include <string>

#include <gtest/gtest.h>

#include <steward/tests/core/support.hpp>

namespace steward::detail::core {
namespace {

using namespace std::chrono_literals;

std::string objection(const std::function<void(Limits&)>& change) {
  Limits limits;
  change(limits);
  return test::refusal([&] { check_limits(limits); });
}
void accept(const std::function<void(Limits&)>& change) {
  Limits limits;
  change(limits);
  EXPECT_NO_THROW(check_limits(limits));
}

TEST(CheckLimits, TakesTheDefaultsAndWhatIsStrictButUsable) {
  accept([](Limits&) {});
  accept([](Limits& l) {
    l.calls_in_flight = l.sessions = l.handshakes = l.objects = 1;
    l.parked_calls = l.reply_store_bytes = l.unsent_bytes = l.claim_leases = 0;
    l.unsent_time = l.handshake_time = l.claim_lease = 1s;
  });
}

TEST(CheckLimits, RefusesNoneAtAll) {
  EXPECT_EQ(objection([](Limits& l) { l.sessions = 0; }),
            "limits.sessions: a manager must allow at least one session");
  EXPECT_EQ(objection([](Limits& l) { l.calls_in_flight = 0; }),
            "limits.calls_in_flight: a manager must allow at least one call at a time");
  EXPECT_EQ(objection([](Limits& l) { l.handshakes = 0; }),
            "limits.handshakes: a manager must allow at least one pending handshake");
  EXPECT_EQ(objection([](Limits& l) { l.objects = 0; }),
            "limits.objects: a manager must allow at least one object");
}

TEST(CheckLimits, RefusesTimesThatAreNone) {
  EXPECT_EQ(objection([](Limits& l) { l.unsent_time = 0s; }),
            "limits.unsent_time: 0 s is not between a second and a century");
  EXPECT_EQ(objection([](Limits& l) { l.handshake_time = -5s; }),
            "limits.handshake_time: -5 s is not between a second and a century");
  accept([](Limits& l) { l.claim_lease = std::chrono::hours(24 * 365 * 100); });
  EXPECT_EQ(objection([](Limits& l) { l.claim_lease = std::chrono::hours(24 * 365 * 100) + 1s; }),
            "limits.claim_lease: 3153600001 s is not between a second and a century");
  objection([](Limits& l) { l.claim_lease = std::chrono::seconds::max(); });
  accept([](Limits& l) { l.session_lease = 1ms; });
  EXPECT_EQ(objection([](Limits& l) { l.session_lease = 0ms; }),
            "limits.session_lease: 0 ms is not between a millisecond and a century");
}

TEST(CheckLimits, RefusesMessagesThatAreTooSmallOrTooLarge) {
  EXPECT_EQ(objection([](Limits& l) { l.message_bytes = 0; }),
            "limits.message_bytes: 0 bytes are too few for a client to say hello with 1024 calls "
            "in flight (9 bytes each and 1,024)");
  accept([](Limits& l) { l.message_bytes = 1024 + 9 * 1024; });
  objection([](Limits& l) { l.message_bytes = 1024 + 9 * 1024 - 1; });
  accept([](Limits& l) {
    l.calls_in_flight = 10;
    l.message_bytes = 1024 + 90;
  });
  EXPECT_EQ(objection([](Limits& l) {
              l.calls_in_flight = 65'537;
              l.message_bytes = 0xffffffff;
            }),
            "limits.calls_in_flight: 65537 are more than a session can have: 65536");
  accept([](Limits& l) { l.calls_in_flight = 65'536; });
  objection([](Limits& l) { l.calls_in_flight = std::numeric_limits<std::size_t>::max(); });
  accept([](Limits& l) { l.message_bytes = 0xffffffff; });
  EXPECT_EQ(objection([](Limits& l) { l.message_bytes = 0x100000000; }),
            "limits.message_bytes: 4294967296 bytes are more than a frame can have: 4294967295");
}

}  // namespace
}  // namespace steward::detail::core
