// Completion: where the end of a call is told. However a call is made (and waited for or not), this
// is the only way in which it ends.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <steward/core/errors.hpp>
#include <steward/core/ids.hpp>
#include <steward/core/wire.hpp>

namespace steward::detail::client {

// Which of the sessions that follow one another: a lost one may begin anew. What a manager has
// granted goes with its session, also while nobody has taken note of it yet.
using SessionNumber = std::uint64_t;

// A take whose result waits for its caller's word: kept, or handed back.
struct Unsettled {
  std::uint64_t epoch = 0;  // numbers begin again with each session
  core::Seq seq = 0;
};

struct Outcome {
  enum class End : std::uint8_t {
    replied,          // `code` and `payload` are the manager's
    disconnected,     // the call had no effect, or the manager is gone; `payload` says why
    outcome_unknown,  // the call may have taken effect; `payload` says why
    not_done,         // its deadline passed or it was cancelled; the call had no effect
    given_up,         // its deadline passed or it was cancelled; the call may have taken effect
    no_slot,          // its deadline passed while too many other calls were in flight
    no_place,         // it was not sent: as many calls as may wait in the manager do so for long
  };
  End end = End::replied;
  core::ErrorCode code = core::ErrorCode::ok;
  std::string payload;
  SessionNumber session = 0;  // of the manager's reply
  std::optional<Unsettled> unsettled = {};  // then there is no ack yet

  bool succeeded() const { return end == End::replied && code == core::ErrorCode::ok; }
};

struct PendingCall;

// Thread safety: none. Ownership: the caller's; it stays until done() was called. An owner that
// cannot wait for done() calls Session::cancel() first.
class Completion {
 public:
  Completion() = default;
  Completion(const Completion&) = delete;
  Completion& operator=(const Completion&) = delete;

  // Called once, by any thread, under the session's lock: inside it no function of the session may
  // be called but finish().
  virtual void done(Outcome outcome) noexcept = 0;

 protected:
  ~Completion() = default;

 private:
  friend class Calls;
  PendingCall* call_ = nullptr;  // while it is under way
};

// What errors say of a call that fails here and not in the manager: "list#3.pop: ".
struct CallLabel {
  std::string_view type;
  core::ObjectId object;
  std::string_view method;
  std::string text() const;
};

}  // namespace steward::detail::client
