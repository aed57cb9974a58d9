// Typed reading, straight from the bytes for standard containers and what they hold: no tree of
// objects many times as large as the message, exact sizes of tuples, and errors that say what was
// expected. What has an adaptor of its own goes through msgpack-cxx, one value at a time.
#pragma once

#include <algorithm>
#include <array>
#include <complex>
#include <deque>
#include <list>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include <steward/core/codec_adaptors.hpp>
#include <steward/core/handle_codec.hpp>
#include <steward/core/limits.hpp>
#include <steward/core/reader.hpp>

namespace steward::detail::core {

template <class T>
T read(Reader& in);

// How to read a container of standard C++ part by part.
template <class T>
struct Parts {
  static constexpr bool known = false;
};

// After `key` came into a hash table: a stranger may have chosen keys that stand in one bucket,
// which is searched from end to end for each of them. Where that is for the table's size only, as
// it may be by accident, it gets another one; what goes on is bounded by the reader.
template <class C>
void spread_keys(C& table, const typename C::key_type& key, Reader& in) {
  constexpr std::size_t kLongBucket = 64;
  if (table.size() <= kLongBucket) return;
  const std::size_t others = table.bucket_size(table.bucket(key));
  if (others <= kLongBucket) return;
  in.compare_keys(others);
  if (table.bucket_count() / 4 < table.size()) table.rehash(2 * table.bucket_count());
}

template <class C>
inline constexpr bool kHashTable = requires(const C& table) { table.bucket_count(); };

// Sequences and sets. Of what the wire announces no more is reserved than this; more grows as it
// really arrives.
template <class C>
struct ListParts {
  static constexpr bool known = true;
  static C read(Reader& in) {
    constexpr std::size_t kReserve = 1024;
    C out;
    const std::size_t count = in.array();
    if constexpr (requires { out.reserve(count); }) out.reserve(std::min(count, kReserve));
    for (std::size_t i = 0; i < count; ++i) {
      const auto at = out.insert(out.end(), core::read<typename C::value_type>(in));
      if constexpr (kHashTable<C>) spread_keys(out, *at, in);
    }
    return out;
  }
};

template <class C>
struct MapParts {
  static constexpr bool known = true;
  static C read(Reader& in) {
    C out;
    const std::size_t count = in.map();
    for (std::size_t i = 0; i < count; ++i) {
      auto key = core::read<typename C::key_type>(in);
      auto value = core::read<typename C::mapped_type>(in);
      const auto [at, fresh] = out.emplace(std::move(key), std::move(value));
      if (!fresh) throw BadCall("a map has one key twice");
      if constexpr (kHashTable<C>) spread_keys(out, at->first, in);
    }
    return out;
  }
};

template <class T>
struct TupleParts {
  static constexpr bool known = true;
  static T read(Reader& in) {
    in.array_of(std::tuple_size_v<T>);
    return [&in]<std::size_t... I>(std::index_sequence<I...>) {
      return T{core::read<std::tuple_element_t<I, T>>(in)...};  // in order, thanks to the braces
    }(std::make_index_sequence<std::tuple_size_v<T>>());
  }
};

template <class T>
inline constexpr bool kByte =
    std::same_as<T, char> || std::same_as<T, unsigned char> || std::same_as<T, std::byte>;

template <class T, class A>
  requires(!kByte<T>)
struct Parts<std::vector<T, A>> : ListParts<std::vector<T, A>> {};
template <class T, class A>
struct Parts<std::deque<T, A>> : ListParts<std::deque<T, A>> {};
template <class T, class A>
struct Parts<std::list<T, A>> : ListParts<std::list<T, A>> {};
template <class T, class L, class A>
struct Parts<std::set<T, L, A>> : ListParts<std::set<T, L, A>> {};
template <class T, class H, class E, class A>
struct Parts<std::unordered_set<T, H, E, A>> : ListParts<std::unordered_set<T, H, E, A>> {};
template <class K, class V, class L, class A>
struct Parts<std::map<K, V, L, A>> : MapParts<std::map<K, V, L, A>> {};
template <class K, class V, class H, class E, class A>
struct Parts<std::unordered_map<K, V, H, E, A>> : MapParts<std::unordered_map<K, V, H, E, A>> {};
template <class... T>
struct Parts<std::tuple<T...>> : TupleParts<std::tuple<T...>> {};
template <class A, class B>
struct Parts<std::pair<A, B>> : TupleParts<std::pair<A, B>> {};
template <class T, std::size_t N>
  requires(!kByte<T>)
struct Parts<std::array<T, N>> {
  static constexpr bool known = true;
  static std::array<T, N> read(Reader& in) {
    if constexpr (std::default_initializable<T> && std::movable<T>) {
      in.array_of(N);
      std::array<T, N> out{};
      for (T& item : out) item = core::read<T>(in);
      return out;
    } else {
      return TupleParts<std::array<T, N>>::read(in);
    }
  }
};

template <class T>
struct Parts<std::complex<T>> {
  static constexpr bool known = true;
  static std::complex<T> read(Reader& in) {
    in.array_of(2);
    return {core::read<T>(in), core::read<T>(in)};  // in order, thanks to the braces
  }
};

template <class T>
struct Parts<std::optional<T>> {
  static constexpr bool known = true;
  static std::optional<T> read(Reader& in) {
    if (in.nil_if_next()) return std::nullopt;
    return core::read<T>(in);
  }
};

template <Integer T>
T read_integer(Reader& in) {
  const auto fitting = [](auto value) {
    if (std::in_range<T>(value)) return static_cast<T>(value);
    throw BadCall("the number " + std::to_string(value) + " does not fit " +
                  std::string(kIntegerName<T>));
  };
  return in.peek() == Kind::natural ? fitting(in.natural()) : fitting(in.integer());
}

// Integers too: 1 is a real.
template <class T>
T read_real(Reader& in) {
  switch (in.peek()) {
    case Kind::integer: return static_cast<T>(in.integer());
    case Kind::natural: return static_cast<T>(in.natural());
    default: return narrow_real<T>(in.real());
  }
}

// What the bytes should have been, for error texts.
template <class T>
std::string wanted() {
  if constexpr (TravelsRaw<T>) return "a raw struct of " + std::to_string(sizeof(T)) + " bytes";
  if constexpr (PacksItself<T>) return "the members of a struct as it is defined here";
  if constexpr (std::is_enum_v<T>) return "an enumerator";
  if constexpr (std::is_scalar_v<T>) return "a character";
  return "another type";
}

// As msgpack-cxx knows it; strings in it are parts of `bytes`. Throws BadCall.
msgpack::object_handle unpacked_object(std::string_view bytes);

// By msgpack-cxx, which trusts what it reads: first checked, then read again. So it reads a copy,
// lest others change in between what lies in shared memory.
template <class T>
T convert_checked(Reader& in) {
  const std::string bytes(in.skip(kFrameDepth));
  check_one_item(bytes, kFrameDepth);
  try {
    return unpacked_object(bytes).get().as<T>();
  } catch (const msgpack::type_error&) {
    throw BadCall("expected " + wanted<T>() + ", got " + describe_item(bytes));
  }
}

// Text, too, as msgpack-cxx reads it.
template <class T>
T read_bytes(Reader& in) {
  const std::string_view bytes = in.peek() == Kind::string ? in.string() : in.bytes();
  const auto* first = reinterpret_cast<const typename T::value_type*>(bytes.data());
  return T(first, first + bytes.size());
}

template <class T>
T read(Reader& in) {
  if constexpr (std::same_as<T, Value>) {
    return decode_value(in, current_handle_codec());
  } else if constexpr (kUserAdaptor<T> && !ProxyType<T>) {
    return convert_checked<T>(in);
  } else if constexpr (std::same_as<T, std::string>) {
    return std::string(in.string());
  } else if constexpr (kByteVector<T>) {
    return read_bytes<T>(in);
  } else if constexpr (std::same_as<T, bool>) {
    return in.boolean();
  } else if constexpr (Integer<T>) {
    return read_integer<T>(in);
  } else if constexpr (std::floating_point<T>) {
    return read_real<T>(in);
  } else if constexpr (ProxyType<T>) {
    return T::from_reference(incoming_reference(in.extension(), T::kType));
  } else if constexpr (Parts<T>::known) {
    return Parts<T>::read(in);
  } else {
    return convert_checked<T>(in);
  }
}

}  // namespace steward::detail::core
