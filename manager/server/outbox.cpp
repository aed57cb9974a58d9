#include <steward/manager/server/outbox.hpp>

#include <chrono>
#include <utility>

#include <steward/core/wire.hpp>
#include <steward/manager/server/answer_bytes.hpp>

namespace steward::detail::server {
namespace {

// The listener says when a client reads again, but a send in between can swallow the word.
constexpr std::chrono::milliseconds kRetry{20};
// A busy listener says so all the time; a hundred clients that do not read must not cost each pass.
constexpr std::chrono::milliseconds kRetrySoon{1};

// So many parcels are looked through one by one: less work than a hash table.
constexpr std::size_t kFewParcels = 16;

}  // namespace

void Outbox::reply(const std::string& route, std::shared_ptr<const std::string> bytes) {
  Parcel* parcel = open_parcel(route);
  if (parcel == nullptr) {
    parcel = &add_parcel(route);
    parcel->open = true;
    if (parcels_ > kFewParcels) open_.insert_or_assign(route, parcels_ - 1);
  }
  gathered_bytes_ += bytes->size();
  parcel->replies.push_back(std::move(bytes));
}

bool Outbox::is_full(const std::string& route) const {
  if (waiting_.empty()) return false;
  const auto waiting = waiting_.find(route);
  if (waiting == waiting_.end()) return false;
  return waiting->second.overfull || waiting->second.bytes >= limits_.unsent_bytes;
}

void Outbox::envelope(const std::string& route, std::string frame) {
  if (Parcel* parcel = open_parcel(route)) {
    parcel->open = false;
    open_.erase(route);
  }
  gathered_bytes_ += frame.size();
  add_parcel(route).frame = std::move(frame);
}

Outbox::Parcel& Outbox::add_parcel(const std::string& route) {
  if (parcels_ == gathered_.size()) gathered_.emplace_back();
  if (parcels_ == kFewParcels) {
    for (std::size_t i = 0; i < parcels_; ++i) {
      if (gathered_[i].open) open_.emplace(gathered_[i].route, i);
    }
  }
  Parcel& parcel = gathered_[parcels_++];
  parcel.route = route;
  // Nothing of an earlier batch, even if its release was cut short by an exception.
  parcel.replies.clear();
  parcel.frame.clear();
  parcel.open = false;
  return parcel;
}

Outbox::Parcel* Outbox::open_parcel(const std::string& route) {
  if (parcels_ > kFewParcels) {
    const auto place = open_.find(route);
    return place == open_.end() ? nullptr : &gathered_[place->second];
  }
  for (std::size_t i = parcels_; i > 0; --i) {
    Parcel& parcel = gathered_[i - 1];
    if (parcel.open && parcel.route == route) return &parcel;
  }
  return nullptr;
}

void Outbox::release(core::Time now) {
  if (parcels_ == 0) return;
  open_.clear();
  gathered_bytes_ = 0;
  const std::size_t count = std::exchange(parcels_, 0);
  for (std::size_t i = 0; i < count; ++i) {
    Parcel& parcel = gathered_[i];
    if (!parcel.frame.empty()) {
      send(parcel.route, std::move(parcel.frame), now);
    } else {
      send_replies(parcel, now);
      parcel.replies.clear();
    }
  }
}

void Outbox::send_replies(const Parcel& parcel, core::Time now) {
  bundle_.clear();
  std::size_t bytes = kEnvelopeBytes;
  for (const auto& reply : parcel.replies) {
    if (!bundle_.empty() && bytes + reply->size() > limits_.message_bytes) {
      send(parcel.route, core::encode_replies(bundle_), now);
      bundle_.clear();
      bytes = kEnvelopeBytes;
    }
    bundle_.push_back(*reply);
    bytes += reply->size();
  }
  send(parcel.route, core::encode_replies(bundle_), now);
  bundle_.clear();
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
  if (waiting.overfull) return;
  // Before it was full, there may have come the results of one message more. Past that others
  // answer calls that it has made before, again and again: its session has these replies.
  if (waiting.bytes > 2 * limits_.unsent_bytes + limits_.message_bytes) {
    waiting.overfull = true;
    overfull_.push_back(route);
    return;
  }
  add(waiting, std::move(frame), now);
}

void Outbox::add(Waiting& waiting, std::string frame, core::Time now) {
  waiting.bytes += frame.size() + kFrameCost;
  waiting.frames.push_back(std::move(frame));
  if (!next_retry_) next_retry_ = now + kRetry;
}

void Outbox::ask_to_resume(const std::string& route, std::string frame, core::Time now) {
  const auto waiting = waiting_.find(route);
  if (waiting == waiting_.end()) return send(route, std::move(frame), now);
  add(waiting->second, std::move(frame), now);
}

bool Outbox::send_waiting(const std::string& route, Waiting& waiting, core::Time now) {
  while (!waiting.frames.empty()) {
    std::string& frame = waiting.frames.front();
    const std::size_t size = frame.size();
    switch (listener_.send(route, frame)) {
      case Sent::sent:
        note_sent(size);
        waiting.bytes -= size + kFrameCost;
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

bool Outbox::retry(core::Time now) {
  if (waiting_.empty()) return false;
  const bool soon = soon_ && now - last_retry_ >= kRetrySoon;
  if (!soon && next_retry_ && now < *next_retry_) return false;
  soon_ = false;
  last_retry_ = now;
  bool less = false;
  for (auto place = waiting_.begin(); place != waiting_.end();) {
    const std::size_t before = place->second.frames.size();
    const bool waits = send_waiting(place->first, place->second, now);
    less = less || !waits || place->second.frames.size() < before;
    place = waits ? std::next(place) : waiting_.erase(place);
  }
  next_retry_ = waiting_.empty() ? core::Deadline() : now + kRetry;
  return less;
}

void Outbox::forget(const std::string& route) {
  waiting_.erase(route);
  if (waiting_.empty()) next_retry_ = std::nullopt;  // or the loop would never wait again
  listener_.forget(route);
}

}  // namespace steward::detail::server
