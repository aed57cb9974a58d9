#include <steward/manager/server/outbox.hpp>

#include <chrono>
#include <utility>

#include <fmt/format.h>

#include <steward/core/errors.hpp>
#include <steward/core/reader.hpp>
#include <steward/core/wire.hpp>

namespace steward::server {
namespace {

// Version, kind and two array headers around the replies.
constexpr std::size_t kEnvelopeBytes = 16;
// The listener says when a client reads again, but a send in between can swallow the word.
constexpr std::chrono::milliseconds kRetry{20};
// A busy listener says so all the time; a hundred clients that do not read must not cost each pass.
constexpr std::chrono::milliseconds kRetrySoon{1};

core::Seq seq_of(std::string_view reply) {
  core::Reader reader(reply);
  reader.array();
  return reader.natural();
}

// Nobody could receive it. For a changing call this is what remains: it is done, its result lost.
std::string too_long(std::string_view reply, std::size_t limit) {
  std::string error;
  core::append_error(error, seq_of(reply), core::ErrorCode::overloaded,
                     fmt::format("the result has {} bytes, a message at most {}", reply.size(),
                                 limit));
  return error;
}

}  // namespace

void Outbox::reply(const std::string& route, std::shared_ptr<const std::string> bytes) {
  if (bytes->size() + kEnvelopeBytes > limits_.message_bytes) {
    bytes = std::make_shared<const std::string>(too_long(*bytes, limits_.message_bytes));
  }
  const auto [place, is_new] = open_.try_emplace(route, gathered_.size());
  if (is_new) gathered_.push_back({route, {}, {}});
  gathered_[place->second].replies.push_back(std::move(bytes));
}

void Outbox::envelope(const std::string& route, std::string frame) {
  open_.erase(route);
  gathered_.push_back({route, {}, std::move(frame)});
}

void Outbox::release(core::Time now) {
  open_.clear();
  for (Parcel& parcel : std::exchange(gathered_, {})) {
    if (parcel.replies.empty()) {
      send(parcel.route, std::move(parcel.frame), now);
    } else {
      send_replies(parcel, now);
    }
  }
}

void Outbox::send_replies(const Parcel& parcel, core::Time now) {
  std::vector<std::string_view> bundle;
  std::size_t bytes = kEnvelopeBytes;
  for (const auto& reply : parcel.replies) {
    if (!bundle.empty() && bytes + reply->size() > limits_.message_bytes) {
      send(parcel.route, core::encode_replies(std::exchange(bundle, {})), now);
      bytes = kEnvelopeBytes;
    }
    bundle.push_back(*reply);
    bytes += reply->size();
  }
  send(parcel.route, core::encode_replies(bundle), now);
}

void Outbox::send(const std::string& route, std::string frame, core::Time now) {
  if (waiting_.contains(route)) return keep(route, std::move(frame), now);
  const std::size_t size = frame.size();
  switch (listener_.send(route, frame)) {
    case Sent::sent: return note_sent(size);
    case Sent::would_block: return keep(route, std::move(frame), now);
    case Sent::gone: gone_.push_back(route); return;
  }
}

void Outbox::note_sent(std::size_t bytes) {
  ++sent_.frames;
  sent_.bytes += bytes;
}

void Outbox::keep(const std::string& route, std::string frame, core::Time now) {
  const auto [place, is_new] = waiting_.try_emplace(route);
  Waiting& waiting = place->second;
  if (is_new) waiting.since = now;
  // One message is always kept: a budget below message_bytes would refuse what a call may return.
  if (!waiting.frames.empty() && waiting.bytes + frame.size() > limits_.unsent_bytes) {
    slow_.push_back(route);
    return;
  }
  waiting.bytes += frame.size();
  waiting.frames.push_back(std::move(frame));
  if (!next_retry_) next_retry_ = now + kRetry;
}

bool Outbox::send_waiting(const std::string& route, Waiting& waiting, core::Time now) {
  while (!waiting.frames.empty()) {
    std::string& frame = waiting.frames.front();
    const std::size_t size = frame.size();
    switch (listener_.send(route, frame)) {
      case Sent::sent:
        note_sent(size);
        waiting.bytes -= size;
        waiting.since = now;
        waiting.frames.pop_front();
        break;
      case Sent::would_block:
        if (now - waiting.since < limits_.unsent_time) return true;
        slow_.push_back(route);
        return false;
      case Sent::gone: gone_.push_back(route); return false;
    }
  }
  return false;
}

void Outbox::retry(core::Time now) {
  if (waiting_.empty()) return;
  const bool soon = soon_ && now - last_retry_ >= kRetrySoon;
  if (!soon && next_retry_ && now < *next_retry_) return;
  soon_ = false;
  last_retry_ = now;
  for (auto place = waiting_.begin(); place != waiting_.end();) {
    place = send_waiting(place->first, place->second, now) ? std::next(place)
                                                           : waiting_.erase(place);
  }
  next_retry_ = waiting_.empty() ? core::Deadline() : now + kRetry;
}

void Outbox::forget(const std::string& route) {
  waiting_.erase(route);
  listener_.forget(route);
}

}  // namespace steward::server
