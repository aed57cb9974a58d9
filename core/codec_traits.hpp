// What can travel, as compile-time questions about types.
#pragma once

#include <chrono>
#include <complex>
#include <concepts>
#include <memory>
#include <optional>
#include <ranges>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>

#include <steward/core/borrowed.hpp>
#include <steward/core/codec_msgpack.hpp>
#include <steward/core/padding.hpp>
#include <steward/core/value.hpp>
#include <steward/core/writer.hpp>

namespace steward::detail::core {

// Where msgpack-cxx writes to.
class StringSink {
 public:
  explicit StringSink(std::string& out) : out_(&out) {}
  void write(const char* data, std::size_t size) { out_->append(data, size); }

 private:
  std::string* out_;
};

}  // namespace steward::detail::core

namespace msgpack {
MSGPACK_API_VERSION_NAMESPACE(v1) {

// msgpack-cxx writes 3.0 as the integer 3, and -0.0 as 0. Ours stay reals, inside of users' structs
// too.
template <>
inline packer<steward::detail::core::StringSink>&
packer<steward::detail::core::StringSink>::pack_float(float d) {
  std::string bytes;
  steward::detail::core::Writer(bytes).real32(d);
  append_buffer(bytes.data(), bytes.size());
  return *this;
}
template <>
inline packer<steward::detail::core::StringSink>&
packer<steward::detail::core::StringSink>::pack_double(double d) {
  std::string bytes;
  steward::detail::core::Writer(bytes).real(d);
  append_buffer(bytes.data(), bytes.size());
  return *this;
}
}
}  // namespace msgpack

namespace steward::detail::core {

// A class with MSGPACK_DEFINE.
template <class T>
concept PacksItself = requires(const T& value, msgpack::packer<StringSink>& packer) {
  value.msgpack_pack(packer);
};

// A time travels as its count, since raw bytes could not be ordered.
template <class T>
inline constexpr bool kTime = false;
template <class Rep, class Period>
inline constexpr bool kTime<std::chrono::duration<Rep, Period>> = true;
template <class Clock, class Duration>
inline constexpr bool kTime<std::chrono::time_point<Clock, Duration>> = true;

// A class that is nothing but bytes, though it may have an adaptor: see TravelsRaw. (borrows<T>()
// comes last: it may be asked only of a class that has passed the other tests.)
template <class T>
concept Raw = std::is_class_v<T> && std::is_trivially_copyable_v<T> && std::copyable<T> &&
              std::default_initializable<T> && !std::is_empty_v<T> && !kView<T> && !kTime<T> &&
              !ProxyType<T> && !PacksItself<T> && !borrows<T>();

// What msgpack-cxx has adaptors for, or ours below: no long double, no char16_t.
template <class T>
concept Scalar = std::is_enum_v<T> || std::same_as<T, bool> || std::same_as<T, char> ||
                 std::same_as<T, wchar_t> || Integer<T> || std::same_as<T, float> ||
                 std::same_as<T, double>;

template <class T>
concept Unpackable = !Scalar<T> && !std::is_array_v<T> && !Raw<T> && !ProxyType<T> &&
                     !PacksItself<T>;

// Marks the adaptor that stands for "there is none", and that of raw structs.
struct NoAdaptor {};
struct RawAdaptor {};

}  // namespace steward::detail::core

namespace msgpack {
MSGPACK_API_VERSION_NAMESPACE(v1) {
  namespace adaptor {

  template <class T>
    requires steward::detail::core::Unpackable<T>
  struct pack<T> : steward::detail::core::NoAdaptor {};

  template <class T>
    requires steward::detail::core::Raw<T>
  struct pack<T> : steward::detail::core::RawAdaptor {
    template <class Stream>
    packer<Stream>& operator()(packer<Stream>& out, const T& value) const {
      static_assert(sizeof(T) <= UINT32_MAX);
      const auto bytes = steward::detail::core::clean_bytes(value);
      out.pack_bin(static_cast<std::uint32_t>(bytes.size()));
      out.pack_bin_body(bytes.data(), static_cast<std::uint32_t>(bytes.size()));
      return out;
    }
  };

  }  // namespace adaptor
}
}  // namespace msgpack

namespace steward::detail::core {

// Travels as its bytes, which can be told apart but neither ordered nor searched.
template <class T>
concept TravelsRaw = std::derived_from<msgpack::adaptor::pack<T>, RawAdaptor>;

// The user gave an adaptor of his own, in msgpack-cxx's namespace for that: it decides alone.
template <class T>
inline constexpr bool kUserAdaptor =
    !std::derived_from<msgpack::adaptor::pack<T>, msgpack::v1::adaptor::pack<T>>;

template <class T>
constexpr bool travels();

template <class T>
inline constexpr bool kParts = true;  // whether all that T is made of can travel
template <class T>
  requires(std::ranges::range<T> && !std::is_array_v<T>)
inline constexpr bool kParts<T> = travels<std::ranges::range_value_t<T>>();
template <class T, std::size_t N>
inline constexpr bool kParts<T[N]> = travels<T>();
template <class... T>
inline constexpr bool kParts<std::tuple<T...>> = (travels<T>() && ...);
template <class A, class B>
inline constexpr bool kParts<std::pair<A, B>> = travels<std::remove_const_t<A>>() && travels<B>();
template <class T>
inline constexpr bool kParts<std::complex<T>> = travels<T>();
template <class T>
inline constexpr bool kParts<std::optional<T>> = travels<T>();
template <class T>
inline constexpr bool kParts<std::shared_ptr<T>> = travels<T>();
template <class T, class Deleter>
inline constexpr bool kParts<std::unique_ptr<T, Deleter>> = travels<T>();

template <class T>
constexpr bool travels() {
  if constexpr (std::is_reference_v<T> || std::is_const_v<T> || std::is_volatile_v<T> || kView<T> ||
                kHidesPointer<T>) {
    return false;
  } else if constexpr (std::derived_from<msgpack::adaptor::pack<T>, NoAdaptor>) {
    return false;
  } else if constexpr (std::is_pointer_v<T>) {
    return false;  // msgpack-cxx would write the text behind a char*
  } else if constexpr (PacksItself<T>) {
    return !holds_view<T>();  // a pointer may be left out; what a view was read as would be gone
  } else if constexpr (ProxyType<T> || TravelsRaw<T> || kUserAdaptor<T>) {
    return true;
  } else {
    return kParts<T>;
  }
}

// Not a pointer, not a view, and msgpack-cxx knows how; the same of all that it is made of, as far
// as that can be seen: into structs as far as borrows() sees, of those with MSGPACK_DEFINE only
// whether a member is a view.
template <class T>
concept Packable = travels<T>();

}  // namespace steward::detail::core
