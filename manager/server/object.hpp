// What a class of managed objects implements, and what the core lends it while it serves a call.
//
// Everything here runs on the one thread that drives the core, and must be a function of its inputs
// alone: no clocks, no randomness, no addresses, no iteration over unordered containers.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <steward/core/auth.hpp>
#include <steward/core/clock.hpp>
#include <steward/core/handle_codec.hpp>
#include <steward/core/value.hpp>
#include <steward/core/wire.hpp>
#include <steward/core/writer.hpp>
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

// What the core does for an object beyond the object's own state. Valid during the call only.
class Context {
 public:
  virtual core::Time now() const = 0;

  // Ends a parked call with a result or an error; the id is spent then. `text` gets object and
  // method in front. The object has taken the waiter off its own list.
  virtual void answer(ParkId parked, Value result) = 0;
  virtual void fail(ParkId parked, core::ErrorCode code, std::string text) = 0;

  // Who made a parked call.
  virtual CallKey caller_of(ParkId parked) const = 0;

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
  // Parks this call: the method returns kParked, and somebody else's call answers it, or its
  // deadline, cancellation or session's end does (Object::forget). Throws Overloaded.
  virtual ParkId park() = 0;
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

// Writes state for Core::save: MessagePack with handles as bare tokens.
class Saver : public core::HandleCodec {
 public:
  explicit Saver(std::string& out) : writer_(out) {}
  core::Writer& writer() { return writer_; }
  void value(const Value& value) { core::encode_value(writer_, value, *this); }
  void number(std::uint64_t value) { writer_.natural(value); }
  core::Token outgoing(const core::Reference& reference) override;
  core::ReferencePtr incoming(core::Token token) override;

 private:
  core::Writer writer_;
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

  // What its contents take, by Value::footprint; that of an empty object is counted for it.
  virtual std::size_t bytes() const { return 0; }

  // All state, in an order that depends on nothing but the inputs; starts with a version number.
  virtual void save(Saver& out) const = 0;

  // A parked call ended without the object: its deadline, cancellation, or its session's end.
  virtual void forget(ParkId, Context&) {}
  // The calls parked here, first come first; they get StaleHandle when the object is destroyed.
  virtual std::vector<ParkId> waiting() const { return {}; }

  // The client has (confirmed) or never got (returned) what call `key` handed over.
  virtual void confirmed(CallKey, Context&) {}
  virtual void returned(CallKey, Context&) {}

  // A session that owned something here (Context::own) is no more. Its parked calls were forgotten
  // before; hand-overs that it has not confirmed are returned after.
  virtual void session_ended(SessionNumber, Ending, Context&) {}

  // The time that it has asked for (Context::set_alarm) has come. There is no alarm set now.
  virtual void alarm(Context&) {}
};

// What objects are made with: the same for all of a core.
struct Environment {
  core::HashSeed seed = {};  // for hash tables; never visible in results, order or save()
  std::uint64_t item_bytes = kItemBytesMost;  // the longest item of a queue, as an answer has it
};

}  // namespace steward::detail::server
