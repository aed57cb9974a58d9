#include <steward/client/terms.hpp>

#include <algorithm>

namespace steward::detail::client {

TermsPtr terms_of(const ConnectOptions& options, const std::vector<std::string>& addresses) {
  auto terms = std::make_shared<Terms>();
  terms->timeout = options.timeout;
  terms->allow = options.allow;
  const auto is_remote = [](const std::string& address) { return address.starts_with("tcp:"); };
  if (!options.key.empty() && std::ranges::any_of(addresses, is_remote)) {
    terms->keys = core::derive_key_pairs(options.key);
  }
  return terms;
}

}  // namespace steward::detail::client
