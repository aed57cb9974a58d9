// Session: this process's standing with one manager. Sends calls, awaits replies, keeps what must
// be sent again after a broken connection, and owns references. One per process, manager and proof
// of who that is.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <steward/client/options.hpp>
#include <steward/client/session/completion.hpp>
#include <steward/core/clock.hpp>
#include <steward/core/handle_codec.hpp>
#include <steward/core/token.hpp>
#include <steward/core/value.hpp>
#include <steward/core/wire.hpp>

namespace steward::detail::client {

// What a call does to its object: it decides what may be repeated, and what a deadline means.
enum class Effect : std::uint8_t {
  read,    // changes nothing: may be repeated on a new session
  change,  // takes effect once; past the deadline its outcome is unknown to the caller
  take,    // hands something over (get, lock): past the deadline it is cancelled, and what was
           // already given goes back: "timed out" then means "not taken"
  offer,   // puts something in (put_for): it counts as not done only if the manager has said so
};

// What a claim goes by.
enum class ClaimBy : std::uint8_t {
  number,  // of the object: who may call its manager may use it
  lease,   // that waits for this very handle: whoever gave it could not use the object for us
};

class Receipt;
// References that arguments need until their call has ended.
using Kept = std::vector<core::ReferencePtr>;

struct CallOptions {
  Effect effect = Effect::change;
  core::Deadline deadline = std::nullopt;
  // Of a take: send an ack before the caller sees the result. Until the manager has that, it keeps
  // what it handed over, for somebody else if this process dies.
  bool confirm = false;
  // Of a take by call(): where the receipt for its result goes. The caller sends the ack by it, or
  // does not.
  Receipt* receipt = nullptr;
  // The manager may let it wait for what others do.
  bool parks = false;
  // It only looks, beside what its thread does: errors that wait for the thread's next call (of a
  // post, of a lock that was lost) are not for this one.
  bool aside = false;
  // What the caller is told in error texts: "list#3.pop".
  std::string_view object_type = {};
  // A waiting call ends as at its deadline, with Interrupted, when a stop is requested.
  std::stop_token stop = {};
};

// What a call gives: the encoded result, and the session to which what stands in it was granted.
struct Result : std::string {
  SessionNumber session = 0;
};

class Waiter;
struct Terms;

// Thread safety: everything may be called from any thread; after a fork, a child's calls go to a
// session of its own (see state.hpp), never here. Ownership: held by shared_ptr by the references
// made through it and by the Manager.
class Session : public std::enable_shared_from_this<Session> {
 public:
  virtual ~Session() = default;

  // One call, start to end. `args` is a MessagePack array, encoded in an ArgumentScope. Returns the
  // encoded result; nullopt: the deadline passed and the call (Effect::take or offer) was not done.
  // Throws what the method threw, TimeoutError (read, change), Disconnected, OutcomeUnknown,
  // StaleHandle, Overloaded (too large a message, no memory), Interrupted. Whatever it throws is a
  // steward::Error.
  virtual std::optional<Result> call(core::ObjectId object, std::string_view method,
                                     std::string_view args, const CallOptions& options) = 0;

  // Likewise a call that this thread does not wait for: its end is told to the completion, perhaps
  // at once (see there; `stop` means nothing here). It makes progress only while some thread waits
  // in this session, for anything. Throws Overloaded if there is no memory, BadCall in a forked
  // child (where in_this_process() gives the session to use): then it did not begin.
  virtual void start(core::ObjectId object, std::string_view method, std::string_view args,
                     const CallOptions& options, Completion& completion) = 0;
  // Ends a call that was started here as its deadline would, if it has not ended. When this
  // returns, nothing is told to the completion any more.
  virtual void cancel(Completion& completion) noexcept = 0;
  // For Receipt. A take's result was kept, or goes back as if the call had been cancelled. Waits
  // for nothing.
  virtual void settle(const Unsettled& take, bool kept) noexcept {
    static_cast<void>(take), static_cast<void>(kept);
  }
  // What such a completion has received as call() gives it.
  static std::optional<Result> result(Outcome outcome, Effect effect, const CallLabel& label);
  // Waits until the waiter is finished; false: the deadline passed before. Throws as call().
  virtual bool await(Waiter& waiter, core::Deadline deadline) = 0;
  // Both end the wait of a waiter: finish() is for Completion::done(), interrupt() for everything
  // else.
  virtual void finish(Waiter& waiter) noexcept = 0;
  virtual void interrupt(Waiter& waiter) noexcept = 0;
  // How many calls that may park can be in flight at once; 0: any number.
  virtual std::size_t parked_calls() const = 0;

  // A call that nobody waits for. An error it meets is thrown by this thread's next call that loses
  // nothing by it: before that is sent, or in place of what it read.
  virtual void post(core::ObjectId object, std::string_view method, std::string_view args) = 0;

  // The rules for handles in results of this session's manager: install with core::HandleCodecScope
  // around unpacking them. For arguments see ArgumentScope in grants.hpp; what is written under
  // these rules is good for references that this session has anyway.
  virtual core::HandleCodec& codec() = 0;
  // What is written for a reference in arguments to this session's manager, by the deadline: other
  // managers may have to be asked. What was claimed for that is put into `kept`. Throws as call(),
  // StaleHandle if the object is gone.
  virtual core::Token outgoing(const core::Reference& reference, core::Deadline deadline,
                               Kept& kept) = 0;

  // Takes over a reference that the manager has granted (a token inside a result) to the session of
  // this number, or to the present one. If that session is lost by now, the object is claimed for
  // the next one.
  virtual core::ReferencePtr adopt(core::Token token,
                                   std::optional<SessionNumber> granted_to = {}) = 0;
  // Asks the manager for a reference to the object of this token, which is of this incarnation. By
  // a lease that this session has claimed by, it may claim again while it has the object. Throws
  // StaleHandle if there is no such object, or no such lease; TimeoutError at the deadline, and
  // then the lease waits as before.
  virtual core::ReferencePtr claim(const core::Token& token, core::Deadline deadline = {},
                                   ClaimBy by = ClaimBy::number) = 0;

  // A result of this session could not be decoded: the references that it grants go back, but for
  // those that were adopted (object and how often). See ResultScope in grants.hpp.
  virtual void give_back(std::string_view result,
                         const std::map<core::ObjectId, std::uint64_t>& adopted,
                         std::optional<SessionNumber> granted_to) noexcept {
    static_cast<void>(result), static_cast<void>(adopted), static_cast<void>(granted_to);
  }

  virtual const core::Incarnation& incarnation() const = 0;
  // As the manager's handles carry them; the first one is where this session connected.
  virtual const std::vector<std::string>& addresses() const = 0;
  // The manager's process if it runs on this host, else 0.
  virtual pid_t server_pid() const = 0;
  // Whether that process is known to have ended.
  virtual bool manager_has_ended() const { return false; }
  // On what terms it was made.
  virtual std::shared_ptr<const Terms> terms() const { return nullptr; }
  // The session that stands for this one in this process: in a forked child, one of its own.
  virtual std::shared_ptr<Session> in_this_process() { return shared_from_this(); }
  // A number for the calling thread: small, per process, never reused.
  static core::ThreadNumber thread_number();

  // Says goodbye and waits for the answer, at most `wait`. Later calls throw Disconnected.
  virtual void end(core::Duration wait) = 0;

  // The locks that threads of this process hold through this session, also while no proxy of the
  // lock is here. A hold ends with its session: the next call of its thread throws Disconnected
  // then, before it is sent; unlock() does not.
  struct Hold {
    std::uint64_t token = 0;
    bool previous_owner_died = false;
    std::uint64_t depth = 0;  // of an RLock; 0: not held
  };
  virtual Hold hold(core::ObjectId lock) const = 0;  // of the calling thread
  // A lock was granted to the calling thread, perhaps once more, by the session of this number, or
  // the present one. If that is lost by now, so is the hold.
  virtual void note_grant(core::ObjectId lock, std::uint64_t token, bool previous_owner_died,
                          std::optional<SessionNumber> granted_by = {}) = 0;
  // The calling thread has unlocked it by a call of its own.
  virtual void note_unlock(core::ObjectId lock) = 0;
  // Ends one hold of the calling thread without waiting for an answer, also one that was lost with
  // its session, which needs no call. False: this thread has none here.
  virtual bool unlock(core::ObjectId lock) = 0;
};

using SessionPtr = std::shared_ptr<Session>;

// What a take has handed over: its caller's once he says so, who may find first that he cannot use
// it. Without that word it goes back. Not for more than one thread.
class Receipt {
 public:
  Receipt() = default;
  Receipt(SessionPtr session, const Unsettled& take) : session_(std::move(session)), take_(take) {}
  Receipt(Receipt&& other) noexcept
      : session_(std::exchange(other.session_, nullptr)), take_(other.take_) {}
  Receipt& operator=(Receipt&& other) noexcept {
    if (this == &other) return *this;
    settle(false);
    session_ = std::exchange(other.session_, nullptr);
    take_ = other.take_;
    return *this;
  }
  ~Receipt() { settle(false); }

  // The manager hears so before this returns, if it can be reached.
  void keep() noexcept { settle(true); }

 private:
  void settle(bool kept) noexcept {
    if (const SessionPtr session = std::exchange(session_, nullptr)) session->settle(take_, kept);
  }

  SessionPtr session_;  // null: there is nothing to settle
  Unsettled take_;
};

}  // namespace steward::detail::client
