#include <steward/client/session/call_table.hpp>

#include <algorithm>
#include <iterator>
#include <new>
#include <utility>

#include <steward/core/planted_fault.hpp>

namespace steward::detail::client {
namespace {

// What is kept for the next call: enough for the threads of an ordinary program, with bodies of
// ordinary size.
constexpr std::size_t kSpareCalls = 64;
constexpr std::size_t kSpareBodyBytes = 64U << 10U;
// So many complete calls behind one that is not are worth a message, and fit into any.
constexpr std::size_t kCompleteMany = 100;
// Likewise complete calls with replies of so many bytes: a manager keeps 64 MiB of them by default.
constexpr std::size_t kCompleteBytes = 1U << 20U;

}  // namespace

std::unique_ptr<PendingCall> CallTable::draft() {
  if (spare_.empty()) return std::make_unique<PendingCall>();
  std::unique_ptr<PendingCall> call = std::move(spare_.back());
  spare_.pop_back();
  return call;
}

void CallTable::discard(std::unique_ptr<PendingCall> call) noexcept {
  if (spare_.size() >= kSpareCalls || call->body.capacity() > kSpareBodyBytes) return;
  std::string body = std::move(call->body);
  body.clear();
  *call = PendingCall{};
  call->body = std::move(body);
  try {
    spare_.push_back(std::move(call));
  } catch (const std::bad_alloc&) {
    // Then it is not kept.
  }
}

// Without memory the manager is told later, by `first_incomplete`.
void CallTable::note_complete(core::Seq seq) noexcept {
  try {
    complete_.push_back(seq);
  } catch (const std::bad_alloc&) {
  }
}

PendingCall& CallTable::add(std::unique_ptr<PendingCall>&& call) {
  Calls& calls = call->post ? posts_ : calls_;
  calls.emplace_back();
  calls.back() = std::move(call);
  calls.back()->seq = next_seq_++;
  if (calls.back()->parks) ++parking_;
  return *calls.back();
}

CallTable::Calls::iterator CallTable::position(Calls& calls, core::Seq seq) {
  // Mostly it is the oldest, and often the only one.
  if (!calls.empty() && calls.front()->seq == seq) return calls.begin();
  const auto at = std::lower_bound(calls.begin(), calls.end(), seq,
                                   [](const auto& call, core::Seq key) { return call->seq < key; });
  return at != calls.end() && (*at)->seq == seq ? at : calls.end();
}

PendingCall* CallTable::find(core::Seq seq) {
  if (const auto at = position(calls_, seq); at != calls_.end()) return at->get();
  if (const auto at = position(posts_, seq); at != posts_.end()) return at->get();
  return nullptr;
}

std::unique_ptr<PendingCall> CallTable::take_out(PendingCall& call) {
  Calls& calls = call.post ? posts_ : calls_;
  const auto at = position(calls, call.seq);
  std::unique_ptr<PendingCall> removed = std::move(*at);
  calls.erase(at);
  if (removed->parks && !core::planted(core::Fault::slot_not_freed)) --parking_;
  return removed;
}

void CallTable::remove(PendingCall& call, bool handed_over) noexcept {
  if (!handed_over && !call.cancelled) note_complete(call.seq);
  discard(take_out(call));
}

std::vector<core::Seq> CallTable::take_complete() {
  const bool large = reply_bytes_ >= kCompleteBytes;
  if (complete_.size() < kCompleteMany && !large) return {};
  const core::Seq first = first_incomplete();
  std::erase_if(complete_, [first](core::Seq seq) { return seq < first; });
  if (complete_.size() < kCompleteMany / 2 && !large) return {};
  reply_bytes_ = 0;
  return std::exchange(complete_, {});
}

void CallTable::prove(core::Seq seq) {
  while (!posts_.empty() && posts_.front()->seq < seq) {
    std::unique_ptr<PendingCall> removed = std::move(posts_.front());
    posts_.pop_front();
    note_complete(removed->seq);
    discard(std::move(removed));
  }
  while (!acks_.empty() && acks_.front().before <= seq) acks_.pop_front();
  while (!cancels_.empty() && cancels_.front().before <= seq) {
    std::erase(abandoned_, cancels_.front().seq);
    note_complete(cancels_.front().seq);
    cancels_.pop_front();
  }
}

core::Seq CallTable::first_incomplete() const {
  core::Seq first = next_seq_;
  if (!calls_.empty()) first = std::min(first, calls_.front()->seq);
  if (!posts_.empty()) first = std::min(first, posts_.front()->seq);
  for (const Unspoken& take : unsettled_) first = std::min(first, take.seq);
  for (const Note& cancel : cancels_) first = std::min(first, cancel.seq);
  return first;
}

std::vector<core::Seq> CallTable::seqs(const std::deque<Note>& notes) {
  std::vector<core::Seq> seqs;
  for (const Note& note : notes) seqs.push_back(note.seq);
  return seqs;
}

bool CallTable::settle(const Unsettled& take, bool kept) noexcept {
  const auto at = std::ranges::find(unsettled_, take.seq, &Unspoken::seq);
  if (take.epoch != epoch_ || at == unsettled_.end() || at->refused) return false;
  if (kept) {
    unsettled_.erase(at);  // which confirms it, too, with the next call
  } else {
    at->refused = true;
  }
  return true;
}

core::Seq CallTable::refused() const noexcept {
  const auto at = std::ranges::find(unsettled_, true, &Unspoken::refused);
  return at == unsettled_.end() ? 0 : at->seq;
}

void CallTable::forget_refused(core::Seq seq) noexcept {
  std::erase_if(unsettled_, [seq](const Unspoken& take) { return take.seq == seq; });
}

PendingCall* CallTable::forsaken() const noexcept {
  const auto at = std::ranges::find_if(
      calls_, [](const auto& call) { return call->forsaken && !call->cancelled; });
  return at == calls_.end() ? nullptr : at->get();
}

void CallTable::drop_cancelled() {
  // Their cancels are said again, and answered behind the replies of calls that were sent before.
  core::Seq last_sent = 0;
  for (const auto& call : calls_) {
    if (call->sent) last_sent = std::max(last_sent, call->seq);
  }
  for (const auto& post : posts_) {
    if (post->sent) last_sent = std::max(last_sent, post->seq);
  }
  for (Note& cancel : cancels_) cancel.before = std::max(cancel.before, last_sent + 1);
  const auto cancelled = std::ranges::count_if(calls_, [](const auto& c) { return c->cancelled; });
  if (cancelled == 0) return;
  // First: the rest must not end half-way.
  abandoned_.reserve(abandoned_.size() + static_cast<std::size_t>(cancelled));
  std::erase_if(calls_, [this](const auto& call) {
    if (!call->cancelled) return false;
    // Where the cancel is complete, no reply can come any more.
    const bool open = std::ranges::find(cancels_, call->seq, &Note::seq) != cancels_.end();
    if (open) abandoned_.push_back(call->seq);
    if (call->parks) --parking_;
    return true;
  });
}

bool CallTable::post_is_unproven() const {
  if (posts_.empty()) return false;
  return std::ranges::none_of(calls_, [first = posts_.front()->seq](const auto& call) {
    return !call->parks && call->seq > first;
  });
}

std::vector<core::Seq> CallTable::awaited() const {
  std::vector<core::Seq> seqs;
  for (const auto& call : calls_) seqs.push_back(call->seq);
  return seqs;
}

std::vector<PendingCall*> CallTable::in_order() const {
  std::vector<PendingCall*> all;
  all.reserve(calls_.size() + posts_.size());
  const auto get = [](const auto& call) { return call.get(); };
  std::transform(calls_.begin(), calls_.end(), std::back_inserter(all), get);
  std::transform(posts_.begin(), posts_.end(), std::back_inserter(all), get);
  std::inplace_merge(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(calls_.size()),
                     all.end(),
                     [](const auto* a, const auto* b) { return a->seq < b->seq; });
  return all;
}

std::vector<std::unique_ptr<PendingCall>> CallTable::restart(std::size_t more) {
  std::vector<std::unique_ptr<PendingCall>> all;
  all.reserve(calls_.size() + posts_.size() + more);
  std::merge(std::move_iterator(calls_.begin()), std::move_iterator(calls_.end()),
             std::move_iterator(posts_.begin()), std::move_iterator(posts_.end()),
             std::back_inserter(all),
             [](const auto& a, const auto& b) { return a->seq < b->seq; });
  clear();
  return all;
}

void CallTable::clear() noexcept {
  calls_.clear();
  posts_.clear();
  acks_.clear();
  cancels_.clear();
  abandoned_.clear();
  unsettled_.clear();
  complete_.clear();
  reply_bytes_ = 0;
  ++epoch_;
  next_seq_ = 1;
  parking_ = 0;
}

}  // namespace steward::detail::client
