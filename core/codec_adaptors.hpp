// How enums, raw structs, times, Value and proxies are packed and unpacked by msgpack-cxx.
//
// It looks adaptors up in a chain: v3, a user's, then v2, then its own in v1. Ours for whole
// families of types stand in v1, so that they lose to every built-in and every user adaptor; those
// for times in v2, since v1 has one that makes of some of them an extension that no server takes.
#pragma once

#include <chrono>
#include <cstring>
#include <string>
#include <type_traits>

#include <steward/core/codec_traits.hpp>
#include <steward/core/handle_codec.hpp>
#include <steward/core/value.hpp>

namespace msgpack {
MSGPACK_API_VERSION_NAMESPACE(v1) {
  namespace adaptor {

  template <class T>
    requires std::is_enum_v<T>
  struct pack<T> {
    template <class Stream>
    packer<Stream>& operator()(packer<Stream>& out, const T& value) const {
      return out << static_cast<std::underlying_type_t<T>>(value);
    }
  };

  template <class T>
    requires std::is_enum_v<T>
  struct convert<T> {
    const msgpack::object& operator()(const msgpack::object& in, T& value) const {
      value = static_cast<T>(in.as<std::underlying_type_t<T>>());
      return in;
    }
  };

  template <class T>
    requires steward::detail::core::Raw<T>
  struct convert<T> {
    const msgpack::object& operator()(const msgpack::object& in, T& value) const {
      const bool fits = in.type == msgpack::type::BIN && in.via.bin.size == sizeof(T);
      if (!fits) throw msgpack::type_error();
      std::memcpy(static_cast<void*>(&value), in.via.bin.ptr, sizeof(T));
      return in;
    }
  };

  }  // namespace adaptor
}
MSGPACK_API_VERSION_NAMESPACE(v2) {
  namespace adaptor {

  template <class Rep, class Period>
  struct pack<std::chrono::duration<Rep, Period>> {
    template <class Stream>
    packer<Stream>& operator()(packer<Stream>& out,
                               const std::chrono::duration<Rep, Period>& value) const {
      return out << value.count();
    }
  };

  template <class Rep, class Period>
  struct convert<std::chrono::duration<Rep, Period>> {
    const msgpack::object& operator()(const msgpack::object& in,
                                      std::chrono::duration<Rep, Period>& value) const {
      value = std::chrono::duration<Rep, Period>(in.as<Rep>());
      return in;
    }
  };

  template <class Clock, class Duration>
  struct pack<std::chrono::time_point<Clock, Duration>> {
    template <class Stream>
    packer<Stream>& operator()(packer<Stream>& out,
                               const std::chrono::time_point<Clock, Duration>& value) const {
      return out << value.time_since_epoch();
    }
  };

  template <class Clock, class Duration>
  struct convert<std::chrono::time_point<Clock, Duration>> {
    const msgpack::object& operator()(const msgpack::object& in,
                                      std::chrono::time_point<Clock, Duration>& value) const {
      value = std::chrono::time_point<Clock, Duration>(in.as<Duration>());
      return in;
    }
  };

  }  // namespace adaptor
}
MSGPACK_API_VERSION_NAMESPACE(MSGPACK_DEFAULT_API_NS) {
  namespace adaptor {

  template <>
  struct pack<steward::Value> {
    template <class Stream>
    packer<Stream>& operator()(packer<Stream>& out, const steward::Value& value) const {
      const std::string bytes = steward::detail::core::encoded(value);
      // msgpack-cxx has no way to append bytes that are MessagePack already but this one.
      out.pack_bin_body(bytes.data(), static_cast<std::uint32_t>(bytes.size()));
      return out;
    }
  };

  template <>
  struct convert<steward::Value> {
    const msgpack::object& operator()(const msgpack::object& in, steward::Value& value) const {
      std::string bytes;
      steward::detail::core::StringSink sink(bytes);
      packer<steward::detail::core::StringSink>(sink).pack(in);
      value = steward::detail::core::decoded(bytes);
      return in;
    }
  };

  template <class T>
    requires steward::detail::core::ProxyType<T>
  struct pack<T> {
    template <class Stream>
    packer<Stream>& operator()(packer<Stream>& out, const T& proxy) const {
      return pack<steward::Value>()(out, steward::Value(proxy));
    }
  };

  template <class T>
    requires steward::detail::core::ProxyType<T>
  struct convert<T> {
    const msgpack::object& operator()(const msgpack::object& in, T& proxy) const {
      if (in.type != msgpack::type::EXT) throw msgpack::type_error();
      proxy = T::from_reference(steward::detail::core::incoming_reference(
          {in.via.ext.type(), {in.via.ext.data(), in.via.ext.size}}, T::kType));
      return in;
    }
  };

  }  // namespace adaptor
}
}  // namespace msgpack
