#include <steward/core/interrupt.hpp>

#include <algorithm>
#include <atomic>
#include <string>

#include <steward/core/errors.hpp>
#include <steward/core/own_threads.hpp>

namespace steward::detail::core {
namespace {

// Twenty times a second nobody notices, neither who waits nor the processor.
constexpr std::chrono::milliseconds kSlice{50};

std::atomic<InterruptCheck> the_check = nullptr;

}  // namespace

InterruptCheck interrupt_check() noexcept {
  return on_own_thread() ? nullptr : the_check.load(std::memory_order_relaxed);
}

void set_interrupt_check(InterruptCheck check) noexcept { the_check = check; }

void throw_interrupted(std::string_view wait) {
  throw Interrupted(std::string(wait) + ": interrupted");
}

void heed_interrupt_check(std::string_view wait) {
  const InterruptCheck check = interrupt_check();
  if (check != nullptr && check()) throw_interrupted(wait);
}

Deadline next_look(Deadline deadline) {
  if (interrupt_check() == nullptr) return deadline;
  const Time look = std::chrono::steady_clock::now() + kSlice;
  return deadline ? std::min(*deadline, look) : look;
}

}  // namespace steward::detail::core
