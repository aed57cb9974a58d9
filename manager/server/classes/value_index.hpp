// Finding Values by hash: the hash of a Value, and the table from hashes to positions. OrderedMap
// is made of these two.
//
// Thread safety: none; part of the core.
#pragma once

#include <cstdint>
#include <limits>
#include <vector>

#include <steward/core/auth.hpp>
#include <steward/core/value.hpp>

namespace steward::detail::server {

// Equal Values hash equally: 1 as 1.0, maps in whatever order. Keyed, so that a client that chooses
// keys cannot make them collide; allocates nothing.
std::uint32_t hash_value(const core::HashSeed& seed, const Value& value);

// Open addressing with linear probing over (hash, position) pairs. It knows no keys: whoever owns
// them says whether the one at a position is meant. Erasing shifts the pairs behind back, so that
// there are no tombstones here and tables that are used for years stay as fast as new ones.
class ValueIndex {
 public:
  static constexpr std::uint32_t kNone = std::numeric_limits<std::uint32_t>::max();

  // The position under this hash for which `equals` says true, or kNone.
  template <class Equals>
  std::uint32_t find(std::uint32_t hash, Equals&& equals) const;

  // Makes room for `count` pairs in all. If it throws (std::bad_alloc), nothing has changed.
  void reserve(std::size_t count);
  // REQUIRES: room (reserve), and that the pair is not there.
  void insert(std::uint32_t hash, std::uint32_t position) noexcept;
  // REQUIRES: the pair is there.
  void erase(std::uint32_t hash, std::uint32_t position) noexcept;
  // Forgets all pairs; afterwards there is room for `count`, and not much more.
  void reset(std::size_t count);

 private:
  struct Slot {
    std::uint32_t hash = 0;
    std::uint32_t position = kNone;  // kNone: the slot is empty
  };
  static std::size_t slots_for(std::size_t count);
  std::size_t mask() const { return slots_.size() - 1; }

  std::vector<Slot> slots_;  // none, or a power of two of them, a third of which are empty
};

template <class Equals>
std::uint32_t ValueIndex::find(std::uint32_t hash, Equals&& equals) const {
  if (slots_.empty()) return kNone;
  for (std::size_t at = hash & mask();; at = (at + 1) & mask()) {
    const Slot& slot = slots_[at];
    if (slot.position == kNone) return kNone;
    if (slot.hash == hash && equals(slot.position)) return slot.position;
  }
}

}  // namespace steward::detail::server
