// Faults that the simulation must find (tests/simulation): each is one mistake at one place of the
// two state machines. Only its own build of them has any, which asks which one is planted; for all
// others planted() is a constant false.
#pragma once

#include <cstdint>

namespace steward::detail::core {

enum class Fault : std::uint8_t {
  none,
  // In the server's core.
  reply_store_off,
  requeue_at_the_back,
  lock_given_to_a_dead_session,
  waiter_dropped_by_a_resume,
  token_not_raised,
  cancel_ignored,
  // In the client's core.
  ack_not_kept_over_a_resume,
  completion_twice,
  reference_kept_after_an_error,
  slot_not_freed,
  // Around the cores: in the simulation's own loop, which stands for the server's.
  death_before_last_words,
  rest_of_a_message_lost,
};

#ifdef STEWARD_PLANTED_FAULTS
bool planted(Fault fault);  // the simulation's
#else
constexpr bool planted(Fault) { return false; }
#endif

}  // namespace steward::detail::core
