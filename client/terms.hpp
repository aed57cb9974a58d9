// Terms: on what terms sessions are made. ConnectOptions, with what was derived from the key in the
// place of its text, which nobody shall find in memory later.
#pragma once

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
  std::optional<core::KeyPairs> keys = {};
  std::chrono::milliseconds timeout = ConnectOptions().timeout;
  std::function<bool(std::string_view address)> allow = {};
};
using TermsPtr = std::shared_ptr<const Terms>;

// A key counts for tcp only, and is derived only if one of the addresses is such. Throws BadCall
// for a damaged key.
TermsPtr terms_of(const ConnectOptions& options, const std::vector<std::string>& addresses);

}  // namespace steward::detail::client
