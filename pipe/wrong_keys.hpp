// WrongKeys: what is said on standard error of those who come without the key of a Listener.
#pragma once

#include <cstddef>
#include <string>
#include <utility>

#include <steward/core/clock.hpp>

namespace steward::detail::pipe {

// The first is told at once; after that one line a minute tells how many there were since the last
// one, whenever another one comes. What standard error does not take at once is told later.
//
// Thread safety: none.
class WrongKeys {
 public:
  // Of the Listener at this address.
  explicit WrongKeys(std::string address) : address_(std::move(address)) {}

  void add(core::Time now) noexcept;

 private:
  bool say() const;

  const std::string address_;
  std::size_t count_ = 0;  // since the last line
  core::Deadline silent_until_;
};

}  // namespace steward::detail::pipe
