#include <steward/client/terms.hpp>

#include <algorithm>
#include <utility>

namespace steward::detail::client {

TermsPtr Terms::with(const std::vector<Allow>& others) const {
  auto both = std::make_shared<Terms>(*this);
  for (const Allow& each : others) {
    const bool known = std::ranges::find(both->allow, each) != both->allow.end();
    if (!known) both->allow.push_back(each);
  }
  return both;
}

void AlsoAllow::add(const Terms::Allow& allow) {
  std::erase_if(all_, [](const auto& each) { return each.expired(); });
  // Without taking hold of it: whoever lets go of it last runs the program's code.
  const auto is_it = [&](const auto& each) {
    return !each.owner_before(allow) && !allow.owner_before(each);
  };
  if (std::ranges::none_of(all_, is_it)) all_.push_back(allow);
}

std::vector<Terms::Allow> AlsoAllow::alive() const {
  std::vector<Terms::Allow> alive;
  for (const auto& each : all_) {
    if (Terms::Allow allow = each.lock()) alive.push_back(std::move(allow));
  }
  return alive;
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
