// The exceptions of Steward and the numbers that stand for them on the wire.
//
// Every exception thrown by the library is a std::exception and an Error, but for the
// std::bad_alloc of a future whose result found no memory. Expected outcomes (an
// empty queue, a missing key, a lock that stayed busy) are no errors: they are optionals and bools.
#pragma once

#include <concepts>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

namespace steward {

// What every exception of the library can be caught as. An interface: it has no standard base, so
// that one exception can also be a std::out_of_range, say. Catch by reference.
class Error {
 public:
  virtual const char* what() const noexcept = 0;

 protected:
  Error() = default;
  Error(const Error&) = default;
  Error& operator=(const Error&) = default;
  ~Error() = default;
};

// An exception that was thrown in another process: by a method of a user class, by a task. It is
// also of its own standard type, or of the one that its class is derived from (std::out_of_range,
// ...), with its code() where that has one; else a std::runtime_error.
class RemoteError : public Error {
 public:
  // The exception's C++ type as that process names it: "std::overflow_error", "bank::Overdrawn".
  virtual const std::string& type_name() const noexcept = 0;

 protected:
  RemoteError() = default;
  RemoteError(const RemoteError&) = default;
  RemoteError& operator=(const RemoteError&) = default;
  ~RemoteError() = default;
};

namespace detail::core {

// What the named errors below have in common: a standard exception that is an Error.
template <class Std>
class Thrown : public Std, public Error {
 public:
  using Std::Std;
  const char* what() const noexcept override { return Std::what(); }
};

using Failure = Thrown<std::runtime_error>;

// A missing element, key or name.
using OutOfRange = Thrown<std::out_of_range>;

template <class Std>
class RemoteThrown final : public Std, public RemoteError {
 public:
  RemoteThrown(const std::string& text, std::string type_name)
      : RemoteThrown(base(text), text, std::move(type_name)) {}
  RemoteThrown(Std base, const std::string& text, std::string type_name)
      : Std(std::move(base)), text_(text), type_name_(std::move(type_name)) {}
  const char* what() const noexcept override { return text_.c_str(); }
  const std::string& type_name() const noexcept override { return type_name_; }

 private:
  // std::bad_alloc and its like take no text.
  static Std base(const std::string& text) {
    if constexpr (std::constructible_from<Std, const std::string&>) {
      return Std(text);
    } else {
      return Std();
    }
  }

  std::string text_;
  std::string type_name_;
};

}  // namespace detail::core

// The manager is gone or out of reach; the call had no effect, or only read.
class Disconnected : public detail::core::Failure {
  using detail::core::Failure::Failure;
};
// The manager's session was lost while a changing call was under way: it may have taken effect.
class OutcomeUnknown : public detail::core::Failure {
  using detail::core::Failure::Failure;
};
// The deadline passed. For a changing call other than `get` and `lock` the outcome is unknown.
class TimeoutError : public detail::core::Failure {
  using detail::core::Failure::Failure;
};
// The wait was interrupted: by a std::stop_token, or by the program's interrupt check. What a call
// that changes something has done by then is unknown, as after its deadline.
class Interrupted : public detail::core::Failure {
  using detail::core::Failure::Failure;
};
// The object behind a proxy no longer exists, or the proxy is empty.
class StaleHandle : public detail::core::Failure {
  using detail::core::Failure::Failure;
};
// A limit of core/limits.hpp was reached, or memory, descriptors or threads have run out. Nothing
// was done, with one exception: a result may be longer than a message. What a get_many(), popitem()
// or pop(key, otherwise) through the manager took is then lost; other calls that change something
// are done, their result is lost.
class Overloaded : public detail::core::Failure {
  using detail::core::Failure::Failure;
};
// The call itself is wrong: arguments, method or type. Trying again gives the same.
class BadCall : public detail::core::Failure {
  using detail::core::Failure::Failure;
};
// The other side did not prove that it holds the key.
class AuthenticationError : public detail::core::Failure {
  using detail::core::Failure::Failure;
};
// The queue or connection was closed.
class Closed : public detail::core::Failure {
  using detail::core::Failure::Failure;
};
class BrokenBarrier : public detail::core::Failure {
  using detail::core::Failure::Failure;
};
// `unlock` by a thread that does not hold the lock.
class NotOwner : public detail::core::Failure {
  using detail::core::Failure::Failure;
};
// The lock's last owner died (OwnerDeath::poison); what it guards may be half changed: see reset().
class Poisoned : public detail::core::Failure {
  using detail::core::Failure::Failure;
};
// The process that ran a task ended before the task did.
class WorkerDied : public detail::core::Failure {
  using detail::core::Failure::Failure;
};
// The operating system refused: code() says why, in std::generic_category().
class SystemError : public detail::core::Thrown<std::system_error> {
 public:
  SystemError(int error, const std::string& text)
      : detail::core::Thrown<std::system_error>(error, std::generic_category(), text) {}
};

namespace detail::core {

// Errors as they travel. The numbers are part of the protocol: never reuse one.
enum class ErrorCode : std::uint8_t {
  ok = 0,
  bad_call = 1,
  out_of_range = 2,
  stale_handle = 3,
  timed_out = 4,
  closed = 5,
  not_owner = 6,
  poisoned = 7,
  broken_barrier = 8,
  overloaded = 9,
  disconnected = 10,
  outcome_unknown = 11,
  authentication = 12,
  worker_died = 13,
  remote = 14,  // a user class threw; the reply carries the type's name too
  // Reserved for managers on several machines; no server sends them yet.
  moved = 15,
  retry_later = 16,
  unavailable = 17,
};

// Throws the exception that stands for `code` (not ok) with this text. `type_name` matters for
// ErrorCode::remote only. An unknown code becomes a BadCall that says so.
[[noreturn]] void throw_error(ErrorCode code, const std::string& text,
                              const std::string& type_name = {});

}  // namespace detail::core
}  // namespace steward
