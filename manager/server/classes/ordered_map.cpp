#include <steward/manager/server/classes/ordered_map.hpp>

#include <utility>

#include <steward/core/errors.hpp>

namespace steward::detail::server {

std::uint32_t OrderedMap::position_of(const Value& key, std::uint32_t hash) const {
  return index_.find(hash, [&](std::uint32_t at) { return stored_[at].entry.key == key; });
}

std::uint32_t OrderedMap::position_of(const Value& key) const {
  return position_of(key, hash_value(seed_, key));
}

const Value* OrderedMap::find(const Value& key) const {
  const std::uint32_t at = position_of(key);
  return at == ValueIndex::kNone ? nullptr : &stored_[at].entry.value;
}

void OrderedMap::replace_at(std::uint32_t position, Value value) {
  Value& place = stored_[position].entry.value;
  bytes_ += value.footprint();
  bytes_ -= place.footprint();
  place = std::move(value);
  ++changes_;
}

OrderedMap::Stored& OrderedMap::append(Value key, Value value, std::uint32_t hash) {
  if (stored_.size() == ValueIndex::kNone) {
    close_gaps();
    if (stored_.size() == ValueIndex::kNone) throw Overloaded("the table has 2^32 - 1 entries");
  }
  index_.reserve(size_ + 1);
  stored_.push_back({{std::move(key), std::move(value)}, hash});
  index_.insert(hash, static_cast<std::uint32_t>(stored_.size() - 1));
  ++size_;
  ++changes_;
  const Entry& entry = stored_.back().entry;
  bytes_ += entry.key.footprint() + entry.value.footprint();
  return stored_.back();
}

void OrderedMap::set(Value key, Value value) {
  const std::uint32_t hash = hash_value(seed_, key);
  const std::uint32_t at = position_of(key, hash);
  if (at == ValueIndex::kNone) {
    append(std::move(key), std::move(value), hash);
  } else {
    replace_at(at, std::move(value));
  }
}

const Value& OrderedMap::find_or_set(Value key, Value value) {
  const std::uint32_t hash = hash_value(seed_, key);
  const std::uint32_t at = position_of(key, hash);
  if (at != ValueIndex::kNone) return stored_[at].entry.value;
  return append(std::move(key), std::move(value), hash).entry.value;
}

std::optional<Value> OrderedMap::take(const Value& key) {
  const std::uint32_t at = position_of(key);
  if (at == ValueIndex::kNone) return std::nullopt;
  return remove(at).value;
}

OrderedMap::Entry OrderedMap::take_last() {
  return remove(static_cast<std::uint32_t>(stored_.size() - 1));
}

OrderedMap::Entry OrderedMap::remove(std::uint32_t position) {
  Stored& stored = stored_[position];
  index_.erase(stored.hash, position);
  // The gap holds nothing: handles in it would keep their objects alive.
  Entry entry = std::exchange(stored.entry, Entry{});
  stored.live = false;
  --size_;
  ++changes_;
  bytes_ -= entry.key.footprint() + entry.value.footprint();
  while (!stored_.empty() && !stored_.back().live) stored_.pop_back();

  constexpr std::size_t kGapsIgnored = 16;
  const std::size_t gaps = stored_.size() - size_;
  if (gaps > kGapsIgnored && gaps > size_) close_gaps();
  return entry;
}

// Whatever may throw comes before the first change.
void OrderedMap::close_gaps() {
  ValueIndex index;
  index.reset(size_);
  std::uint32_t position = 0;
  for (const Stored& stored : stored_) {
    if (stored.live) index.insert(stored.hash, position++);
  }
  index_ = std::move(index);
  std::erase_if(stored_, [](const Stored& stored) { return !stored.live; });
  if (stored_.capacity() / 4 > stored_.size()) stored_.shrink_to_fit();
}

void OrderedMap::clear() {
  if (size_ > 0) ++changes_;
  stored_ = {};
  index_.reset(0);
  size_ = 0;
  bytes_ = 0;
}

}  // namespace steward::detail::server
