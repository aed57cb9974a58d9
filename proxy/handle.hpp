// Handle: names an object of any type outside of this process, as text or bytes. open() makes a
// proxy of it again.
#pragma once

#include <compare>
#include <concepts>
#include <cstddef>
#include <functional>
#include <iosfwd>
#include <string>
#include <string_view>

#include <steward/client/options.hpp>
#include <steward/core/codec.hpp>
#include <steward/core/token.hpp>

namespace steward {

// What a proxy's handle() gives. A value that keeps the object alive as a proxy does, and packable
// as one. Thread safety: as std::shared_ptr.
class Handle {
 public:
  Handle() = default;  // empty
  // Claims the object if this process has no reference to it yet. Throws StaleHandle, Disconnected.
  explicit Handle(detail::core::ReferencePtr reference);

  // Text for argv, environment, files, another language. It keeps the object alive for a minute
  // (detail::core::Limits::claim_lease), so that there is time to open it; each call asks the
  // manager for such a lease. Throws StaleHandle if empty, Overloaded if too many are under way.
  std::string str() const;

  // "list", "dict", ...; empty for an empty handle.
  std::string_view typeid_name() const;

  explicit operator bool() const { return owned_ != nullptr; }
  // By object, not by contents.
  friend bool operator==(const Handle& a, const Handle& b) { return (a <=> b) == 0; }
  friend std::strong_ordering operator<=>(const Handle& a, const Handle& b);
  // Prints str().
  friend std::ostream& operator<<(std::ostream& out, const Handle& handle);

  const detail::core::ReferencePtr& owned() const { return owned_; }  // for codecs

 private:
  detail::core::ReferencePtr owned_;
};

namespace detail::proxy {

// Connects if there is no session yet, and claims. Throws BadCall if the text is no handle or its
// object is not of this type, StaleHandle if the object is gone, Disconnected,
// AuthenticationError.
core::ReferencePtr open_reference(std::string_view text, std::string_view type,
                                  const ConnectOptions& options);
// Checks the type.
core::ReferencePtr open_reference(const Handle& handle, std::string_view type);

}  // namespace detail::proxy

// The proxy of a handle that was written down: open<List<int>>(text). Connects to its manager if
// this process has no session with it yet, and owns a reference when it returns. Throws BadCall if
// the text is no handle, or of another type than P; StaleHandle if the object is gone;
// Disconnected; AuthenticationError.
template <detail::core::ProxyType P>
P open(std::string_view text, const ConnectOptions& options = {}) {
  return P::from_reference(detail::proxy::open_reference(text, P::kType, options));
}

template <detail::core::ProxyType P>
P open(const Handle& handle, const ConnectOptions& = {}) {
  return P::from_reference(detail::proxy::open_reference(handle, P::kType));
}

}  // namespace steward

template <>
struct std::hash<steward::Handle> {
  std::size_t operator()(const steward::Handle& handle) const noexcept;
};

// A handle travels as a proxy does: as an extension.
namespace msgpack {
MSGPACK_API_VERSION_NAMESPACE(MSGPACK_DEFAULT_API_NS) {
  namespace adaptor {

  template <>
  struct pack<steward::Handle> {
    template <class Stream>
    packer<Stream>& operator()(packer<Stream>& out, const steward::Handle& handle) const {
      return pack<steward::Value>()(out, steward::Value::of_reference(handle.owned()));
    }
  };

  template <>
  struct convert<steward::Handle> {
    const msgpack::object& operator()(const msgpack::object& in, steward::Handle& handle) const {
      steward::Value value;
      convert<steward::Value>()(in, value);
      handle = steward::Handle(value.reference());
      return in;
    }
  };

  }  // namespace adaptor
}
}  // namespace msgpack
