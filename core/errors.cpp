#include <steward/core/errors.hpp>

#include <string>

#include <steward/core/standard_errors.hpp>

namespace steward::detail::core {
namespace {

template <class Exception>
[[noreturn]] void raise(const std::string& text) {
  throw Exception(text);
}

}  // namespace

void throw_error(ErrorCode code, const std::string& text, const std::string& type_name) {
  switch (code) {
    case ErrorCode::bad_call: raise<BadCall>(text);
    case ErrorCode::out_of_range: raise<OutOfRange>(text);
    case ErrorCode::stale_handle: raise<StaleHandle>(text);
    case ErrorCode::timed_out: raise<TimeoutError>(text);
    case ErrorCode::closed: raise<Closed>(text);
    case ErrorCode::not_owner: raise<NotOwner>(text);
    case ErrorCode::poisoned: raise<Poisoned>(text);
    case ErrorCode::broken_barrier: raise<BrokenBarrier>(text);
    case ErrorCode::overloaded: raise<Overloaded>(text);
    case ErrorCode::disconnected: raise<Disconnected>(text);
    case ErrorCode::outcome_unknown: raise<OutcomeUnknown>(text);
    case ErrorCode::authentication: raise<AuthenticationError>(text);
    case ErrorCode::worker_died: raise<WorkerDied>(text);
    case ErrorCode::remote: throw_remote(text, type_name, {type_name, {}, 0});
    case ErrorCode::ok:
    case ErrorCode::moved:
    case ErrorCode::retry_later:
    case ErrorCode::unavailable: break;
  }
  throw BadCall("unknown error code " + std::to_string(static_cast<int>(code)) + ": " + text);
}

}  // namespace steward::detail::core
