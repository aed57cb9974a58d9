// Value: one dynamic value, as MessagePack knows them.
#pragma once

#include <cmath>
#include <compare>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <iosfwd>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <ranges>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <variant>
#include <vector>

#include <steward/core/errors.hpp>
#include <steward/core/limits.hpp>
#include <steward/core/token.hpp>

namespace steward {

class Value;

namespace detail::core {
// A byte string, as opposed to text.
using Bytes = std::vector<std::byte>;
}  // namespace detail::core

enum class ValueKind : std::uint8_t {
  nil, boolean, integer, real, string, bytes, list, map, proxy
};

namespace detail::core {

template <class T>
concept Integer = std::integral<T> && !std::same_as<T, bool> && !std::same_as<T, char> &&
                  !std::same_as<T, wchar_t> && !std::same_as<T, char8_t> &&
                  !std::same_as<T, char16_t> && !std::same_as<T, char32_t>;

// The typed proxies (List<int>, Lock, ...): made of a reference, and made from one.
template <class T>
concept ProxyType = requires(const T& proxy, ReferencePtr reference) {
  { proxy.reference() } -> std::convertible_to<ReferencePtr>;
  { T::from_reference(std::move(reference)) } -> std::same_as<T>;
};

template <class T>
inline constexpr bool kByteVector = false;
template <>
inline constexpr bool kByteVector<std::vector<std::byte>> = true;
template <>
inline constexpr bool kByteVector<std::vector<unsigned char>> = true;
template <>
inline constexpr bool kByteVector<std::vector<char>> = true;

template <class T>
concept MapLike = std::ranges::input_range<const T> && !ProxyType<T> && requires {
  typename T::key_type;
  typename T::mapped_type;
};

template <class T>
concept ListLike = std::ranges::input_range<const T> && !MapLike<T> && !kByteVector<T> &&
                   !ProxyType<T> && !std::convertible_to<const T&, std::string_view> &&
                   !std::same_as<std::ranges::range_value_t<const T>, T>;

// How error texts name an integer type.
template <Integer T>
inline constexpr std::string_view kIntegerName =
    sizeof(T) == 1   ? (std::is_signed_v<T> ? "int8" : "uint8")
    : sizeof(T) == 2 ? (std::is_signed_v<T> ? "int16" : "uint16")
    : sizeof(T) == 4 ? (std::is_signed_v<T> ? "int32" : "uint32")
                     : (std::is_signed_v<T> ? "int64" : "uint64");

// Throws BadCall if a finite number would become infinite.
template <std::floating_point T>
T narrow_real(double number) {
  if constexpr (sizeof(T) < sizeof(double)) {
    if (std::isfinite(number) && std::abs(number) > std::numeric_limits<T>::max()) {
      throw BadCall("the number " + std::to_string(number) + " does not fit a float");
    }
  }
  return static_cast<T>(number);
}

// Any T that msgpack-cxx can convert to: defined in codec.hpp.
template <class T>
T cast_value(const Value& value);

}  // namespace detail::core

// nil, bool, integer, real, string, bytes, list, map or proxy. The default element type of proxies:
// `manager.list()` is a List<Value>.
//
// Immutable and cheap to copy: lists, maps and bytes are shared. Thread safety: as an int.
// Order is total: nil < bool < numbers < string < bytes < list < map < proxy; integers and reals
// compare by their exact value, NaN equals itself and is the largest number. Maps are equal if they
// have the same entries, in any order.
class Value {
 public:
  // (List{List{}} is one list in another to g++, and a copy to clang: write List{Value(List{})}.)
  using List = std::vector<Value>;
  using Map = std::vector<std::pair<Value, Value>>;  // in insertion order

  // Made of nullptr (nil), bool, any integer (never of a character: is it text or a number?), any
  // real, text, vectors of bytes (bytes), ranges (a list), maps, proxies, and optionals (nil if
  // empty). Throws BadCall for a null const char*, a map with a key twice, and what would nest
  // deeper than kFrameDepth.
  Value() = default;  // nil
  Value(const Value& other);
  Value& operator=(const Value& other);
  // What was moved from is nil.
  Value(Value&& other) noexcept;
  Value& operator=(Value&& other) noexcept;
  ~Value();
  Value(std::nullptr_t) {}
  template <std::same_as<bool> T>
  Value(T value) : data_(value) {}
  template <detail::core::Integer T>
  Value(T value) {
    if constexpr (std::unsigned_integral<T> && sizeof(T) == sizeof(std::uint64_t)) {
      if (value > static_cast<T>(std::numeric_limits<std::int64_t>::max())) {
        data_ = static_cast<std::uint64_t>(value);
        return;
      }
    }
    data_ = static_cast<std::int64_t>(value);
  }
  template <std::floating_point T>
  Value(T value) : data_(static_cast<double>(value)) {}
  Value(const char* text);  // throws BadCall for a null pointer
  Value(std::string_view text) : data_(std::string(text)) {}
  Value(std::string text) : data_(std::move(text)) {}
  Value(const detail::core::Bytes& bytes)
      : Value(of_bytes({reinterpret_cast<const char*>(bytes.data()), bytes.size()})) {}
  template <class T>
    requires(detail::core::kByteVector<T> && !std::same_as<T, detail::core::Bytes>)
  Value(const T& bytes)
      : Value(of_bytes({reinterpret_cast<const char*>(bytes.data()), bytes.size()})) {}
  Value(List items);
  template <detail::core::ListLike T>
    requires(!std::same_as<T, List> &&
             std::constructible_from<Value, std::ranges::range_value_t<const T>>)
  Value(const T& items) : Value(copied(items)) {}
  template <detail::core::MapLike T>
    requires(std::constructible_from<Value, typename T::key_type> &&
             std::constructible_from<Value, typename T::mapped_type>)
  Value(const T& entries) : Value(of_map(Map(entries.begin(), entries.end()))) {}
  template <detail::core::ProxyType T>
  Value(const T& proxy) : Value(of_reference(proxy.reference())) {}
  template <class T>
    requires std::constructible_from<Value, const T&>
  Value(const std::optional<T>& value) : Value(value ? Value(*value) : Value()) {}

  // A list of pairs would be ambiguous with a list of lists, hence names.
  static Value of_map(Map entries);  // throws BadCall if a key occurs twice
  static Value of_bytes(std::string_view data);
  static Value of_reference(detail::core::ReferencePtr reference);

  ValueKind kind() const;
  bool is_nil() const { return kind() == ValueKind::nil; }

  // Whether as<T>() would read it without conversion: is<int>() is false for a real and for an
  // integer that does not fit.
  template <class T>
  bool is() const;

  // Throws BadCall if the kind does not fit or the number is out of range. as<double>() reads
  // integers too. A proxy is checked for its type.
  template <class T>
  T as() const;

  // Views of what is inside; each throws BadCall for any other kind.
  const std::string& string() const;
  std::string_view bytes() const;
  const List& list() const;
  const Map& map() const;
  const detail::core::ReferencePtr& reference() const;
  std::int64_t integer() const;   // throws if it needs 64 bits unsigned
  std::uint64_t natural() const;  // throws if it is negative
  double real() const;            // integers too
  bool boolean() const;

  // Both in constant time: how deep it nests (0: it is no list or map), and whether there is a
  // proxy inside, at any depth.
  std::size_t depth() const;
  bool has_proxies() const;
  // In constant time: about how many bytes of memory it takes in a container; the same for the same
  // contents on any machine. What is shared with other values counts as if it were not.
  std::size_t footprint() const;

  friend bool operator==(const Value& a, const Value& b) { return a.compare(b) == 0; }
  friend std::strong_ordering operator<=>(const Value& a, const Value& b) { return a.compare(b); }

  // As spaced JSON: [1, "a", {"k": null}]. Bytes print as "0x..." strings, proxies by their name.
  friend std::ostream& operator<<(std::ostream& out, const Value& value);
  std::string json() const;

 private:
  struct Nesting;
  struct ListNode;
  struct MapNode;
  struct BytesNode;
  using Data = std::variant<std::monostate, bool, std::int64_t, std::uint64_t, double, std::string,
                            std::shared_ptr<const BytesNode>, std::shared_ptr<const ListNode>,
                            std::shared_ptr<const MapNode>, detail::core::ReferencePtr>;

  template <class T>
  static List copied(const T& items) {
    List list;
    for (auto&& item : items) list.emplace_back(std::forward<decltype(item)>(item));
    return list;
  }

  const Nesting* nesting() const;  // nullptr: nothing nests
  std::strong_ordering compare(const Value& other) const;
  [[noreturn]] void wrong_kind(std::string_view wanted) const;
  [[noreturn]] void does_not_fit(std::string_view wanted) const;
  void check_type(std::string_view wanted) const;  // of a proxy

  Data data_;
};

// As error texts name it: "integer", "list", ...
std::string_view to_string(ValueKind kind);

template <class T>
bool Value::is() const {
  if constexpr (std::same_as<T, Value>) {
    return true;
  } else if constexpr (std::same_as<T, std::nullptr_t>) {
    return is_nil();
  } else if constexpr (std::same_as<T, bool>) {
    return kind() == ValueKind::boolean;
  } else if constexpr (detail::core::Integer<T>) {
    if (const auto* number = std::get_if<std::int64_t>(&data_)) return std::in_range<T>(*number);
    if (const auto* number = std::get_if<std::uint64_t>(&data_)) return std::in_range<T>(*number);
    return false;
  } else if constexpr (std::floating_point<T>) {
    return kind() == ValueKind::real;
  } else if constexpr (std::convertible_to<const T&, std::string_view>) {
    return kind() == ValueKind::string;
  } else if constexpr (detail::core::kByteVector<T>) {
    return kind() == ValueKind::bytes;
  } else if constexpr (detail::core::ProxyType<T>) {
    return kind() == ValueKind::proxy && reference() &&
           detail::core::fits(reference()->token(), T::kType);
  } else if constexpr (detail::core::MapLike<T>) {
    return kind() == ValueKind::map;
  } else {
    static_assert(detail::core::ListLike<T>, "no kind of Value stands for this type");
    return kind() == ValueKind::list;
  }
}

template <class T>
T Value::as() const {
  if constexpr (std::same_as<T, Value>) {
    return *this;
  } else if constexpr (std::same_as<T, bool>) {
    return boolean();
  } else if constexpr (detail::core::Integer<T>) {
    if (kind() == ValueKind::integer && !is<T>()) does_not_fit(detail::core::kIntegerName<T>);
    if constexpr (std::is_signed_v<T>) {
      return static_cast<T>(integer());
    } else {
      return static_cast<T>(natural());
    }
  } else if constexpr (std::floating_point<T>) {
    return detail::core::narrow_real<T>(real());
  } else if constexpr (std::same_as<T, std::string>) {
    return string();
  } else if constexpr (detail::core::kByteVector<T>) {
    const std::string_view data = bytes();
    const auto* first = reinterpret_cast<const typename T::value_type*>(data.data());
    return T(first, first + data.size());
  } else if constexpr (detail::core::ProxyType<T>) {
    check_type(T::kType);
    return T::from_reference(reference());
  } else {
    return detail::core::cast_value<T>(*this);
  }
}

namespace detail::core {

class Reader;
class HandleCodec;
class Writer;

// Throws BadCall if the value is nested deeper than `depth` allows.
void encode_value(Writer& out, const Value& value, HandleCodec& codec,
                  std::size_t depth = kValueDepth);
// Iterative; throws BadCall on anything malformed, nested more than kFrameDepth deep (a snapshot of
// a container holds values of kValueDepth), with a key twice in one map or of an unknown extension
// type.
Value decode_value(Reader& in, HandleCodec& codec);
// `bytes` must be exactly one value.
Value decode_value(std::string_view bytes, HandleCodec& codec);
// Both by current_handle_codec(), for msgpack-cxx's adaptors. At most 4 GiB: it counts in 32 bits.
std::string encoded(const Value& value);
Value decoded(std::string_view bytes);

// The first `limit` bytes of value.json(), and "..." if there are more; in time that depends on
// `limit` only.
std::string json_prefix(const Value& value, std::size_t limit);
// Appends `text` in double quotes, escaped as JSON.
void append_json_string(std::string& out, std::string_view text);

// How a proxy represents itself: <ListProxy object, typeid 'list' at 0x3>.
std::string representation(const Token& token);

}  // namespace detail::core
}  // namespace steward
