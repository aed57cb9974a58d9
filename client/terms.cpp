#include <steward/client/terms.hpp>

#include <algorithm>

namespace steward::detail::client {

TermsPtr Terms::with(const std::vector<Allow>& others) const {
  auto both = std::make_shared<Terms>(*this);
  for (const Allow& each : others) {
    const bool known = std::ranges::find(both->allow, each) != both->allow.end();
    if (!known) both->allow.push_back(each);
  }
  return both;
}

TermsPtr terms_of(const ConnectOptions& options, const std::vector<std::string>& addresses) {
  auto terms = std::make_shared<Terms>();
  terms->timeout = options.timeout;
  if (options.allow) {
    terms->allow.push_back(std::make_shared<Terms::Allow::element_type>(options.allow));
  }
  const auto is_remote = [](const std::string& address) { return address.starts_with("tcp:"); };
  if (!options.key.empty() && std::ranges::any_of(addresses, is_remote)) {
    terms->keys = core::derive_key_pairs(options.key);
  }
  return terms;
}

}  // namespace steward::detail::client
