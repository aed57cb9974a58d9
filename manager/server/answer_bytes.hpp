// How many bytes values take in an answer, so that what is written can be read: a method refuses
// what it could never give back, and gives away no more than one answer carries.
#pragma once

#include <cstddef>
#include <optional>
#include <vector>

#include <steward/core/value.hpp>

namespace steward::detail::server {

// What an envelope of replies takes beside them: version, kind and two headers.
inline constexpr std::size_t kEnvelopeBytes = 8;

// At most so many. Exact for values with handles; what it costs does not grow with others.
std::size_t answer_bytes_most(const Value& value);

// nullopt: it takes `limit` at most; else how many it takes.
std::optional<std::size_t> longer_than(std::size_t limit, const Value& value);

// Throws Overloaded if the value alone takes more than `limit`.
void require_answerable(const Value& value, std::size_t limit);
inline void require_answerable(const std::vector<Value>& values, std::size_t limit) {
  for (const Value& value : values) require_answerable(value, limit);
}
inline void require_answerable(const Value::Map& entries, std::size_t limit) {
  for (const auto& [key, value] : entries) {
    require_answerable(key, limit);
    require_answerable(value, limit);
  }
}

}  // namespace steward::detail::server
