#include <steward/manager/server/classes/value_index.hpp>

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <string_view>
#include <utility>

namespace steward::detail::server {
namespace {

// What is told apart by more than its bytes: the text "a" and the byte "a" are different keys.
enum class Shape : std::uint64_t {
  nil = 1,
  boolean,
  natural,
  negative,
  fraction,
  text,
  bytes,
  list,
  entry,
  map,
  proxy
};

std::uint64_t hash_bytes(const core::HashSeed& seed, Shape shape, std::string_view data) {
  constexpr std::uint64_t kOdd = 0x9e3779b97f4a7c15;  // spreads the shape over all bits
  return core::keyed_hash(seed, data) ^ (static_cast<std::uint64_t>(shape) * kOdd);
}

template <class... Word>
std::uint64_t hash_words(const core::HashSeed& seed, Shape shape, Word... words) {
  const std::array<std::uint64_t, sizeof...(words)> data{words...};
  return hash_bytes(seed, shape, {reinterpret_cast<const char*>(data.data()), sizeof data});
}

std::uint64_t hash_integer(const core::HashSeed& seed, std::int64_t number) {
  return hash_words(seed, number < 0 ? Shape::negative : Shape::natural,
                    static_cast<std::uint64_t>(number));
}

// A real that is a whole number hashes as that integer, because it equals it.
std::uint64_t hash_real(const core::HashSeed& seed, double number) {
  if (std::isnan(number)) return hash_words(seed, Shape::fraction, std::uint64_t{0});
  if (number == std::trunc(number)) {
    if (number >= -0x1p63 && number < 0x1p63) {
      return hash_integer(seed, static_cast<std::int64_t>(number));
    }
    if (number > 0 && number < 0x1p64) {
      return hash_words(seed, Shape::natural, static_cast<std::uint64_t>(number));
    }
  }
  return hash_words(seed, Shape::fraction, std::bit_cast<std::uint64_t>(number));
}

std::uint64_t hash_reference(const core::HashSeed& seed, const core::ReferencePtr& reference) {
  if (!reference) return hash_words(seed, Shape::proxy, std::uint64_t{0});
  const core::Token& token = reference->token();
  const std::uint64_t manager = hash_bytes(seed, Shape::proxy, token.incarnation.view());
  return hash_words(seed, Shape::proxy, manager, core::number(token.object));
}

// Recursion is bounded: values are at most core::kValueDepth deep.
std::uint64_t hash(const core::HashSeed& seed, const Value& value) {
  switch (value.kind()) {
    case ValueKind::nil: return hash_words(seed, Shape::nil, std::uint64_t{0});
    case ValueKind::boolean:
      return hash_words(seed, Shape::boolean, std::uint64_t{value.boolean()});
    case ValueKind::integer:
      return value.is<std::int64_t>() ? hash_integer(seed, value.integer())
                                      : hash_words(seed, Shape::natural, value.natural());
    case ValueKind::real: return hash_real(seed, value.real());
    case ValueKind::string: return hash_bytes(seed, Shape::text, value.string());
    case ValueKind::bytes: return hash_bytes(seed, Shape::bytes, value.bytes());
    case ValueKind::list: {
      std::uint64_t all = value.list().size();
      for (const Value& item : value.list()) {
        all = hash_words(seed, Shape::list, all, hash(seed, item));
      }
      return hash_words(seed, Shape::list, all);
    }
    case ValueKind::map: {
      // A sum, so that the order of the entries does not matter.
      std::uint64_t sum = 0;
      for (const auto& [key, item] : value.map()) {
        sum += hash_words(seed, Shape::entry, hash(seed, key), hash(seed, item));
      }
      return hash_words(seed, Shape::map, std::uint64_t{value.map().size()}, sum);
    }
    case ValueKind::proxy: return hash_reference(seed, value.reference());
  }
  return 0;
}

}  // namespace

std::uint32_t hash_value(const core::HashSeed& seed, const Value& value) {
  return static_cast<std::uint32_t>(hash(seed, value));
}

// At most two thirds are taken: linear probing is short then.
std::size_t ValueIndex::slots_for(std::size_t count) {
  constexpr std::size_t kLeast = 8;
  return count == 0 ? 0 : std::max(kLeast, std::bit_ceil(count + count / 2 + 1));
}

void ValueIndex::reserve(std::size_t count) {
  const std::size_t wanted = slots_for(count);
  if (wanted <= slots_.size()) return;
  const std::vector<Slot> old = std::exchange(slots_, std::vector<Slot>(wanted));
  for (const Slot& slot : old) {
    if (slot.position != kNone) insert(slot.hash, slot.position);
  }
}

void ValueIndex::insert(std::uint32_t hash, std::uint32_t position) noexcept {
  std::size_t at = hash & mask();
  while (slots_[at].position != kNone) at = (at + 1) & mask();
  slots_[at] = {hash, position};
}

void ValueIndex::erase(std::uint32_t hash, std::uint32_t position) noexcept {
  std::size_t hole = hash & mask();
  while (slots_[hole].position != position) hole = (hole + 1) & mask();
  for (std::size_t at = (hole + 1) & mask(); slots_[at].position != kNone; at = (at + 1) & mask()) {
    // A pair may move back into the hole unless that lies before the slot where its search begins.
    const std::size_t home = slots_[at].hash & mask();
    if (((at - home) & mask()) < ((at - hole) & mask())) continue;
    slots_[hole] = slots_[at];
    hole = at;
  }
  slots_[hole] = Slot{};
}

void ValueIndex::reset(std::size_t count) { slots_ = std::vector<Slot>(slots_for(count)); }

}  // namespace steward::detail::server
