// The core's inside: its state, and the steps that its inputs are made of. Private to core*.cpp and
// manager_object.cpp.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <steward/manager/server/alarms.hpp>
#include <steward/manager/server/core.hpp>
#include <steward/manager/server/leases.hpp>
#include <steward/manager/server/object_table.hpp>
#include <steward/manager/server/parked_calls.hpp>
#include <steward/manager/server/sessions.hpp>

namespace steward::detail::server {

// A method's error, as it goes into a reply.
struct CallError {
  core::ErrorCode code = core::ErrorCode::ok;
  std::string text;
  std::string type_name;
};

// Runs `body` and turns what it throws into a CallError; true if it did not throw.
template <class F>
bool guarded(CallError& error, F&& body) noexcept;
// For the exception that is being handled.
CallError current_error();

class Core::Impl {
 public:
  Impl(Identity identity, const Registry& registry, core::Limits limits);

  // --- inputs (core.cpp)
  void opened(const input::SessionOpened& input);
  void ended(const input::SessionEnded& input);
  void resumed(const input::SessionResumed& input);
  void request(const input::Request& input);
  void tick();
  void mapped(const input::QueueMapped& input);
  void work_done(const input::WorkDone& input);
  bool answer(const input::Request& input, Outputs& outputs) const;
  // Destroys what nobody refers to any more.
  void collect();
  void destroyed(Object& object, core::ObjectId id);
  // The time that this object has asked for has come.
  void alarm(core::ObjectId id);
  // Throws Overloaded if all objects may not grow by so many bytes.
  void require_room(std::size_t bytes);
  std::string save() const;
  core::Deadline next_deadline() const;

  // --- one call (core_calls.cpp)
  void complete_before(Session& session, core::Seq first_incomplete);
  void calls(Session& session, const core::Calls& calls);
  void serve(Session& session, const core::Call& call);
  // What of a request only reads can be served without changing anything.
  bool answer_call(const Session& session, const core::Call& call, Outputs& outputs) const;
  // If the call asks for statistics: passes that on, and says true.
  bool ask_statistics(const Session& session, const core::Call& call, Outputs& outputs) const;
  // `text` gets "list#3.pop: " in front.
  static std::string error_text(core::ObjectId object, std::string_view type,
                                std::string_view method, std::string_view text);
  // A reply that fits into a message; throws Overloaded if there is none.
  std::string draft(core::Seq seq, const Value& result, core::HandleCodec& codec) const;
  // `keep`: in the reply store, for a retry. Throws as draft(), and has granted nothing then.
  void reply(Session& session, core::Seq seq, const Value& result, bool keep);
  void reply_error(Session& session, core::Seq seq, const CallError& error, bool keep);
  void send(Session& session, core::Seq seq, std::string bytes, bool keep);

  // --- parked calls (core_calls.cpp)
  // Answers; the object has taken the waiter off its list already. A result that cannot be sent
  // becomes an error, and what it would have handed over goes back.
  void answer_parked(ParkId id, const Value& result);
  void fail_parked(ParkId id, core::ErrorCode code, std::string_view text);
  // Lets the object take the waiter off its list.
  void forget(ParkId id);
  // Forgets the call without an answer.
  void drop_parked(ParkId id);

  // --- ends of calls (core_calls.cpp)
  void confirm(Session& session, core::Seq seq);
  void take_back(Session& session, core::Seq seq);
  // The claim that is being served ends the lease, unless it is given up: then that waits again.
  void end_lease(Session& session, const core::Nonce& nonce);
  void renew_lease(Session& session, core::Seq seq);
  // What the undelivered calls have handed over, if they have.
  void return_undelivered();
  void cancel(Session& session, core::Seq seq);
  void end_ownership(Session& session, Ending ending);

  // --- the manager object (manager_object.cpp)
  // `number` is the method's, once it is found.
  Value serve_manager(Session& session, std::string_view method, Arguments& arguments,
                      std::optional<MethodNumber>& number);

  // The method of the manager that asks for statistics, which the core cannot answer.
  static constexpr std::string_view kStatistics = "stat";
  // nullopt: the manager has no such method.
  std::optional<MethodNumber> manager_method(std::string_view name) const;

  // Turns tokens in arguments into references; throws StaleHandle for objects of ours that are
  // gone.
  class Incoming final : public core::HandleCodec {
   public:
    explicit Incoming(const Impl& core) : core_(core) {}
    core::Token outgoing(const core::Reference& reference) override;
    core::ReferencePtr incoming(core::Token token) override;

   private:
    const Impl& core_;
  };
  class FromOutside;
  class Drafting;
  class Serving;

  const Identity identity;
  const Registry& registry;
  const Environment environment;
  core::Limits limits;
  // References into the table go before the table.
  ObjectTable objects;
  std::map<std::string, core::ReferencePtr, std::less<>> names;
  Leases leases;
  Sessions sessions;
  ParkedCalls parked;
  Alarms alarms;
  std::uint64_t fencing_tokens = 0;  // handed out so far

  // Of the input that is being applied.
  core::Time now;
  Outputs* outputs = nullptr;
  core::Seq serving = 0;  // the call to the manager object that is served
  std::size_t replied_bytes = 0;
  std::vector<CallKey> undelivered;  // calls whose results their callers do not get
};

template <class F>
bool guarded(CallError& error, F&& body) noexcept {
  try {
    body();
    return true;
  } catch (...) {
    error = current_error();
    return false;
  }
}

}  // namespace steward::detail::server
