// Core: the manager's state machine. State and outputs are a function of the inputs and of nothing
// else: no clock, randomness, sockets, threads or files in here. That is what makes replay,
// simulation and proofs possible; tests/server/core_determinism_test.cpp holds it to that.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include <steward/core/auth.hpp>
#include <steward/core/clock.hpp>
#include <steward/core/errors.hpp>
#include <steward/core/limits.hpp>
#include <steward/core/wire.hpp>
#include <steward/manager/server/class.hpp>
#include <steward/manager/server/object.hpp>

namespace steward::detail::server {

// Who this manager is; fixed for its life.
struct Identity {
  core::Incarnation incarnation;
  std::vector<std::string> addresses;  // as handles carry them
  std::uint64_t started_unix_ms = 0;   // where fencing tokens begin
  core::HashSeed seed;                 // invisible
};

// The inputs. Bytes are views: they must live until apply returns.
namespace input {

struct SessionOpened {
  core::SessionId session;
  std::string_view secret;
};
// Died, said goodbye, or its lease ran out.
struct SessionEnded {
  core::SessionId session;
  Ending ending;
};
// The client came back on a new connection: parked calls that it no longer awaits are dropped.
struct SessionResumed {
  core::SessionId session;
  std::vector<core::Seq> incomplete;
  core::Seq first_incomplete;
};
// An envelope of kind calls, ack or cancel.
struct Request {
  core::SessionId session;
  std::string_view frame;
};
// Time has passed: deadlines, leases and alarms.
struct Tick {};
struct LimitsChanged {
  core::Limits limits;
};
// The queue has a ring in shared memory from now on.
struct QueueMapped {
  core::ObjectId object{};
};
// What has become of a Work for this parked call, or (ParkId{}) for one that no call waits for.
struct WorkDone {
  core::ObjectId object{};
  ParkId park{};
  WorkResult result;
};

}  // namespace input

using Input = std::variant<input::SessionOpened, input::SessionEnded, input::SessionResumed,
                           input::Request, input::Tick, input::LimitsChanged, input::QueueMapped,
                           input::WorkDone>;

// What the core wants done. Released by the server's gate, after the engine has the inputs.
struct Outputs {
  struct Reply {
    core::SessionId session;
    std::shared_ptr<const std::string> bytes;  // one encoded reply (core::append_reply)
  };
  std::vector<Reply> replies;
  // Calls that have ended, each once, for those who count: a repeated reply is not in here, nor a
  // call that died with its session.
  struct Ended {
    std::optional<MethodNumber> method;  // nullopt: there was no such object or method
    core::ErrorCode code = core::ErrorCode::ok;
  };
  std::vector<Ended> ended;
  // Who asked for statistics. The core keeps none, since reads would change them: the server does,
  // and answers.
  struct Asked {
    core::SessionId session;
    core::Seq seq = 0;
  };
  std::vector<Asked> asked;
  // Sessions whose envelope was malformed: the server closes them.
  std::vector<core::SessionId> violations;
  // To be done to rings in shared memory, in this order; what comes of it is an input.
  std::vector<Work> work;
  // Somebody called shutdown.
  bool shutdown = false;
};

// Thread safety: none; one thread drives it. Any number may live in one process.
class Core {
 public:
  Core(Identity identity, const Registry& registry, core::Limits limits = {});
  // Goes on where the core was whose save() gave `saved`: same inputs, same outputs. Incarnation,
  // start and limits are that core's. Throws BadCall if `saved` is damaged, of another version, or
  // has classes that `registry` cannot load.
  Core(Identity identity, const Registry& registry, std::string_view saved);
  Core(const Core&) = delete;
  Core& operator=(const Core&) = delete;
  ~Core();

  // Takes one input; `now` never goes back. Appends to `outputs`. Never throws for what a client
  // sent: that is answered with an error, or noted in Outputs::violations. Throws OutOfMemory and
  // what an object's own ends throw; the core and its outputs are good for nothing then.
  void apply(const Input& input, core::Time now, Outputs& outputs);

  // Serves a request that only reads; false (nothing done) if it must go through apply: it changes
  // something, or its result grants references.
  bool answer(const input::Request& request, core::Time now, Outputs& outputs) const;

  // When the next Tick is due.
  core::Deadline next_deadline() const;

  // The whole state as bytes; equal for equal inputs.
  std::string save() const;

  // nullopt: no such session.
  std::optional<std::string> secret_of(const core::SessionId& session) const;

  const Identity& identity() const;
  const core::Limits& limits() const;
  std::size_t number_of_objects() const;
  // Of the registry's classes[i].
  std::size_t number_of_objects(std::size_t class_index) const;
  std::size_t number_of_names() const;
  std::size_t number_of_sessions() const;
  std::size_t number_parked() const;
  // How many items the ring of this queue has to hold; 0: any number. Throws StaleHandle if there
  // is no such object, BadCall if it is no queue.
  std::uint64_t ring_maxsize(core::ObjectId object) const;
  // As Limits::memory bounds it.
  std::size_t bytes_of_objects() const;

  // The manager's own methods, whose numbers begin where the registry's end.
  static std::vector<std::string_view> manager_methods();

  class Impl;  // core_impl.hpp: for the core's own files

 private:
  std::unique_ptr<Impl> impl_;
};

}  // namespace steward::detail::server
