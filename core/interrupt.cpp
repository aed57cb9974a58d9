#include <steward/core/interrupt.hpp>

#include <unistd.h>

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
thread_local unsigned uninterrupted = 0;
thread_local const std::stop_token* stop_of_scope = nullptr;

}  // namespace

InterruptCheck interrupt_check() noexcept {
  const bool asks = !on_own_thread() && uninterrupted == 0;
  return asks ? the_check.load(std::memory_order_relaxed) : nullptr;
}

void set_interrupt_check(InterruptCheck check) noexcept { the_check = check; }

void throw_interrupted(std::string_view wait) {
  throw Interrupted(std::string(wait) + ": interrupted");
}

bool may_be_interrupted() noexcept {
  return interrupt_check() != nullptr || (uninterrupted == 0 && stop_of_scope != nullptr);
}

bool ask_interrupt_check() {
  const InterruptCheck check = interrupt_check();
  if (check == nullptr) return false;
  const pid_t process = ::getpid();
  // Check and scope are for what this thread waits for, not for what the check calls.
  const Uninterrupted inside;
  return check() || ::getpid() != process;
}

void heed_interrupt_check(std::string_view wait) {
  if (uninterrupted == 0 && stop_of_scope != nullptr) heed_stop(*stop_of_scope, wait);
  if (ask_interrupt_check()) throw_interrupted(wait);
}

Deadline next_look(Deadline deadline) {
  if (!may_be_interrupted()) return deadline;
  const Time look = std::chrono::steady_clock::now() + kSlice;
  return deadline ? std::min(*deadline, look) : look;
}

Uninterrupted::Uninterrupted() noexcept { ++uninterrupted; }
Uninterrupted::~Uninterrupted() { --uninterrupted; }

StopScope::StopScope(const std::stop_token& stop) noexcept : outer_(stop_of_scope) {
  if (stop.stop_possible()) stop_of_scope = &stop;
}
StopScope::~StopScope() { stop_of_scope = outer_; }

}  // namespace steward::detail::core
