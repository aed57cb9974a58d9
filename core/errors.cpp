#include <steward/core/errors.hpp>

#include <any>
#include <array>
#include <functional>
#include <memory>
#include <new>
#include <optional>
#include <string_view>
#include <typeinfo>
#include <variant>

namespace steward::core {
namespace {

template <class Exception>
[[noreturn]] void raise(const std::string& text) {
  throw Exception(text);
}

template <class Std>
[[noreturn]] void raise_remote(const std::string& text, const std::string& type_name) {
  throw RemoteThrown<Std>(text, type_name);
}

struct RemoteType {
  std::string_view name;
  void (*raise)(const std::string&, const std::string&);
};

// The standard exceptions that a caller gets back as their own type.
constexpr std::array kRemoteTypes{
    RemoteType{"std::logic_error", raise_remote<std::logic_error>},
    RemoteType{"std::invalid_argument", raise_remote<std::invalid_argument>},
    RemoteType{"std::domain_error", raise_remote<std::domain_error>},
    RemoteType{"std::length_error", raise_remote<std::length_error>},
    RemoteType{"std::out_of_range", raise_remote<std::out_of_range>},
    RemoteType{"std::runtime_error", raise_remote<std::runtime_error>},
    RemoteType{"std::range_error", raise_remote<std::range_error>},
    RemoteType{"std::overflow_error", raise_remote<std::overflow_error>},
    RemoteType{"std::underflow_error", raise_remote<std::underflow_error>},
    RemoteType{"std::bad_alloc", raise_remote<std::bad_alloc>},
    RemoteType{"std::bad_array_new_length", raise_remote<std::bad_array_new_length>},
    RemoteType{"std::bad_cast", raise_remote<std::bad_cast>},
    RemoteType{"std::bad_any_cast", raise_remote<std::bad_any_cast>},
    RemoteType{"std::bad_optional_access", raise_remote<std::bad_optional_access>},
    RemoteType{"std::bad_variant_access", raise_remote<std::bad_variant_access>},
    RemoteType{"std::bad_function_call", raise_remote<std::bad_function_call>},
    RemoteType{"std::bad_weak_ptr", raise_remote<std::bad_weak_ptr>},
};

[[noreturn]] void throw_remote(const std::string& text, const std::string& type_name) {
  for (const RemoteType& type : kRemoteTypes) {
    if (type.name == type_name) type.raise(text, type_name);
  }
  throw RemoteThrown<std::runtime_error>(text, type_name);
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
    case ErrorCode::remote: throw_remote(text, type_name);
    case ErrorCode::ok:
    case ErrorCode::moved:
    case ErrorCode::retry_later:
    case ErrorCode::unavailable: break;
  }
  throw BadCall("unknown error code " + std::to_string(static_cast<int>(code)) + ": " + text);
}

}  // namespace steward::core
