// What ends a wait before its time: a std::stop_token that was given to it, and the program's
// interrupt check (see client/interrupt.hpp). Both throw Interrupted, whose text begins with the
// name of the wait: "Future.get: interrupted".
//
// Thread safety: everything may be called by any thread.
#pragma once

#include <chrono>
#include <stop_token>
#include <string_view>

#include <steward/core/clock.hpp>

namespace steward::detail::core {

// Whether the calling thread shall wait no longer.
using InterruptCheck = bool (*)();

// What the calling thread shall ask. Null: there is nothing to be asked, or not now
// (Uninterrupted), or this is a thread of the library's own, of which the host language knows
// nothing.
InterruptCheck interrupt_check() noexcept;
void set_interrupt_check(InterruptCheck check) noexcept;

[[noreturn]] void throw_interrupted(std::string_view wait);

// For the beginning of a wait, and for its end without what it waited for.
inline void heed_stop(const std::stop_token& stop, std::string_view wait) {
  if (stop.stop_requested()) throw_interrupted(wait);
}

// Whether a wait of the calling thread may end before its time: by the check, or by a StopScope.
bool may_be_interrupted() noexcept;
// Asks the check, if there is one: whether the wait is over. It is, too, in a child that the check
// has forked: nothing there is the child's to wait for. Without locks: it is the program's code.
bool ask_interrupt_check();
// Looks for the stop of a StopScope, and asks the check.
void heed_interrupt_check(std::string_view wait);

// When a sleep has to ask the check, which no signal ends (on a condition variable, say), or which
// begins a moment after the signal: at the deadline, or before if the wait may be interrupted.
Deadline next_look(Deadline deadline);

// While it lives, waits of this thread ask no check and heed no StopScope: for destructors, and for
// exit(), where the host language may be gone. Use on one thread.
class Uninterrupted {
 public:
  Uninterrupted() noexcept;
  Uninterrupted(const Uninterrupted&) = delete;
  Uninterrupted& operator=(const Uninterrupted&) = delete;
  ~Uninterrupted();
};

// While it lives, a stop ends waits of this thread that have been given none, within a moment: what
// a call has to do before it begins, as connecting. The token must outlive it. Use on one thread.
class StopScope {
 public:
  explicit StopScope(const std::stop_token& stop) noexcept;
  StopScope(const StopScope&) = delete;
  StopScope& operator=(const StopScope&) = delete;
  ~StopScope();

 private:
  const std::stop_token* const outer_;
};

}  // namespace steward::detail::core
