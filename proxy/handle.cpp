#include <steward/proxy/handle.hpp>

#include <new>
#include <ostream>
#include <utility>

#include <fmt/format.h>

#include <steward/client/reference.hpp>
#include <steward/core/errors.hpp>
#include <steward/proxy/target.hpp>

namespace steward {

Handle::Handle(detail::core::ReferencePtr reference) try
    : owned_(detail::proxy::owned(std::move(reference))) {
  if (!owned_) throw StaleHandle("an empty proxy has no handle");
} catch (const std::bad_alloc&) {
  throw Overloaded("no memory is left for a handle");
}

std::string Handle::str() const try {
  if (!owned_) throw StaleHandle("the handle is empty");
  detail::client::session_of(owned_);  // one that was merely decoded is claimed now
  return detail::core::token_text(owned_->outgoing());
} catch (const std::bad_alloc&) {
  throw Overloaded("no memory is left for the text of a handle");
}

std::string_view Handle::typeid_name() const {
  return owned_ ? std::string_view(owned_->token().type) : std::string_view();
}

std::strong_ordering operator<=>(const Handle& a, const Handle& b) {
  if (!a || !b) return bool(a) <=> bool(b);
  const detail::core::Token& left = a.owned_->token();
  const detail::core::Token& right = b.owned_->token();
  if (const auto order = left.incarnation <=> right.incarnation; order != 0) return order;
  return left.object <=> right.object;
}

std::ostream& operator<<(std::ostream& out, const Handle& handle) { return out << handle.str(); }

namespace detail::proxy {
namespace {

void check_type(const core::Token& token, std::string_view wanted) {
  if (core::fits(token, wanted)) return;
  throw BadCall(
      fmt::format("open: {} is a {}, not a {}", core::describe(token), token.type, wanted));
}

}  // namespace

core::ReferencePtr open_reference(std::string_view text, std::string_view type,
                                  const ConnectOptions& options) {
  const core::Token token = core::parse_token(text);
  check_type(token, type);
  core::ReferencePtr reference = client::open_token(token, options);
  // The text may have lied; the manager does not.
  check_type(reference->token(), type);
  return reference;
}

core::ReferencePtr open_reference(const Handle& handle, std::string_view type) {
  if (!handle) throw StaleHandle("open: the handle is empty");
  check_type(handle.owned()->token(), type);
  return handle.owned();
}

}  // namespace detail::proxy
}  // namespace steward

std::size_t std::hash<steward::Handle>::operator()(const steward::Handle& handle) const noexcept {
  return steward::detail::proxy::hash_object(handle.owned());
}
