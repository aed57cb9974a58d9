#include <steward/proxy/object.hpp>

#include <steward/core/token.hpp>

namespace steward {
namespace detail::proxy {

Value Untyped::operator()(const Reply& reply) const {
  Value result = As<Value>::read(reply.result);
  // Holds are noted for locks only, and by typed proxies.
  if (unlocks) reply.session->note_unlock(reply.object);
  return result;
}

}  // namespace detail::proxy

std::string Object::describe() const {
  constexpr std::size_t kShown = 60;
  if (!*this) return repr(*this);
  return detail::core::describe(reference()->token()) + ": " + contents(kShown);
}

}  // namespace steward
