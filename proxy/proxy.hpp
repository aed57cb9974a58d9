// ProxyOf: what all proxies have in common.
#pragma once

#include <cstddef>
#include <functional>
#include <ostream>
#include <string>
#include <string_view>
#include <utility>

#include <steward/core/value.hpp>
#include <steward/proxy/blocking.hpp>
#include <steward/proxy/handle.hpp>

namespace steward {
namespace detail::proxy {

// The base of the proxy Self (class List : public ProxyOf<List, ...>), whose methods are Methods
// under a call policy. Self has a kType, the class's name on the wire.
//
// A proxy is a value: copyable, comparable, hashable, packable wherever a value is. It stands for
// an object in a manager, forwards its methods there, and keeps it alive: when the last proxy
// anywhere is gone, the object is destroyed. Copies and comparison cost no call; a destructor never
// waits for the network. A default-constructed proxy is empty: its calls, and packing it, throw
// StaleHandle.
//
// Thread safety: calls may be made from any thread and after a fork; assignment to one and the same
// proxy object needs care as with std::shared_ptr.
//
// Every method throws Disconnected if the manager is out of reach, OutcomeUnknown if it was lost
// while it changed something, StaleHandle if the object is gone, TimeoutError past a timeout.
template <class Self, template <class Calls> class Methods>
class ProxyOf : public Methods<Blocking> {
 public:
  ProxyOf() : Methods<Blocking>(Self::kType) {}

  explicit operator bool() const { return this->reference() != nullptr; }

  // The same object for elsewhere: text for argv, environment, files. Throws StaleHandle if empty.
  Handle handle() const { return Handle(this->reference()); }

  // A copy of which every call ends after that time with TimeoutError, and is cancelled. For a
  // timed form (get_for) the shorter of both times counts.
  template <class Rep, class Period>
  Self with_timeout(std::chrono::duration<Rep, Period> timeout) const {
    Self copy = self();
    static_cast<ProxyOf&>(copy).set_timeout(timeout);
    return copy;
  }

  // The same object, whatever its contents and the timeouts.
  friend bool operator==(const Self& a, const Self& b) {
    return same_object(a.reference(), b.reference());
  }

  // The contents as spaced JSON: [0, 1, 4]. One call; an empty proxy says that it is empty.
  friend std::ostream& operator<<(std::ostream& out, const Self& proxy) {
    if (!proxy) return out << representation(nullptr, Self::kType);
    return out << static_cast<const ProxyOf&>(proxy).read_as(As<std::string>(), reading("str"));
  }

  // For codecs and factories: the proxy of this object. A token that was merely decoded is claimed
  // at once. Throws StaleHandle, Disconnected.
  static Self from_reference(core::ReferencePtr reference) {
    Self proxy;
    static_cast<ProxyOf&>(proxy).refer_to(std::move(reference));
    return proxy;
  }

 protected:
  const Self& self() const { return static_cast<const Self&>(*this); }
};

}  // namespace detail::proxy

// <ListProxy object, typeid 'list' at 0x3>, as Python's repr(). No call.
template <detail::core::ProxyType P>
std::string repr(const P& proxy) {
  return detail::proxy::representation(proxy.reference(), P::kType);
}

}  // namespace steward

template <steward::detail::core::ProxyType P>
struct std::hash<P> {
  std::size_t operator()(const P& proxy) const noexcept {
    return steward::detail::proxy::hash_object(proxy.reference());
  }
};
