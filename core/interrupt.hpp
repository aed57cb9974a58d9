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

// What the calling thread shall ask. Null: there is nothing to be asked, or this is a thread of the
// library's own, of which the host language knows nothing.
InterruptCheck interrupt_check() noexcept;
void set_interrupt_check(InterruptCheck check) noexcept;

[[noreturn]] void throw_interrupted(std::string_view wait);

// For the beginning of a wait, and for its end without what it waited for.
inline void heed_stop(const std::stop_token& stop, std::string_view wait) {
  if (stop.stop_requested()) throw_interrupted(wait);
}

// Asks the check, if there is one. Without locks: it is the program's code.
void heed_interrupt_check(std::string_view wait);

// When a sleep that no signal ends (on a condition variable, say) has to ask the check: at the
// deadline, or before if there is one to be asked.
Deadline next_look(Deadline deadline);

}  // namespace steward::detail::core
