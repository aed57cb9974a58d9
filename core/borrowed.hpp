// What belongs to somebody else: views, pointers, and structs with either inside, as far as a
// compiler can see that. None of it may travel: its bytes mean nothing in another process.
#pragma once

#include <version>

#ifdef __cpp_lib_coroutine
#include <coroutine>
#endif
#include <concepts>
#include <cstddef>
#include <cstdlib>
#include <functional>
#include <initializer_list>
#include <iterator>
#include <optional>
#include <ranges>
#include <span>
#include <string_view>
#include <system_error>
#include <thread>
#include <type_traits>
#include <utility>
#include <variant>

namespace steward::detail::core {

// Looks at what belongs to somebody else: never travels, however trivial its bytes.
template <class T>
inline constexpr bool kView = std::ranges::view<T> || std::input_or_output_iterator<T>;
template <class C, class Traits>
inline constexpr bool kView<std::basic_string_view<C, Traits>> = true;
template <class T, std::size_t N>
inline constexpr bool kView<std::span<T, N>> = true;
template <class T>
inline constexpr bool kView<std::initializer_list<T>> = true;
template <class T>
inline constexpr bool kView<std::reference_wrapper<T>> = true;

// Holds a pointer that is private. A std::errc travels.
template <class T>
inline constexpr bool kHidesPointer =
    std::same_as<T, std::error_code> || std::same_as<T, std::error_condition> ||
    std::same_as<T, std::thread::id>;
#ifdef __cpp_lib_coroutine
template <class Promise>
inline constexpr bool kHidesPointer<std::coroutine_handle<Promise>> = true;
#endif

namespace impl {

// What is looked for in a type.
enum class Lent { views, views_and_pointers };
template <class T, Lent what>
constexpr bool lends();

// How many members of a struct are looked at; each element of an array counts.
inline constexpr std::size_t kMembersSeen = 256;

// Stand for the members of a struct that is initialized with them; nothing of it is ever run (the
// bodies are for compilers that want one). Owned gives nothing that lends: that conversion is
// there, but private. Were it absent (or, for clang, deleted), braces around the members of a
// nested struct would count as left out.
struct Anything {
  template <class U>
  operator U() const { std::abort(); }
};
template <Lent what>
class Owned {
 public:
  template <class U>
    requires(!lends<U, what>())
  operator U() const { std::abort(); }

 private:
  template <class U>
    requires(lends<U, what>())
  operator U() const { std::abort(); }
};

template <class T, class Member, std::size_t... I>
constexpr bool takes(std::index_sequence<I...>) {
  return requires { T{(static_cast<void>(I), Member())...}; };
}
template <class T, class Member, std::size_t N>
constexpr bool takes() {
  return takes<T, Member>(std::make_index_sequence<N>());
}

// How many of anything an aggregate can be initialized with: at least `Low`, fewer than `High`.
template <class T, std::size_t Low, std::size_t High>
constexpr std::size_t members() {
  if constexpr (High - Low == 1) {
    return Low;
  } else if constexpr (constexpr std::size_t middle = Low + (High - Low) / 2;
                       takes<T, Anything, middle>()) {
    return members<T, middle, High>();
  } else {
    return members<T, Low, middle>();
  }
}

template <class T, Lent what>
inline constexpr bool kPartLends = false;  // of classes of the standard library
template <class T, Lent what>
inline constexpr bool kPartLends<std::optional<T>, what> = lends<T, what>();
template <class... T, Lent what>
inline constexpr bool kPartLends<std::variant<T...>, what> = (lends<T, what>() || ...);
template <class A, class B, Lent what>
inline constexpr bool kPartLends<std::pair<A, B>, what> = lends<A, what>() || lends<B, what>();

template <class T, Lent what>
constexpr bool lends() {
  if constexpr (std::is_array_v<T>) {
    return lends<std::remove_all_extents_t<T>, what>();
  } else if constexpr (!std::is_class_v<T>) {
    return what == Lent::views_and_pointers &&
           (std::is_pointer_v<T> || std::is_member_pointer_v<T> || std::is_null_pointer_v<T> ||
            std::is_reference_v<T>);
  } else if constexpr (kView<T> || kPartLends<T, what>) {
    return true;
  } else if constexpr (kHidesPointer<T>) {
    return what == Lent::views_and_pointers;
  } else if constexpr (std::is_aggregate_v<T> && !std::is_empty_v<T>) {
    return !takes<T, Owned<what>, members<T, 0, kMembersSeen + 1>()>();
  } else {
    return false;
  }
}

}  // namespace impl

// Whether T is a pointer, a view, or a struct with one inside, at any depth. Only aggregates can be
// looked into, and their first 256 members and elements of arrays: what is private, or in a union,
// cannot be seen, nor what stands behind a member that takes anything at all, as a std::any.
template <class T>
constexpr bool borrows() {
  return impl::lends<T, impl::Lent::views_and_pointers>();
}

// Whether T is a view, or a struct with one inside: as borrows(), without pointers.
template <class T>
constexpr bool holds_view() {
  return impl::lends<T, impl::Lent::views>();
}

}  // namespace steward::detail::core
