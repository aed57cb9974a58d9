#include <steward/tests/simulation/lock_book.hpp>

#include <steward/core/errors.hpp>

namespace steward::detail::simulation {

void LockBook::begin(SeenCall& call) {
  if (!call.post || !hold_ || !hold_->is_of(call)) return;
  if (call.method == "unlock") return let_go();
  if (call.method != "owner_died") return;
  core::Reader args(call.args);
  args.array();
  if (args.natural() == hold_->token) hold_.reset();
}

void LockBook::let_go() {
  if (--hold_->depth == 0) hold_.reset();
}

void LockBook::end(SeenCall& call, core::ErrorCode code, std::string_view payload) {
  if (code != core::ErrorCode::ok) return;
  core::Reader reader(payload);
  if (call.method == "lock") return grant(call, reader);
  if (call.method == "try_lock") {
    if (reader.array() == 1) grant(call, reader);
  } else if (call.method == "unlock" && !call.post) {
    if (hold_ && hold_->is_of(call)) return let_go();
    broken(Promise::one_holder, call.text() + " succeeded, and it is not the holder");
  }
}

void LockBook::grant(SeenCall& call, core::Reader& payload) {
  payload.array();
  const std::uint64_t token = payload.natural();
  if (hold_ && !(reentrant_ && hold_->is_of(call))) {
    broken(Promise::one_holder, fmt::format("{} was given the lock, which thread {} of {} holds",
                                            call.text(), hold_->thread,
                                            hold_->session.hex().substr(0, 4)));
  }
  const bool first = !hold_;
  if (first) {
    check_turn(call, [&](const SeenCall& other) {
      const bool same = other.session == call.session && other.thread == call.thread;
      return other.method == "lock" && !(reentrant_ && same);
    });
  }
  if (first) hold_ = Hold{call.session, call.thread, token};
  if (first ? token <= shared_.last_token : token != hold_->token) {
    broken(Promise::tokens_rise, fmt::format("{} was given token {}, the last one is {}",
                                             call.text(), token, shared_.last_token));
  }
  shared_.last_token = std::max(shared_.last_token, token);
  ++hold_->depth;
  ++shared_.counts.locked;
  if (call.step != shared_.step) ++shared_.counts.locked_after_wait;
  hold_->unconfirmed.insert(&call);
  call.handed_over = true;
}

void LockBook::confirmed(SeenCall& call) {
  if (hold_) hold_->unconfirmed.erase(&call);
}

void LockBook::returned(SeenCall& call) {
  if (hold_ && hold_->unconfirmed.erase(&call) > 0) let_go();
}

void LockBook::session_ended(const core::SessionId& session) {
  if (hold_ && hold_->session == session) hold_.reset();
}

void LockBook::check_waiting() const {
  if (hold_) return;
  for (const SeenCall* call : waiting()) {
    broken(Promise::nobody_is_forgotten, call->text() + " waits although the lock is free");
  }
}

void LockBook::check_calm() const {
  if (hold_ && !hold_->unconfirmed.empty()) {
    broken(Promise::confirmed, (*hold_->unconfirmed.begin())->text() + " is not confirmed");
  }
}

}  // namespace steward::detail::simulation
