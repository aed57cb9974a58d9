#include <steward/client/call_table.hpp>

#include <algorithm>
#include <iterator>
#include <utility>

#include <steward/core/writer.hpp>

namespace steward::client {
namespace {

// What is kept for the next call: enough for the threads of an ordinary program, with frames of
// ordinary size.
constexpr std::size_t kSpareCalls = 64;
constexpr std::size_t kSpareFrameBytes = 64U << 10U;

}  // namespace

// What core::encode_calls makes, without its detours.
void append_calls_frame(std::string& frame, core::Seq first_incomplete, const core::Call& call) {
  core::Writer writer(frame);
  writer.array(4);
  writer.natural(core::kProtocolVersion);
  writer.natural(static_cast<std::uint64_t>(core::Envelope::calls));
  writer.natural(first_incomplete);
  writer.array(1);
  core::append_call(frame, call);
}

std::unique_ptr<PendingCall> CallTable::draft() {
  std::unique_ptr<PendingCall> call;
  if (spare_.empty()) {
    call = std::make_unique<PendingCall>();
  } else {
    call = std::move(spare_.back());
    spare_.pop_back();
  }
  call->seq = next_seq_;
  return call;
}

void CallTable::discard(std::unique_ptr<PendingCall> call) {
  if (spare_.size() >= kSpareCalls || call->frame.capacity() > kSpareFrameBytes) return;
  std::string frame = std::move(call->frame);
  frame.clear();
  *call = PendingCall{};
  call->frame = std::move(frame);
  spare_.push_back(std::move(call));
}

PendingCall& CallTable::add(std::unique_ptr<PendingCall> call) {
  next_seq_ = call->seq + 1;
  Calls& calls = call->post ? posts_ : calls_;
  calls.push_back(std::move(call));
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

void CallTable::remove(PendingCall& call) {
  Calls& calls = call.post ? posts_ : calls_;
  const auto at = position(calls, call.seq);
  std::unique_ptr<PendingCall> removed = std::move(*at);
  calls.erase(at);
  discard(std::move(removed));
}

void CallTable::prove(core::Seq seq) {
  while (!posts_.empty() && posts_.front()->seq < seq) {
    std::unique_ptr<PendingCall> removed = std::move(posts_.front());
    posts_.pop_front();
    discard(std::move(removed));
  }
  while (!acks_.empty() && acks_.front().before <= seq) acks_.pop_front();
  while (!cancels_.empty() && cancels_.front().before <= seq) {
    std::erase(forsaken_, cancels_.front().seq);
    cancels_.pop_front();
  }
}

core::Seq CallTable::first_incomplete() const {
  core::Seq first = next_seq_;
  if (!calls_.empty()) first = std::min(first, calls_.front()->seq);
  if (!posts_.empty()) first = std::min(first, posts_.front()->seq);
  if (!forsaken_.empty()) first = std::min(first, std::ranges::min(forsaken_));
  return first;
}

std::vector<core::Seq> CallTable::seqs(const std::deque<Note>& notes) {
  std::vector<core::Seq> seqs;
  for (const Note& note : notes) seqs.push_back(note.seq);
  return seqs;
}

void CallTable::forsake(PendingCall& call) {
  note_cancel(call.seq);
  forsaken_.push_back(call.seq);
  remove(call);
}

void CallTable::drop_cancelled() {
  std::erase_if(calls_, [this](const auto& call) {
    if (!call->cancelled) return false;
    // Where the cancel is complete, no reply can come any more.
    const bool open = std::ranges::find(cancels_, call->seq, &Note::seq) != cancels_.end();
    if (open) forsaken_.push_back(call->seq);
    return true;
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

std::vector<std::unique_ptr<PendingCall>> CallTable::restart() {
  std::vector<std::unique_ptr<PendingCall>> all;
  std::merge(std::move_iterator(calls_.begin()), std::move_iterator(calls_.end()),
             std::move_iterator(posts_.begin()), std::move_iterator(posts_.end()),
             std::back_inserter(all),
             [](const auto& a, const auto& b) { return a->seq < b->seq; });
  calls_.clear();
  posts_.clear();
  acks_.clear();
  cancels_.clear();
  forsaken_.clear();
  next_seq_ = 1;
  return all;
}

}  // namespace steward::client
