// An insertion-ordered hash map from Value to Value: what a dict holds.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include <steward/core/auth.hpp>
#include <steward/core/value.hpp>
#include <steward/manager/server/classes/value_index.hpp>

namespace steward::server {

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
  Value* find(const Value& key);

  // A key that is there keeps its place and its spelling: after set(1, ...), set(1.0, ...) the key
  // is 1, as in Python.
  void set(Value key, Value value);
  // The value under `key`, which is `value` if the key was not there.
  Value& find_or_set(Value key, Value value);

  // nullopt: there is no such key.
  std::optional<Value> take(const Value& key);
  // The entry inserted last. REQUIRES: !empty().
  Entry take_last();
  void clear();

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

  std::uint32_t position_of(const Value& key, std::uint32_t hash) const;
  Stored& append(Value key, Value value, std::uint32_t hash);
  // Takes the entry out of the index and the vector.
  Entry remove(std::uint32_t position);
  void close_gaps();

  const core::HashSeed seed_;
  std::vector<Stored> stored_;
  ValueIndex index_;
  std::size_t size_ = 0;
};

}  // namespace steward::server
