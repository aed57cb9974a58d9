// Ids of managers, sessions, leases and objects. Values; compare and hash freely.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <cstring>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace steward::detail::core {

// 128 random bits. Tag keeps a session from being taken for a manager.
template <class Tag>
struct Id128 {
  static constexpr std::size_t kSize = 16;
  std::array<std::uint8_t, kSize> bytes{};

  friend auto operator<=>(const Id128&, const Id128&) = default;

  std::string_view view() const {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
  }

  // nullopt unless `raw` has exactly 16 bytes.
  static std::optional<Id128> from(std::string_view raw) {
    if (raw.size() != kSize) return std::nullopt;
    Id128 id;
    std::memcpy(id.bytes.data(), raw.data(), kSize);
    return id;
  }

  std::string hex() const {
    constexpr std::string_view digits = "0123456789abcdef";
    std::string text;
    for (const std::uint8_t byte : bytes) {
      text += digits[byte >> 4U];
      text += digits[byte & 15U];
    }
    return text;
  }
};

// One life of one manager: a restarted manager has another one, and refuses handles of the old.
using Incarnation = Id128<struct IncarnationTag>;
// One client process's (or remote program's) standing with a manager; survives reconnects.
using SessionId = Id128<struct SessionTag>;
// Names a lease. Whoever receives a handle that has travelled outside a session shows it to the
// manager, which ends the lease.
using Nonce = Id128<struct NonceTag>;

// 16 bits of partition (0 today) above a 48-bit counter; never reused within an incarnation.
enum class ObjectId : std::uint64_t {};
// The manager itself answers calls under this id: create, claim, drop, ...
inline constexpr ObjectId kManagerObject{0};

constexpr std::uint64_t number(ObjectId id) { return static_cast<std::uint64_t>(id); }

}  // namespace steward::detail::core

template <class Tag>
struct std::hash<steward::detail::core::Id128<Tag>> {
  // The bytes are random already.
  std::size_t operator()(const steward::detail::core::Id128<Tag>& id) const noexcept {
    std::size_t hash;
    std::memcpy(&hash, id.bytes.data(), sizeof hash);
    return hash;
  }
};
