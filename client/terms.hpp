// Terms: on what terms sessions are made. ConnectOptions, with what was derived from the key in the
// place of its text, which nobody shall find in memory later.
#pragma once

#include <algorithm>
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <steward/client/options.hpp>
#include <steward/core/auth_key.hpp>

namespace steward::detail::client {

// A value; immutable once it is shared.
struct Terms {
  using Allow = std::shared_ptr<const std::function<bool(std::string_view address)>>;

  std::optional<core::KeyPairs> keys = {};
  std::chrono::milliseconds timeout = ConnectOptions().timeout;
  // All must agree.
  std::vector<Allow> allow = {};

  bool allows(std::string_view address) const {
    return std::ranges::all_of(allow, [&](const Allow& each) { return (*each)(address); });
  }
  // These terms where those must agree, too.
  std::shared_ptr<const Terms> with(const std::vector<Allow>& others) const;
};
using TermsPtr = std::shared_ptr<const Terms>;

// Who must agree, too, as long as somebody keeps it. Thread safety: as of a container.
class AlsoAllow {
 public:
  void add(const Terms::Allow& allow);
  std::vector<Terms::Allow> alive() const;

 private:
  std::vector<std::weak_ptr<Terms::Allow::element_type>> all_;
};

// The pointer, whose copies keep these.
template <class T>
std::shared_ptr<T> keeping(std::vector<Terms::Allow> allow, std::shared_ptr<T> pointer) {
  if (allow.empty()) return pointer;
  T* const raw = pointer.get();
  using Both = std::pair<std::shared_ptr<T>, std::vector<Terms::Allow>>;
  return {std::make_shared<Both>(std::move(pointer), std::move(allow)), raw};
}

// A key counts for tcp only, and is derived only if one of the addresses is such. Throws BadCall
// for a damaged key.
TermsPtr terms_of(const ConnectOptions& options, const std::vector<std::string>& addresses);

}  // namespace steward::detail::client
