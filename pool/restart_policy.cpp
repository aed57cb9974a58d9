#include <steward/pool/restart_policy.hpp>

#include <signal.h>

#include <algorithm>

namespace steward::detail::pool {

// A process that sends one of these to itself is taken for one that others have killed.
EarlyEnd early_end_of(int exit_code) {
  switch (-exit_code) {
    case SIGHUP:
    case SIGINT:
    case SIGQUIT:
    case SIGKILL:
    case SIGTERM: return EarlyEnd::outside;
    default: return EarlyEnd::defect;
  }
}

void RestartPolicy::ended() {
  defects_ = 0;
  kills_ = 0;
  pause_ = limits_.first_pause;
}

core::Time RestartPolicy::ended_idle(core::Time now) {
  somebody_is_ready();
  return after_pause(now);
}

std::optional<core::Time> RestartPolicy::ended_early(EarlyEnd why, core::Time now) {
  if (why == EarlyEnd::defect) {
    if (++defects_ > limits_.defects) return std::nullopt;
    return now;
  }
  if (kills_++ == 0) first_kill_ = now;
  if (kills_ > limits_.kills && now - first_kill_ >= limits_.patience) return std::nullopt;
  return after_pause(now);
}

core::Time RestartPolicy::after_pause(core::Time now) {
  if (now - due_ >= limits_.longest_pause) pause_ = limits_.first_pause;
  due_ = now + pause_;
  pause_ = std::min(2 * pause_, limits_.longest_pause);
  return due_;
}

}  // namespace steward::detail::pool
