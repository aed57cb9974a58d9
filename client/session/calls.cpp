#include <steward/client/session/calls.hpp>

#include <algorithm>
#include <iterator>
#include <new>
#include <utility>

#include <steward/core/planted_fault.hpp>
#include <steward/core/writer.hpp>

namespace steward::detail::client {
namespace {

// How long the manager's last word on a call is awaited after its deadline.
constexpr std::chrono::milliseconds kLastWord{100};
// How long a call that parks waits for a place among the others, if nobody gets one.
constexpr std::chrono::seconds kPlaceAwaited{10};
// So many posts without a reply to anything, and one of them asks for a reply: it tells that those
// before it are complete.
constexpr std::size_t kPostsUnproven = 256;
// What is queued leaves in frames of so many bytes and calls. A call that is awaited is always the
// last of its frame: the manager answers no more than one frame's worth of results for a frame.
constexpr std::size_t kBatchBytes = 16U << 10U;
constexpr std::size_t kBatchCalls = 256;

constexpr std::size_t kNaturalBytesMax = 9;

std::size_t natural_bytes(std::uint64_t value) {
  return value < 0x80 ? 1 : value < 0x100 ? 2 : value < 0x10000 ? 3 : value <= 0xffffffff ? 5 : 9;
}

std::uint64_t milliseconds_until(core::Time deadline, core::Time now) {
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - now);
  return static_cast<std::uint64_t>(std::max<std::int64_t>(0, left.count()));
}

bool hands_back(Effect effect) { return effect == Effect::take || effect == Effect::offer; }

void append_header(std::string& frame, core::Seq first_incomplete, std::size_t calls) {
  core::Writer writer(frame);
  writer.array(4);
  writer.natural(core::kProtocolVersion);
  writer.natural(static_cast<std::uint64_t>(core::Envelope::calls));
  writer.natural(first_incomplete);
  writer.array(calls);
}

// Of a frame with this call alone. Its first_incomplete is at most its own number.
std::size_t frame_bytes(std::size_t body, std::size_t natural) { return 5 + 2 * natural + body; }

}  // namespace

std::string CallLabel::text() const {
  std::string text;
  if (object == core::kManagerObject) {
    text = "manager";
  } else {
    text = std::string(type.empty() ? "object" : type) + "#" + std::to_string(core::number(object));
  }
  return text + "." + std::string(method) + ": ";
}

void Calls::limit(std::size_t message_bytes, std::size_t calls_in_flight) {
  message_bytes_ = message_bytes;
  limit_ = calls_in_flight;
}

// --- calls that begin

void CallRequest::compose(core::Time now) {
  core::Call fields;
  fields.thread = thread;
  if (deadline) fields.wait_ms = milliseconds_until(*deadline, now);
  fields.object = object;
  fields.method = method;
  fields.args = args;
  fields.post = post;
  core::append_call_body(body, fields);
}

bool Calls::start(CallRequest& request, Completion* completion, core::Time now,
                  std::size_t& bytes) {
  std::unique_ptr<PendingCall> call = table_.draft();
  call->start = started_;
  call->thread = request.thread;
  call->object = request.object;
  call->effect = request.effect;
  call->post = request.post;
  call->confirm = request.confirm;
  call->settled_later = request.settled_later;
  call->parks = request.parks && !request.post;
  call->unattended = request.unattended;
  call->aside = request.aside;
  call->unlocks = request.unattended && request.method == "unlock";
  call->renews = request.renews;
  if (request.body.empty()) {
    std::swap(request.body, call->body);  // its memory
    request.compose(now);
  }
  std::swap(request.body, call->body);
  const bool waits = must_wait(*call);
  bytes = frame_bytes(call->body.size(), waits ? kNaturalBytesMax : natural_bytes(table_.next()));
  if (message_bytes_ != 0 && bytes > message_bytes_) {
    table_.discard(std::move(call));
    return false;
  }
  // A deadline in the past still asks: what is there at once, the manager gives at once.
  const bool past = request.deadline && *request.deadline <= now && hands_back(request.effect);
  PendingCall& begun = *call;
  const core::Deadline deadline = past ? now + kLastWord : request.deadline;
  waits && begun.parks ? await_place(begun, deadline, now) : watch(begun, deadline);
  try {
    waits ? queue_of(begun).push_back(std::move(call)) : enter(call);
  } catch (...) {
    watch(begun, std::nullopt);
    throw;
  }
  ++started_;
  begun.completion = completion;
  if (completion != nullptr) completion->call_ = &begun;
  return true;
}

// Into the table, and to be sent. If it throws, the call is where it was.
void Calls::enter(std::unique_ptr<PendingCall>& call) {
  if (flowing_) outbox_.emplace_back();
  try {
    const PendingCall& added = table_.add(std::move(call));
    if (flowing_) outbox_.back().call = added.seq;
  } catch (...) {
    if (flowing_) outbox_.pop_back();
    throw;
  }
}

void Calls::add(std::unique_ptr<PendingCall>& call) {
  if (must_wait(*call)) {
    call->seq = 0;
    queue_of(*call).push_back(std::move(call));
  } else {
    enter(call);
  }
}

bool Calls::must_wait(const PendingCall& call) const {
  if (call.post) return false;
  if (!waiting_.empty()) return true;
  return call.parks ? !parking_.empty() || !has_place() : !has_slot();
}

void Calls::await_place(PendingCall& call, core::Deadline deadline, core::Time now) {
  const core::Time end = now + kPlaceAwaited;
  call.awaits_place = !deadline || end < *deadline;
  call.with_place = deadline;
  call.places = places_given_;
  watch(call, call.awaits_place ? end : deadline);
}

void Calls::advance() {
  if (owes_cancels_) tell_owed_cancels();
  while (!waiting_.empty() && has_slot()) {
    enter(waiting_.front());
    waiting_.pop_front();
  }
  while (waiting_.empty() && !parking_.empty() && has_place()) {
    enter(parking_.front());
    parking_.pop_front();
    ++places_given_;
  }
}

bool Calls::post_should_ask() const {
  return table_.posts() > 0 && table_.posts() % kPostsUnproven == 0;
}

bool Calls::posts_pile_up() const { return table_.posts() > kPostsUnproven; }

// --- calls that end

void Calls::remove(PendingCall& call, bool ok) {
  watch(call, std::nullopt);
  table_.remove(call, ok && (call.confirm || call.settled_later));
}

// A call that waits for long keeps `first_incomplete` where it is, and all replies since with the
// manager: it is told then which of them are not needed.
void Calls::prove(core::Seq seq) {
  table_.prove(seq);
  const std::vector<core::Seq> complete = table_.take_complete();
  if (complete.empty()) return;
  for (const core::Seq each : complete) table_.note_ack(each);
  send(core::encode_seqs(core::Envelope::ack, complete));
}

// Noted and queued. If it throws it is neither.
void Calls::tell(core::Envelope kind, core::Seq seq) {
  std::string frame = core::encode_seqs(kind, {seq});
  if (flowing_) outbox_.emplace_back();
  try {
    kind == core::Envelope::ack ? table_.note_ack(seq) : table_.note_cancel(seq);
  } catch (...) {
    if (flowing_) outbox_.pop_back();
    throw;
  }
  if (flowing_) outbox_.back().frame = std::move(frame);
}

void Calls::ack(core::Seq seq) { tell(core::Envelope::ack, seq); }

Unsettled Calls::note_unsettled(core::Seq seq) {
  table_.note_unsettled(seq);
  return {table_.epoch(), seq};
}

void Calls::settle(const Unsettled& take, bool kept) {
  if (!table_.settle(take, kept)) return;
  if (kept) return ack(take.seq);
  tell_owed_cancels();
}

void Calls::hand_back(PendingCall& call) noexcept {
  call.forsaken = true;
  tell_owed_cancels();
}

// What has no memory now is said with the next input.
void Calls::tell_owed_cancels() noexcept {
  owes_cancels_ = true;
  try {
    while (const core::Seq seq = table_.refused()) {
      tell(core::Envelope::cancel, seq);
      table_.forget_refused(seq);
    }
    while (PendingCall* call = table_.forsaken()) tell_cancel(*call);
    owes_cancels_ = false;
  } catch (const std::bad_alloc&) {
  }
}

void Calls::finish(PendingCall& call, Outcome outcome) noexcept {
  watch(call, std::nullopt);
  Completion* completion = std::exchange(call.completion, nullptr);
  if (completion == nullptr) return;
  completion->call_ = nullptr;
  if (core::planted(core::Fault::completion_twice)) completion->done(outcome);
  completion->done(std::move(outcome));
}

void Calls::end(PendingCall& call, Outcome::End end) { finish(call, {end, {}, {}}); }

// Without memory for the reason: with one that needs none.
void Calls::lose(PendingCall& call, Outcome::End end, const std::string& reason) noexcept {
  Outcome outcome{end, {}, "it is lost"};
  try {
    outcome.payload = reason;
  } catch (const std::bad_alloc&) {
  }
  finish(call, std::move(outcome));
}

// It never happens.
void Calls::forget(PendingCall& call) {
  if (call.seq != 0) return remove(call);
  const auto is_it = [&call](const auto& each) { return each.get() == &call; };
  auto& queue = queue_of(call);
  const auto at = std::ranges::find_if(queue, is_it);
  watch(call, std::nullopt);
  std::unique_ptr<PendingCall> forgotten = std::move(*at);
  queue.erase(at);
  table_.discard(std::move(forgotten));
}

void Calls::tell_cancel(PendingCall& call) {
  tell(core::Envelope::cancel, call.seq);
  call.cancelled = true;
}

// What a take was given goes back with the cancel.
void Calls::give_up(PendingCall& call) {
  if (call.sent && !call.cancelled) tell_cancel(call);
  end_unanswered(call);
}

void Calls::end_unanswered(PendingCall& call) noexcept {
  const bool undone = !call.sent || call.effect == Effect::take;
  end(call, undone ? Outcome::End::not_done : Outcome::End::given_up);
  if (!call.sent) forget(call);
}

void Calls::cancel(Completion& completion) {
  if (completion.call_ != nullptr) give_up(*completion.call_);
}

void Calls::abandon(Completion& completion) noexcept {
  PendingCall* const call = completion.call_;
  if (call == nullptr) return;
  if (call->sent) call->forsaken = owes_cancels_ = true;
  end_unanswered(*call);
}

void Calls::thread_ended(core::ThreadNumber thread) noexcept {
  const auto forget_errors = [thread](PendingCall& call) {
    if (call.thread == thread) call.unattended = call.unlocks = false;
  };
  table_.for_each(forget_errors);
  for (const auto& call : waiting_) forget_errors(*call);
}

void Calls::late(PendingCall& call, core::Time now) {
  if (call.awaits_place) {
    if (call.seq == 0) {
      // They go on: it is not those that it waits for who wait for it.
      if (call.places != places_given_) return await_place(call, call.with_place, now);
      end(call, Outcome::End::no_place);
      return forget(call);
    }
    watch(call, call.with_place);  // it has one
    call.awaits_place = false;
    return;
  }
  if (call.seq == 0) {
    end(call, Outcome::End::no_slot);
    return forget(call);
  }
  // An offer may have been taken up: only the manager knows.
  if (call.sent && call.effect == Effect::offer && !call.last_word) {
    if (!call.cancelled) tell_cancel(call);
    watch(call, now + kLastWord);
    call.last_word = true;
    return;
  }
  give_up(call);
}

void Calls::tick(core::Time now) {
  while (!alarms_.empty() && std::get<core::Time>(*alarms_.begin()) <= now) {
    late(*std::get<PendingCall*>(*alarms_.begin()), now);
  }
}

core::Deadline Calls::next_deadline() const {
  if (alarms_.empty()) return std::nullopt;
  return std::get<core::Time>(*alarms_.begin());
}

core::Deadline Calls::deadline_of(const Completion& completion) {
  return completion.call_ != nullptr ? completion.call_->deadline : std::nullopt;
}

void Calls::watch(PendingCall& call, core::Deadline deadline) {
  if (deadline == call.deadline) return;
  if (deadline) alarms_.emplace(*deadline, call.start, &call);
  const core::Deadline before = std::exchange(call.deadline, deadline);
  if (before) alarms_.erase({*before, call.start, &call});
}

// A manager that is known to be dead has taken every outcome along: no call may be retried, but
// none needs to be either. One that merely cannot be reached may still act on what it was sent.
void Calls::fail(const std::string& reason, bool manager_is_dead) noexcept {
  table_.remove_if([&](PendingCall& call) {
    if (call.completion == nullptr) return false;
    const bool unknown = !manager_is_dead && call.sent && call.effect != Effect::read;
    lose(call, unknown ? Outcome::End::outcome_unknown : Outcome::End::disconnected, reason);
    if (!call.sent) return true;
    // Should the manager come back, it must not do later what the caller has given up; what it has
    // handed over already, it gets back.
    try {
      if (!call.cancelled) table_.note_cancel(call.seq);
      call.cancelled = true;
    } catch (const std::bad_alloc&) {
      call.forsaken = owes_cancels_ = true;
    }
    return false;
  });
  try {
    table_.drop_cancelled();
  } catch (const std::bad_alloc&) {
    // On the next connection, then.
  }
  for (const auto& call : waiting_) lose(*call, Outcome::End::disconnected, reason);
  for (const auto& call : parking_) lose(*call, Outcome::End::disconnected, reason);
  parking_.clear();
  std::erase_if(waiting_, [](const auto& call) { return call->renews == core::ObjectId{}; });
}

// --- connections and sessions

void Calls::pause() {
  flowing_ = false;
  outbox_.clear();
  first_ = composed_ = 0;
}

void Calls::resume() {
  pause();
  flowing_ = true;
  drop_cancelled();
  auto acks = table_.acks();
  if (!acks.empty() && !core::planted(core::Fault::ack_not_kept_over_a_resume)) {
    send(core::encode_seqs(core::Envelope::ack, acks));
  }
  if (auto cancels = table_.cancels(); !cancels.empty()) {
    send(core::encode_seqs(core::Envelope::cancel, cancels));
  }
  for (const PendingCall* call : table_.in_order()) outbox_.push_back({call->seq, {}});
}

void Calls::drop_cancelled() {
  for (PendingCall* call : table_.in_order()) {
    if (call->cancelled) end(*call, Outcome::End::given_up);  // no last word is to come
  }
  table_.drop_cancelled();
}

std::vector<const PendingCall*> Calls::in_order() const {
  std::vector<const PendingCall*> all;
  for (const PendingCall* call : table_.in_order()) all.push_back(call);
  for (const auto& call : waiting_) all.push_back(call.get());
  for (const auto& call : parking_) all.push_back(call.get());
  return all;
}

std::vector<std::unique_ptr<PendingCall>> Calls::restart() {
  std::vector<std::unique_ptr<PendingCall>> all = table_.restart(waiting_.size() + parking_.size());
  pause();
  std::ranges::move(waiting_, std::back_inserter(all));
  std::ranges::move(parking_, std::back_inserter(all));
  waiting_.clear();
  parking_.clear();
  return all;
}

void Calls::clear() noexcept {
  pause();
  table_.clear();
  waiting_.clear();
  parking_.clear();
  alarms_.clear();
}

// --- what is to be sent

void Calls::send(std::string frame) {
  if (flowing_) outbox_.push_back({0, std::move(frame)});
}

std::optional<Frame> Calls::front() {
  while (first_ < outbox_.size() && outbox_[first_].call != 0 &&
         table_.find(outbox_[first_].call) == nullptr) {
    ++first_;  // it has ended before it could be sent
  }
  if (first_ == outbox_.size()) {
    outbox_.clear();
    first_ = 0;
    return std::nullopt;
  }
  composed_ = 1;
  if (outbox_[first_].call == 0) return Frame{outbox_[first_].frame, {}};
  const PendingCall* call = table_.find(outbox_[first_].call);
  std::size_t bytes = frame_bytes(call->body.size(), kNaturalBytesMax);
  std::size_t count = 1;
  const std::size_t limit =
      message_bytes_ == 0 ? kBatchBytes : std::min(kBatchBytes, message_bytes_);
  for (const PendingCall* last = call;
       last->post && count < kBatchCalls && first_ + composed_ < outbox_.size(); ++count) {
    const PendingCall* next = table_.find(outbox_[first_ + composed_].call);
    if (next == nullptr) break;
    bytes += 1 + kNaturalBytesMax + next->body.size();
    if (bytes > limit) break;
    ++composed_;
    last = next;
  }
  head_.clear();
  append_header(head_, table_.first_incomplete(), composed_);
  core::append_call_number(head_, call->seq);
  if (composed_ == 1) return Frame{head_, call->body};
  head_ += call->body;
  for (std::size_t i = 1; i < composed_; ++i) {
    const PendingCall* next = table_.find(outbox_[first_ + i].call);
    core::append_call_number(head_, next->seq);
    head_ += next->body;
  }
  return Frame{head_, {}};
}

void Calls::sent() {
  for (; composed_ > 0; --composed_, ++first_) {
    if (PendingCall* call = table_.find(outbox_[first_].call)) call->sent = true;
  }
  if (first_ == outbox_.size()) {
    outbox_.clear();
    first_ = 0;
  } else if (first_ > 1024) {
    outbox_.erase(outbox_.begin(), outbox_.begin() + static_cast<std::ptrdiff_t>(first_));
    first_ = 0;
  }
}

}  // namespace steward::detail::client
