// What the calling thread does: number, send, wait, give up, conclude.
#include <algorithm>
#include <iterator>
#include <utility>

#include <steward/client/live_session.hpp>
#include <steward/client/waiting.hpp>
#include <steward/core/writer.hpp>

namespace steward::client {
namespace {

// How long the manager's last word on a call is awaited after its deadline.
constexpr std::chrono::milliseconds kLastWord{100};
// So many posts without a reply to anything, and one of them asks for a reply: it tells that those
// before it are complete.
constexpr std::size_t kPostsUnproven = 256;

std::uint64_t milliseconds_until(core::Time deadline) {
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - now());
  return static_cast<std::uint64_t>(std::max<std::int64_t>(0, left.count()));
}

bool hands_back(Effect effect) { return effect == Effect::take || effect == Effect::offer; }

}  // namespace

std::string LiveSession::Label::text() const {
  std::string text;
  if (object == core::kManagerObject) {
    text = "manager";
  } else {
    text = std::string(type.empty() ? "object" : type) + "#" + std::to_string(core::number(object));
  }
  return text + "." + std::string(method) + ": ";
}

std::optional<std::string> LiveSession::call(core::ObjectId object, std::string_view method,
                                             std::string_view args, const CallOptions& options) {
  if (inherited()) return successor()->call(object, method, args, options);
  const Label label{options.object_type, object, method};
  std::vector<core::ReferencePtr> held;  // let go after the mutex
  Lock lock(mutex_);
  throw_post_error();
  throw_if_closed(label);
  // A deadline in the past still asks: what is there at once, the manager gives at once.
  core::Deadline deadline = options.deadline;
  if (hands_back(options.effect) && has_passed(deadline)) deadline = now() + kLastWord;
  if (!wait_for_slot(lock, deadline)) {
    if (hands_back(options.effect)) return std::nullopt;
    throw TimeoutError(label.text() + "timed out before it was sent: too many calls are in flight");
  }
  throw_if_closed(label);

  CallWaiter waiter;
  PendingCall& call = number_call(label, args, false, options.deadline);
  call.effect = options.effect;
  call.waiter = &waiter;
  Late late = Late::answered;
  try {
    submit(call);
    if (!crew_.wait(lock, waiter, deadline)) late = give_up(lock, call, waiter);
  } catch (...) {
    if (!waiter.done()) call.waiter = nullptr;
    throw;
  }
  take_held(held);
  if (late == Late::answered) return conclude(lock, waiter, options, label);
  if (late == Late::not_done && hands_back(options.effect)) return std::nullopt;
  lock.unlock();
  const bool unknown = late == Late::unknown && options.effect != Effect::read;
  throw TimeoutError(label.text() + (unknown ? "timed out; it may still have taken effect"
                                             : "timed out"));
}

// As long as its waiter is not done, a call stays in the table.
LiveSession::Late LiveSession::give_up(Lock& lock, PendingCall& call, CallWaiter& waiter) {
  if (!call.sent) {
    remove(call);
    return Late::not_done;
  }
  cancel(call);
  // What a take was given goes back with the cancel. An offer may have been taken up: only the
  // manager knows.
  if (call.effect == Effect::offer && crew_.wait(lock, waiter, now() + kLastWord)) {
    return Late::answered;
  }
  call.waiter = nullptr;
  return call.effect == Effect::take ? Late::not_done : Late::unknown;
}

void LiveSession::take_held(std::vector<core::ReferencePtr>& held) {
  if (held_.empty()) return;
  const core::ThreadNumber thread = thread_number();
  for (auto& [owner, reference] : held_) {
    if (owner == thread) held.push_back(std::move(reference));
  }
  std::erase_if(held_, [thread](const auto& entry) { return entry.first == thread; });
}

void LiveSession::cancel(PendingCall& call) {
  call.cancelled = true;
  table_.note_cancel(call.seq);
  send_control(core::encode_seqs(core::Envelope::cancel, {call.seq}));
}

std::optional<std::string> LiveSession::conclude(Lock& lock, CallWaiter& waiter,
                                                 const CallOptions& options, const Label& label) {
  if (waiter.end == CallWaiter::End::disconnected) {
    lock.unlock();
    throw Disconnected(label.text() + waiter.payload);
  }
  if (waiter.end == CallWaiter::End::outcome_unknown) {
    lock.unlock();
    throw OutcomeUnknown(label.text() + waiter.payload + "; the call may have taken effect");
  }
  if (waiter.code == core::ErrorCode::ok) {
    if (options.effect == Effect::read && post_errors_.contains(thread_number())) {
      drop(grants_in(waiter.payload, incarnation_));
      throw_post_error();
    }
    if (options.confirm) {
      table_.note_ack(waiter.seq);
      send_control(core::encode_seqs(core::Envelope::ack, {waiter.seq}));
    }
    return std::move(waiter.payload);
  }
  lock.unlock();
  if (waiter.code == core::ErrorCode::timed_out && hands_back(options.effect)) return std::nullopt;
  const core::ErrorPayload error = core::decode_error(waiter.payload);
  core::throw_error(waiter.code, error.text, error.type_name);
}

bool LiveSession::wait_for_slot(Lock& lock, core::Deadline deadline) {
  while (calls_in_flight_ != 0 && table_.in_flight() >= calls_in_flight_ &&
         phase_ != Phase::closed) {
    struct Slot : Waiter {
      explicit Slot(std::deque<Waiter*>& all) : waiters(all) { waiters.push_back(this); }
      ~Slot() { std::erase(waiters, this); }
      std::deque<Waiter*>& waiters;
    } slot(slot_waiters_);
    if (!crew_.wait(lock, slot, deadline)) return false;
  }
  return true;
}

void LiveSession::remove(PendingCall& call) {
  table_.remove(call);
  if (slot_waiters_.empty()) return;
  Waiter* next = slot_waiters_.front();
  slot_waiters_.pop_front();
  crew_.finish(*next);
}

// One frame a call, made in place: it is kept until the call is complete.
PendingCall& LiveSession::number_call(const Label& label, std::string_view args, bool post,
                                      core::Deadline deadline) {
  std::unique_ptr<PendingCall> call = table_.draft();
  call->thread = thread_number();
  call->post = post;
  core::Call fields;
  fields.seq = call->seq;
  fields.thread = call->thread;
  if (deadline) fields.wait_ms = milliseconds_until(*deadline);
  fields.object = label.object;
  fields.method = label.method;
  fields.args = args;
  fields.post = post;
  append_calls_frame(call->frame, table_.first_incomplete(), fields);
  if (message_bytes_ != 0 && call->frame.size() > message_bytes_) {
    const std::size_t size = call->frame.size();
    table_.discard(std::move(call));
    throw Overloaded(label.text() + "the call has " + std::to_string(size) + " bytes, " + where_ +
                     " takes " + std::to_string(message_bytes_));
  }
  return table_.add(std::move(call));
}

void LiveSession::submit(PendingCall& call) {
  if (phase_ != Phase::online) return await_connection();  // resume() sends it
  if (outbox_.empty() && transport_->send(call.frame)) {
    call.sent = true;
  } else {
    outbox_.push_back({call.seq, {}});
  }
  look_for_swallowed_edge();
}

// Acks, cancels and the goodbye. Without a connection nothing is queued: resume() knows them.
void LiveSession::send_control(std::string frame) {
  if (phase_ != Phase::online) return;
  if (!outbox_.empty() || !transport_->send(frame)) outbox_.push_back({0, std::move(frame)});
  look_for_swallowed_edge();
}

// Also a send that was refused may have swallowed it.
void LiveSession::look_for_swallowed_edge() {
  if (crew_.asleep() && !transport_->prepare_to_sleep()) crew_.wake();
}

void LiveSession::post(core::ObjectId object, std::string_view method, std::string_view args) {
  if (inherited()) return successor()->post(object, method, args);
  const Lock lock(mutex_);
  post_now(object, method, args);
}

void LiveSession::post_now(core::ObjectId object, std::string_view method, std::string_view args) {
  if (phase_ == Phase::closed || leaving_) return;  // the next call says so
  const bool silent = !post_should_ask();
  PendingCall& call = number_call({{}, object, method}, args, silent);
  call.unattended = true;
  submit_post(call);
}

bool LiveSession::post_should_ask() const {
  return table_.posts() > 0 && table_.posts() % kPostsUnproven == 0;
}

// Many posts and nobody who waits: then their answers are looked at here, or they would pile up.
void LiveSession::submit_post(PendingCall& call) {
  submit(call);
  if (table_.posts() > kPostsUnproven && !crew_.led() && !transport_->prepare_to_sleep()) take_in(nullptr);
}

void LiveSession::throw_post_error() {
  if (post_errors_.empty()) return;
  const auto node = post_errors_.extract(thread_number());
  if (node.empty()) return;
  const auto& [code, error] = node.mapped();
  core::throw_error(code, error.text, error.type_name);
}

void LiveSession::throw_if_closed(const Label& label) const {
  if (phase_ == Phase::closed) throw Disconnected(label.text() + closed_because_);
  if (leaving_) throw Disconnected(label.text() + "the session with " + where_ + " was ended");
}

}  // namespace steward::client
