// What a class of managed objects implements, and what the core lends it while it serves a call.
//
// Everything here runs on the one thread that drives the core, and must be a function of its inputs
// alone: no clocks, no randomness, no addresses, no iteration over unordered containers.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include <steward/core/auth.hpp>
#include <steward/core/clock.hpp>
#include <steward/core/errors.hpp>
#include <steward/core/value.hpp>
#include <steward/core/wire.hpp>
#include <steward/manager/server/work.hpp>

namespace steward::detail::server {

// Sessions in the order of their opening; never reused.
enum class SessionNumber : std::uint64_t {};

// A call by its session and number.
struct CallKey {
  SessionNumber session{};
  core::Seq seq = 0;
  friend auto operator<=>(const CallKey&, const CallKey&) = default;
};

// Who holds a lock: a thread of a session.
struct Owner {
  SessionNumber session{};
  core::ThreadNumber thread = 0;
  friend auto operator<=>(const Owner&, const Owner&) = default;
};

// How a session ended. An orderly end (`bye`) is never taken for a death.
enum class Ending : std::uint8_t { orderly, died };

// Why a call waits no more. Nobody hears of the end of one that is abandoned: its session has
// ended, or has come back without it.
enum class GaveUp : std::uint8_t { deadline, cancelled, abandoned };

class Object;
class Saver;

// A list of calls that wait at an object, as the core sees it: see waiters.hpp.
class WaiterList {
 public:
  // REQUIRES: the list is a member of `owner`.
  explicit WaiterList(Object& owner);
  WaiterList(const WaiterList&) = delete;
  WaiterList& operator=(const WaiterList&) = delete;

  virtual void ids(std::vector<ParkId>& out) const = 0;
  virtual void remove(ParkId id) = 0;

 protected:
  ~WaiterList() = default;

 private:
  friend class Object;
  WaiterList* next_;
};

// What the core does for an object beyond the object's own state. Valid during the call only.
class Context {
 public:
  virtual core::Time now() const = 0;

  // Ends a parked call with a result or an error: it is on no list then, and the id is spent.
  // `text` gets object and method in front.
  virtual void answer(ParkId parked, Value result) = 0;
  virtual void fail(ParkId parked, core::ErrorCode code, std::string text) = 0;

  // Who made a parked call.
  virtual CallKey caller_of(ParkId parked) const = 0;
  // For Waiters: the call is in this list from now on, and no more in the one where it was.
  virtual void move(ParkId parked, WaiterList& list) = 0;
  // For gave_up(): a call whose time is up waits on, without end. Others cannot be kept.
  virtual void keep(ParkId parked) = 0;

  // The answer of call `key` (just given, or about to be) hands something over: until the client
  // confirms it, the object gets it back (Object::returned) if the client cancels or dies.
  virtual void hand_over(CallKey key) = 0;

  // The session owns something here: Object::session_ended will be called. Counted; disown takes
  // one back.
  virtual void own(SessionNumber session) = 0;
  virtual void disown(SessionNumber session) = 0;

  // Object::alarm will be called once this time has come; nullopt: not any more. An object has one
  // alarm: what was said last counts.
  virtual void set_alarm(core::Deadline time) = 0;

  // To be done outside, to the ring of this object (Object::mapped): the core fills in which.
  virtual void work(Work work) = 0;
  // A value that a local process wrote: handles of objects that are there become references, others
  // stay tokens that keep nothing alive. Throws BadCall if it is malformed or nested too deep.
  virtual Value read_value(std::string_view encoded) = 0;

  // Rising over all objects of the manager, also over its restarts: the fencing tokens of locks.
  virtual std::uint64_t next_fencing_token() = 0;

 protected:
  ~Context() = default;
};

// The call that is being served.
class Call : public Context {
 public:
  virtual CallKey key() const = 0;
  virtual Owner owner() const = 0;
  // For Waiters, which put it into this list: the call's method returns kParked, and somebody
  // else's call answers it, or nobody (Object::gave_up). Throws Overloaded.
  virtual ParkId park(WaiterList& list) = 0;
  // Whether the call carries a deadline: park() then ends at the latest with it.
  virtual bool timed() const = 0;
  // Throws Overloaded if the manager's objects may not grow by so many bytes. Asked for methods
  // that add, before they begin.
  virtual void require_room(std::size_t bytes) const = 0;
  // The longest value that an answer carries, whatever else is in it: what is longer must not be
  // kept, nor given away.
  virtual std::size_t answer_bytes() const = 0;

 protected:
  ~Call() = default;
};

// What a method that may block gives: a result, or kParked.
struct Parked {};
inline constexpr Parked kParked;

class Outcome {
 public:
  Outcome(Value result) : result_(std::move(result)) {}
  Outcome(Parked) {}

  bool parked() const { return !result_; }
  Value& result() { return *result_; }

 private:
  std::optional<Value> result_;
};

// One managed object. The destructor releases what it holds (handles inside Values count
// themselves).
class Object {
 public:
  Object() = default;
  Object(const Object&) = delete;
  Object& operator=(const Object&) = delete;
  virtual ~Object() = default;

  // For classes whose contents may move out of the core, into a ring in shared memory: how many
  // items it has to hold (0: unbounded). nullopt: not this class.
  virtual std::optional<std::uint64_t> ring_maxsize() const { return std::nullopt; }
  // There is a ring from now on. Said once.
  virtual void mapped(Context&) {}
  // What has become of the work for a parked call, which may have ended meanwhile.
  virtual void work_done(ParkId, const WorkResult&, Context&) {}
  // Whether the contents are outside: what else is a read has to wait for an answer then.
  virtual bool is_outside() const { return false; }
  // Nobody refers to it any more: the last that is asked of it. Its parked calls end by themselves.
  virtual void destroyed(Context&) {}

  // How often its contents, what its methods can show, have changed: never less than before. Of
  // contents that are outside nothing is known here.
  virtual std::uint64_t changes() const { return 0; }
  // What its contents take, by Value::footprint; that of an empty object is counted for it.
  virtual std::size_t bytes() const { return 0; }

  // All state, in an order that depends on nothing but the inputs; starts with a version number.
  // What it wrote its class reads again (Class::load).
  virtual void save(Saver& out) const = 0;

  // A parked call, still on its list, is about to end without an answer. The object may answer it,
  // or fail it in words of its own; one whose time is up it may keep (Context::keep). Else the core
  // ends it.
  virtual void gave_up(ParkId, GaveUp, Context&) {}
  // The calls parked here, first come first; they get StaleHandle when the object is destroyed.
  std::vector<ParkId> waiting() const;

  // The client has (confirmed) or never got (returned) what call `key` handed over.
  virtual void confirmed(CallKey, Context&) {}
  virtual void returned(CallKey, Context&) {}

  // A session that owned something here (Context::own) is no more. Its parked calls were forgotten
  // before; hand-overs that it has not confirmed are returned after.
  virtual void session_ended(SessionNumber, Ending, Context&) {}

  // The time that it has asked for (Context::set_alarm) has come. There is no alarm set now.
  virtual void alarm(Context&) {}

 private:
  friend class WaiterList;
  WaiterList* lists_ = nullptr;  // members of what inherits this
};

// There was no memory in the middle of a change: nobody knows what it has left behind, and an
// outcome that depends on the heap is no function of the inputs. It ends the manager. (Where only
// the arguments, or the result of a read, find no memory, the call gets Overloaded.)
class OutOfMemory final : public std::runtime_error {
 public:
  OutOfMemory() : runtime_error("no memory in the middle of a change") {}
};

// Runs `change`, for which there must be memory.
template <class F>
auto changing(F&& change) {
  try {
    return change();
  } catch (const std::bad_alloc&) {
    throw OutOfMemory();
  }
}

// Runs what comes before a change, and may fail.
template <class F>
auto preparing(F&& prepare) {
  try {
    return prepare();
  } catch (const std::bad_alloc&) {
    throw Overloaded("there is no memory for it");
  }
}

// What objects are made with: the same for all of a core.
struct Environment {
  core::HashSeed seed = {};  // for hash tables; never visible in results, order or save()
  std::uint64_t item_bytes = kItemBytesMost;  // the longest item of a queue, as an answer has it
};

}  // namespace steward::detail::server
