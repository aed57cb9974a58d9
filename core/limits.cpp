#include <steward/core/limits.hpp>

#include <string>
#include <string_view>

#include <steward/core/errors.hpp>

namespace steward::detail::core {
namespace {

// A client that comes back lists the calls that it waits for, in one frame.
constexpr std::size_t kHelloBytes = 1024;
constexpr std::size_t kSeqBytes = 9;
// What MessagePack can count.
constexpr std::size_t kFrameBytesMost = 0xffffffff;
// Anything longer is as good as for ever, and would overflow the clock.
constexpr std::chrono::hours kLongest{24 * 365 * 100};

[[noreturn]] void refuse(std::string_view name, const std::string& why) {
  throw BadCall("limits." + std::string(name) + ": " + why);
}

void at_least_one(std::string_view name, std::size_t value, std::string_view of_what) {
  if (value == 0) refuse(name, "a manager must allow at least one " + std::string(of_what));
}

void some_time(std::string_view name, std::chrono::seconds value) {
  if (value >= std::chrono::seconds(1) && value <= kLongest) return;
  refuse(name, std::to_string(value.count()) + " s is not between a second and a century");
}

}  // namespace

void check_limits(const Limits& limits) {
  at_least_one("calls_in_flight", limits.calls_in_flight, "call at a time");
  at_least_one("sessions", limits.sessions, "session");
  at_least_one("handshakes", limits.handshakes, "pending handshake");
  at_least_one("objects", limits.objects, "object");
  some_time("unsent_time", limits.unsent_time);
  some_time("handshake_time", limits.handshake_time);
  some_time("claim_lease", limits.claim_lease);
  if (limits.session_lease <= std::chrono::milliseconds(0) || limits.session_lease > kLongest) {
    refuse("session_lease", std::to_string(limits.session_lease.count()) +
                                " ms is not between a millisecond and a century");
  }
  if (limits.message_bytes > kFrameBytesMost) {
    refuse("message_bytes", std::to_string(limits.message_bytes) + " bytes are more than a frame " +
                                "can have: " + std::to_string(kFrameBytesMost));
  }
  const std::size_t calls = limits.calls_in_flight;
  if (calls > kCallsInFlightMost) {
    refuse("calls_in_flight", std::to_string(calls) + " are more than a session can have: " +
                                  std::to_string(kCallsInFlightMost));
  }
  if (limits.message_bytes < kHelloBytes + kSeqBytes * calls) {
    refuse("message_bytes",
           std::to_string(limits.message_bytes) + " bytes are too few for a client to say hello " +
               "with " + std::to_string(calls) + " calls in flight (9 bytes each and 1,024)");
  }
}

}  // namespace steward::detail::core
