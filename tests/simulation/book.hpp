// Book: what the server's core was told and what it has said, and what must follow. It sees the
// inputs and the outputs of the core, and hears from the callers what they were told: nothing of
// the inside of either side.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <steward/core/ids.hpp>
#include <steward/manager/server/core.hpp>
#include <steward/tests/simulation/lock_book.hpp>
#include <steward/tests/simulation/plain_book.hpp>
#include <steward/tests/simulation/queue_book.hpp>
#include <steward/tests/simulation/verdict.hpp>

namespace steward::detail::simulation {

class Book {
 public:
  explicit Book(Verdict& verdict)
      : shared_{verdict, [this](std::int64_t id) { effect(id); }} {}

  // --- the server: before an input is applied, and after
  void input(const server::Input& input, core::Time now);
  void outputs(const server::Outputs& outputs);
  // A frame of this session has reached the process of the server.
  void reached(const core::SessionId& session, std::string_view frame);
  // The session's process has died, and that is to be applied now.
  void died(const core::SessionId& session);
  bool knows(const core::SessionId& session) const;
  std::size_t sessions() const { return living_; }
  std::size_t waiting() const { return waiting_; }
  const Counts& counts() const { return shared_.counts; }
  std::size_t waiting_of(const core::SessionId& session) const;
  // Of sessions, in the order in which they were opened: 1, 2, ...
  std::uint64_t number_of(const core::SessionId& session) const;

  // --- the callers
  std::int64_t new_id() {
    ids_.emplace_back();
    return last_id();
  }
  // The session's client has taken the item for its own, by this reservation (0: by none), which
  // may be over.
  void kept(const core::SessionId& session, std::int64_t item, std::uint64_t reservation = 0);
  void told_done(std::int64_t id);
  void told_error(std::int64_t id);  // it was done, and had no effect
  void told_not_done(std::int64_t id);

  // --- when nothing is under way
  void check_calm() const;
  const std::map<core::ObjectId, std::unique_ptr<ObjectBook>>& objects() const { return objects_; }

 private:
  struct SeenSession {
    core::SessionId id;
    std::uint64_t number = 0;
    bool ended = false;
    core::Seq first_incomplete = 1;
    std::map<core::Seq, SeenCall> calls = {};
    core::Seq reached = 0;  // the last call that has reached the server's process
    core::Seq seen = 0;     // the last one that its core was given
  };
  struct Id {
    bool arrived = false;
    bool never = false;
    unsigned effects = 0;
  };

  std::int64_t last_id() const { return static_cast<std::int64_t>(ids_.size()) - 1; }
  void effect(std::int64_t id);
  void broken(Promise promise, std::string what) const {
    shared_.verdict.broken(promise, std::move(what));
  }
  ObjectBook* object(core::ObjectId id) const;
  SeenSession* living(const core::SessionId& id);
  void frame(SeenSession& session, std::string_view bytes);
  void call(SeenSession& session, const core::Call& call);
  void note_ids(SeenCall& call);
  void complete_before(SeenSession& session, core::Seq first);
  void confirm(SeenCall& call);
  void cancel(SeenSession& session, core::Seq seq);
  void drop(SeenCall& call);
  void resumed(const server::input::SessionResumed& input);
  void ended(SeenSession& session);
  void reply(const server::Outputs::Reply& reply);
  void created(const SeenCall& call, std::string_view payload);

  Shared shared_;
  std::map<core::SessionId, SeenSession> sessions_;
  std::map<core::ObjectId, std::unique_ptr<ObjectBook>> objects_;
  std::vector<Id> ids_;
  std::uint64_t calls_ = 0;
  std::size_t living_ = 0;
  std::size_t waiting_ = 0;
  std::vector<SeenCall*> of_this_input_;  // must not wait afterwards, unless they may
  std::vector<SeenCall*> cancelled_;      // likewise
};

}  // namespace steward::detail::simulation
