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
#include <vector>

#include <steward/client/options.hpp>
#include <steward/core/auth_key.hpp>

namespace steward::detail::client {

// A value; immutable once it is shared.
struct Terms {
  using Allow = std::shared_ptr<const std::function<bool(std::string_view address)>>;

  std::optional<core::KeyPairs> keys = {};
  std::chrono::milliseconds timeout = ConnectOptions().timeout;
  // Of everybody who has connected the session: all must agree.
  std::vector<Allow> allow = {};

  bool allows(std::string_view address) const {
    return std::ranges::all_of(allow, [&](const Allow& each) { return (*each)(address); });
  }
  // These terms where those must agree, too.
  std::shared_ptr<const Terms> with(const std::vector<Allow>& others) const;
};
using TermsPtr = std::shared_ptr<const Terms>;

// A key counts for tcp only, and is derived only if one of the addresses is such. Throws BadCall
// for a damaged key.
TermsPtr terms_of(const ConnectOptions& options, const std::vector<std::string>& addresses);

}  // namespace steward::detail::client
