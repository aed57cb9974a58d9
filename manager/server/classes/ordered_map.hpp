// An insertion-ordered hash map from Value to Value: what a dict holds.
#pragma once

#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include <steward/core/auth.hpp>
#include <steward/core/value.hpp>
#include <steward/manager/server/classes/value_index.hpp>

namespace steward::detail::server {

// Entries stand in a vector in the order of their insertion; an erased one leaves a gap, and gaps
// are closed when they are the majority. Finding, inserting, erasing and taking the last are
// constant time on average. The seed shows in nothing but the time that things take.
//
// Invariants: 1. the last entry of the vector is no gap; 2. the index holds exactly the entries
// that are no gaps.
//
// Thread safety: none; part of the core. Pointers to values hold until the next change.
class OrderedMap {
 public:
  struct Entry {
    Value key;
    Value value;
  };

  explicit OrderedMap(const core::HashSeed& seed) : seed_(seed) {}

  std::size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }

  // nullptr: there is no such key.
  const Value* find(const Value& key) const;

  // A key that is there keeps its place and its spelling: after set(1, ...), set(1.0, ...) the key
  // is 1, as in Python.
  void set(Value key, Value value);
  // The value under `key`, which is `value` if the key was not there.
  const Value& find_or_set(Value key, Value value);
  // Puts f(value) in the place of the value under `key`, unless that is nullopt. False: there is no
  // such key.
  template <class F>
  bool replace(const Value& key, F&& f);

  // nullopt: there is no such key.
  std::optional<Value> take(const Value& key);
  // The entry inserted last. REQUIRES: !empty().
  const Entry& last() const { return stored_.back().entry; }
  Entry take_last();
  void clear();

  // How often it has changed.
  std::uint64_t changes() const { return changes_; }
  // Of all keys and values, by Value::footprint.
  std::size_t bytes() const { return bytes_; }

  // Calls f(key, value) in the order of insertion.
  template <class F>
  void for_each(F&& f) const {
    for (const Stored& stored : stored_) {
      if (stored.live) f(stored.entry.key, stored.entry.value);
    }
  }

 private:
  struct Stored {
    Entry entry;
    std::uint32_t hash;
    bool live = true;  // false: a gap
  };

  // kNone: there is no such key.
  std::uint32_t position_of(const Value& key) const;
  std::uint32_t position_of(const Value& key, std::uint32_t hash) const;
  void replace_at(std::uint32_t position, Value value);
  Stored& append(Value key, Value value, std::uint32_t hash);
  // Takes the entry out of the index and the vector.
  Entry remove(std::uint32_t position);
  void close_gaps();

  const core::HashSeed seed_;
  std::vector<Stored> stored_;
  ValueIndex index_;
  std::size_t size_ = 0;
  std::size_t bytes_ = 0;
  std::uint64_t changes_ = 0;
};

template <class F>
bool OrderedMap::replace(const Value& key, F&& f) {
  const std::uint32_t at = position_of(key);
  if (at == ValueIndex::kNone) return false;
  std::optional<Value> value = f(std::as_const(stored_[at].entry.value));
  if (value) replace_at(at, *std::move(value));
  return true;
}

}  // namespace steward::detail::server
