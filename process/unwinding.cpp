#include <steward/process/unwinding.hpp>

#include <exception>

#include <fmt/format.h>

#include <steward/core/clock.hpp>
#include <steward/process/streams.hpp>

namespace steward::detail::process {
namespace {

// The unwinding of an exception has no name. Destructors follow one another at once, so that one of
// this thread that comes this soon after another belongs to it, if no process was started between.
constexpr std::chrono::milliseconds kSameUnwinding{500};

// When the last process was given up here; the beginning of time: never.
thread_local core::Time given_up_at{};

UnwindingPatience patience_left() {
  const bool used_up = std::chrono::steady_clock::now() - given_up_at < kSameUnwinding;
  constexpr std::chrono::milliseconds kNone{0};
  return used_up ? UnwindingPatience{kNone, kNone} : unwinding_patience();
}

}  // namespace

UnwindingPatience& unwinding_patience() {
  static UnwindingPatience patience;
  return patience;
}

void have_patience_again() { given_up_at = {}; }

bool end_in_unwinding(const Child& child, const std::string& name) noexcept {
  const UnwindingPatience patience = patience_left();
  try {
    if (child.wait(core::deadline_after(patience.to_end))) return true;
    write_error(fmt::format(
        "steward: {} is terminated: an exception unwinds past it, and it does not end\n", name));
  } catch (const std::exception&) {
    // A descriptor gone bad: end_or_tell() says so.
  }
  const bool ended = end_or_tell(child, name, patience.to_terminate);
  given_up_at = std::chrono::steady_clock::now();
  return ended;
}

}  // namespace steward::detail::process
