// Typed values as MessagePack: any T that msgpack-cxx can pack, plus ours.
//
// What can travel (Packable): arithmetic types, enums, strings, standard containers, optionals,
// tuples, structs with MSGPACK_DEFINE, Value, proxies, and trivially copyable structs without an
// adaptor, as raw bytes with their size checked. Pointers and views do not compile.
//
// msgpack-cxx looks adaptors up in a chain: its own stand in its namespace v1, a user's in v3. Our
// fallbacks stand in v1, so that they lose to every built-in and every user adaptor.
#pragma once

#include <array>
#include <concepts>
#include <cstring>
#include <string>
#include <string_view>
#include <type_traits>

#include <msgpack.hpp>

#include <steward/core/limits.hpp>
#include <steward/core/reader.hpp>
#include <steward/core/travel.hpp>
#include <steward/core/value.hpp>
#include <steward/core/writer.hpp>

namespace steward::core {

// Where msgpack-cxx writes to.
class StringSink {
 public:
  explicit StringSink(std::string& out) : out_(&out) {}
  void write(const char* data, std::size_t size) { out_->append(data, size); }

 private:
  std::string* out_;
};

// A class with MSGPACK_DEFINE.
template <class T>
concept PacksItself = requires(const T& value, msgpack::packer<StringSink>& packer) {
  value.msgpack_pack(packer);
};

// A class that is nothing but bytes.
template <class T>
concept Raw = std::is_class_v<T> && std::is_trivially_copyable_v<T> &&
              std::default_initializable<T> && !std::is_empty_v<T> && !ProxyType<T> &&
              !PacksItself<T>;

// Marks the adaptor that stands for "there is none".
struct NoAdaptor {};

template <class T>
concept Unpackable = std::is_class_v<T> && !Raw<T> && !ProxyType<T> && !PacksItself<T>;

// Writes the bytes of `value`, its padding cleared: that carries old memory.
template <class T>
std::array<char, sizeof(T)> clean_bytes(T value) {
  std::array<char, sizeof(T)> bytes;
#if defined(__GNUC__) && !defined(__clang__)
  __builtin_clear_padding(&value);
#endif
  std::memcpy(bytes.data(), &value, sizeof(T));
  return bytes;
}

}  // namespace steward::core

namespace msgpack {
MSGPACK_API_VERSION_NAMESPACE(v1) {
  namespace adaptor {

  template <class T>
    requires steward::core::Unpackable<T>
  struct pack<T> : steward::core::NoAdaptor {};

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
    requires steward::core::Raw<T>
  struct pack<T> {
    template <class Stream>
    packer<Stream>& operator()(packer<Stream>& out, const T& value) const {
      const auto bytes = steward::core::clean_bytes(value);
      out.pack_bin(static_cast<std::uint32_t>(bytes.size()));
      out.pack_bin_body(bytes.data(), static_cast<std::uint32_t>(bytes.size()));
      return out;
    }
  };

  template <class T>
    requires steward::core::Raw<T>
  struct convert<T> {
    const msgpack::object& operator()(const msgpack::object& in, T& value) const {
      if (in.type != msgpack::type::BIN || in.via.bin.size != sizeof(T)) throw msgpack::type_error();
      std::memcpy(static_cast<void*>(&value), in.via.bin.ptr, sizeof(T));
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
    packer<Stream>& operator()(packer<Stream>& out, const steward::Value& value) const;
  };

  template <>
  struct convert<steward::Value> {
    const msgpack::object& operator()(const msgpack::object& in, steward::Value& value) const;
  };

  template <class T>
    requires steward::core::ProxyType<T>
  struct pack<T> {
    template <class Stream>
    packer<Stream>& operator()(packer<Stream>& out, const T& proxy) const;
  };

  template <class T>
    requires steward::core::ProxyType<T>
  struct convert<T> {
    const msgpack::object& operator()(const msgpack::object& in, T& proxy) const;
  };

  }  // namespace adaptor
}
}  // namespace msgpack

namespace steward::core {

// Not a pointer, not a view, and msgpack-cxx knows how.
template <class T>
concept Packable =
    !std::is_pointer_v<T> && !std::is_reference_v<T> && !std::same_as<T, std::string_view> &&
    !std::derived_from<msgpack::adaptor::pack<T>, NoAdaptor>;

// Appends the encoded value to `out`. Handles inside go through current_travel().
template <class T>
void pack(std::string& out, const T& value) {
  static_assert(Packable<T>,
                "this type cannot travel: give it MSGPACK_DEFINE(members...), or make it trivially "
                "copyable; pointers and views never travel");
  if constexpr (std::same_as<T, Value>) {
    Writer writer(out);
    encode_value(writer, value, current_travel());
  } else if constexpr (std::same_as<T, std::string>) {
    Writer(out).string(value);
  } else if constexpr (std::same_as<T, bool>) {
    Writer(out).boolean(value);
  } else if constexpr (Integer<T> && std::signed_integral<T>) {
    Writer(out).integer(value);
  } else if constexpr (Integer<T>) {
    Writer(out).natural(value);
  } else {
    StringSink sink(out);
    msgpack::packer<StringSink> packer(sink);
    packer.pack(value);
  }
}

template <class T>
std::string packed(const T& value) {
  std::string out;
  pack(out, value);
  return out;
}

// Whether msgpack's own bytes are read, checked by the caller; throws BadCall on a mismatch.
template <class T>
T convert_checked(std::string_view bytes) {
  try {
    const msgpack::object_handle handle =
        msgpack::unpack(bytes.data(), bytes.size(), [](auto, std::size_t, void*) { return true; });
    return handle.get().as<T>();
  } catch (const msgpack::type_error&) {
    throw BadCall("expected another type, got " + std::string(kind_name(Reader(bytes).peek())));
  } catch (const msgpack::unpack_error& error) {
    throw BadCall(std::string("malformed message: ") + error.what());
  }
}

template <class T>
T unpack_integer(Reader& reader) {
  if (reader.peek() == Kind::natural) {
    const std::uint64_t value = reader.natural();
    if (std::in_range<T>(value)) return static_cast<T>(value);
    throw BadCall("the integer " + std::to_string(value) + " does not fit the type that it is read as");
  }
  const std::int64_t value = reader.integer();
  if (std::in_range<T>(value)) return static_cast<T>(value);
  throw BadCall("the integer " + std::to_string(value) + " does not fit the type that it is read as");
}

// Types checked: a token of a list does not become a Lock.
template <class T>
T proxy_from(const Reader::Extension& extension) {
  if (extension.type != kHandleExtension) {
    throw BadCall("extension type " + std::to_string(extension.type) + " is unknown");
  }
  Token token = decode_token(extension.payload);
  if (token.type != T::kType) {
    throw BadCall("expected a " + std::string(T::kType) + " proxy, got " + describe(token));
  }
  return T::from_reference(current_travel().incoming(std::move(token)));
}

// Reads exactly one value. Handles inside go through current_travel(). Throws BadCall if the bytes
// are malformed or of another type.
template <class T>
T unpack(std::string_view bytes) {
  static_assert(Packable<T>, "this type cannot travel: see Packable");
  Reader reader(bytes);
  if constexpr (std::same_as<T, Value>) {
    return decode_value(bytes, current_travel());
  } else if constexpr (std::same_as<T, std::string>) {
    std::string text(reader.string());
    reader.finish();
    return text;
  } else if constexpr (std::same_as<T, bool>) {
    const bool value = reader.boolean();
    reader.finish();
    return value;
  } else if constexpr (Integer<T>) {
    const T value = unpack_integer<T>(reader);
    reader.finish();
    return value;
  } else if constexpr (ProxyType<T>) {
    const Reader::Extension extension = reader.extension();
    reader.finish();
    return proxy_from<T>(extension);
  } else {
    check_one_item(bytes, kFrameDepth);
    return convert_checked<T>(bytes);
  }
}

template <class T>
T cast_value(const Value& value) {
  // Through bytes: whatever msgpack-cxx can read, a Value can be read as. Proxies inside keep their
  // very references.
  class Same final : public Travel {
   public:
    Token outgoing(const Reference& reference) override {
      Token token = reference.token();
      token.addresses.clear();
      return token;
    }
    ReferencePtr incoming(Token token) override { return find(*root, token); }
    const Value* root = nullptr;

   private:
    static ReferencePtr find(const Value& in, const Token& token) {
      if (!in.has_proxies()) return nullptr;
      if (in.kind() == ValueKind::proxy) {
        const ReferencePtr& here = in.reference();
        const bool same = here && here->token().object == token.object &&
                          here->token().incarnation == token.incarnation;
        return same ? here : nullptr;
      }
      if (in.kind() == ValueKind::list) {
        for (const Value& item : in.list()) {
          if (ReferencePtr found = find(item, token)) return found;
        }
        return nullptr;
      }
      for (const auto& [key, item] : in.map()) {
        if (ReferencePtr found = find(key, token)) return found;
        if (ReferencePtr found = find(item, token)) return found;
      }
      return nullptr;
    }
  } same;
  same.root = &value;
  const TravelScope scope(same);
  return unpack<T>(packed(value));
}

}  // namespace steward::core

namespace msgpack {
MSGPACK_API_VERSION_NAMESPACE(MSGPACK_DEFAULT_API_NS) {
  namespace adaptor {

  template <class Stream>
  packer<Stream>& pack<steward::Value>::operator()(packer<Stream>& out,
                                                   const steward::Value& value) const {
    std::string bytes;
    steward::core::pack(bytes, value);
    // msgpack-cxx has no way to append bytes that are MessagePack already but this one.
    out.pack_bin_body(bytes.data(), static_cast<std::uint32_t>(bytes.size()));
    return out;
  }

  inline const msgpack::object& convert<steward::Value>::operator()(const msgpack::object& in,
                                                                    steward::Value& value) const {
    msgpack::sbuffer bytes;
    msgpack::pack(bytes, in);
    value = steward::core::unpack<steward::Value>({bytes.data(), bytes.size()});
    return in;
  }

  template <class T>
    requires steward::core::ProxyType<T>
  template <class Stream>
  packer<Stream>& pack<T>::operator()(packer<Stream>& out, const T& proxy) const {
    return pack<steward::Value>()(out, steward::Value(proxy));
  }

  template <class T>
    requires steward::core::ProxyType<T>
  const msgpack::object& convert<T>::operator()(const msgpack::object& in, T& proxy) const {
    if (in.type != msgpack::type::EXT) throw msgpack::type_error();
    proxy = steward::core::proxy_from<T>(
        {in.via.ext.type(), {in.via.ext.data(), in.via.ext.size}});
    return in;
  }

  }  // namespace adaptor
}
}  // namespace msgpack
