// How the arguments of methods are written, and what may be one.
#pragma once

#include <concepts>
#include <cstdint>
#include <initializer_list>
#include <limits>
#include <optional>
#include <ranges>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>

#include <steward/core/codec.hpp>

namespace steward::detail::proxy {

template <class>
inline constexpr bool kNever = false;

// Points to what lies in this process, and is not its owner.
template <class T>
inline constexpr bool kView = std::is_pointer_v<T> || std::is_reference_v<T> ||
                              std::ranges::enable_view<T>;
template <class T>
inline constexpr bool kView<std::initializer_list<T>> = true;

// Raw structs are bytes with padding between them, also inside of containers: the server, which
// knows bytes only, can neither order nor compare them.
template <class T>
struct HasRaw : std::bool_constant<core::Raw<T>> {};
template <class T>
  requires requires { typename T::value_type; } && (!std::same_as<typename T::value_type, T>)
struct HasRaw<T> : HasRaw<typename T::value_type> {};
template <class A, class B>
struct HasRaw<std::pair<A, B>> : std::disjunction<HasRaw<A>, HasRaw<B>> {};
template <class... A>
struct HasRaw<std::tuple<A...>> : std::disjunction<HasRaw<A>...> {};

// Stops compilation with a sentence if values of this type cannot travel. (Not asked in the bodies
// of the proxies' classes: struct Node { List<Node> children; } must compile.)
template <class T>
constexpr void require_element() {
  static_assert(!kView<T>,
                "a pointer or view cannot be shared: what it points to stays in this process. "
                "Use a type that owns its contents, as std::string or std::vector");
  if constexpr (!kView<T>) {
    static_assert(core::Packable<T> || !core::borrows<T>(),
                  "a struct with a pointer or view inside cannot be shared: what that points to "
                  "stays in this process. Give it members that own their contents, as std::string, "
                  "and MSGPACK_DEFINE(members...)");
    static_assert(core::Packable<T> || core::borrows<T>(),
                  "values of this type cannot be shared: give it MSGPACK_DEFINE(members...), or "
                  "make it trivially copyable, without pointers or views inside");
  }
}

// Likewise for values that the server must order or compare: to sort, search, or use as a key.
template <class T>
constexpr void require_comparable() {
  require_element<T>();
  static_assert(!HasRaw<T>::value,
                "a struct that travels as raw bytes cannot be compared by the server (its padding "
                "would count): give it MSGPACK_DEFINE(members...) to sort or search by it, or to "
                "use it as a key");
}

template <class T>
void write_element(std::string& out, const T& value) {
  require_element<T>();
  if constexpr (!kView<T> && core::Packable<T>) core::pack(out, value);
}

// Some arguments write themselves.
template <class A>
concept WritesItself = requires(const A& argument, std::string& out) {
  argument.write_argument(out);
};

template <class A>
void write_argument(std::string& out, const A& argument) {
  if constexpr (WritesItself<A>) {
    argument.write_argument(out);
  } else {
    write_element(out, argument);
  }
}

// As a MessagePack array. Handles inside go through core::current_handle_codec().
template <class... A>
void write_arguments(std::string& out, const A&... arguments) {
  core::Writer(out).array(sizeof...(A));
  (write_argument(out, arguments), ...);
}

// Arguments whose number is not known where the call is written: alone, in place of all others.
struct ArgumentList {
  const Value::List& values;
};
inline void write_arguments(std::string& out, const ArgumentList& arguments) {
  core::Writer(out).array(arguments.values.size());
  for (const Value& value : arguments.values) core::pack(out, value);
}

// A value that the server will compare with others.
template <class T>
struct Compared {
  const T& value;
  void write_argument(std::string& out) const {
    require_comparable<T>();
    if constexpr (!HasRaw<T>::value) write_element(out, value);
  }
};
template <class T>
Compared<T> compared(const T& value) {
  return {value};
}

// A list of none or one, encoded already.
struct MaybeEncoded {
  std::optional<std::string_view> encoded;
  void write_argument(std::string& out) const {
    core::Writer writer(out);
    writer.array(encoded ? 1 : 0);
    if (encoded) writer.raw(*encoded);
  }
};

// The position of an element: any integer; negative ones count from the end.
class Index {
 public:
  template <class I>
    requires(std::convertible_to<I, std::int64_t> &&
             !std::floating_point<std::remove_cvref_t<I>> &&
             !std::same_as<std::remove_cvref_t<I>, Index>)
  Index(I&& index) {
    if constexpr (std::unsigned_integral<std::remove_cvref_t<I>>) {
      // Nothing stands there, and the server will say so.
      constexpr auto kLast = std::numeric_limits<std::int64_t>::max();
      number_ = std::in_range<std::int64_t>(index) ? static_cast<std::int64_t>(index) : kLast;
    } else {
      number_ = static_cast<std::int64_t>(std::forward<I>(index));
    }
  }

  std::int64_t number() const { return number_; }
  void write_argument(std::string& out) const { core::Writer(out).integer(number_); }

 private:
  std::int64_t number_;
};

// An end of a slice: a position, or std::nullopt for "from the very end", as in Python's x[:n].
class Bound {
 public:
  Bound(std::nullopt_t) {}
  template <class I>
    requires(std::constructible_from<Index, I> && !std::same_as<std::remove_cvref_t<I>, Bound>)
  Bound(I&& index) : index_(std::forward<I>(index)) {}

  void write_argument(std::string& out) const {
    index_ ? index_->write_argument(out) : core::Writer(out).nil();
  }

 private:
  std::optional<Index> index_;
};

}  // namespace steward::detail::proxy
