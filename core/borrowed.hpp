// What belongs to somebody else: views, pointers, and structs with either inside, as far as a
// compiler can see that. None of it may travel: its bytes mean nothing in another process.
#pragma once

#include <version>

#ifdef __cpp_lib_coroutine
#include <coroutine>
#endif
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
// The pointers of these are private. A std::errc travels.
template <>
inline constexpr bool kView<std::error_code> = true;
template <>
inline constexpr bool kView<std::error_condition> = true;
template <>
inline constexpr bool kView<std::thread::id> = true;
#ifdef __cpp_lib_coroutine
template <class Promise>
inline constexpr bool kView<std::coroutine_handle<Promise>> = true;
#endif

template <class T>
constexpr bool borrows();
template <class T>
constexpr bool holds_view();

namespace impl {

// How many members of a struct are looked at; each element of an array counts.
inline constexpr std::size_t kMembersSeen = 256;

// Stand for the members of a struct that is initialized with them; nothing of it is ever run (the
// bodies are for compilers that want one). Owned gives nothing that
// borrows: that conversion is there, but private. Were it absent (or, for clang, deleted), braces
// around the members of a nested struct would count as left out.
struct Anything {
  template <class U>
  operator U() const { std::abort(); }
};
class Owned {
 public:
  template <class U>
    requires(!borrows<U>())
  operator U() const { std::abort(); }

 private:
  template <class U>
    requires(borrows<U>())
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

template <class T>
inline constexpr bool kPartBorrows = false;  // of classes of the standard library
template <class T>
inline constexpr bool kPartBorrows<std::optional<T>> = borrows<T>();
template <class... T>
inline constexpr bool kPartBorrows<std::variant<T...>> = (borrows<T>() || ...);
template <class A, class B>
inline constexpr bool kPartBorrows<std::pair<A, B>> = borrows<A>() || borrows<B>();

// As Owned, for structs that are looked at for views only.
class Viewless {
 public:
  template <class U>
    requires(!holds_view<U>())
  operator U() const { std::abort(); }

 private:
  template <class U>
    requires(holds_view<U>())
  operator U() const { std::abort(); }
};

template <class T>
inline constexpr bool kPartHoldsView = false;
template <class T>
inline constexpr bool kPartHoldsView<std::optional<T>> = holds_view<T>();
template <class... T>
inline constexpr bool kPartHoldsView<std::variant<T...>> = (holds_view<T>() || ...);
template <class A, class B>
inline constexpr bool kPartHoldsView<std::pair<A, B>> = holds_view<A>() || holds_view<B>();

}  // namespace impl

// Whether T is a pointer, a view, or a struct with one inside, at any depth. Only aggregates can be
// looked into, and their first 256 members and elements of arrays: what is private, or in a union,
// cannot be seen, nor what stands behind a member that takes anything at all, as a std::any.
template <class T>
constexpr bool borrows() {
  if constexpr (std::is_array_v<T>) {
    return borrows<std::remove_all_extents_t<T>>();
  } else if constexpr (!std::is_class_v<T>) {
    return std::is_pointer_v<T> || std::is_member_pointer_v<T> || std::is_null_pointer_v<T> ||
           std::is_reference_v<T>;
  } else if constexpr (kView<T> || impl::kPartBorrows<T>) {
    return true;
  } else if constexpr (std::is_aggregate_v<T> && !std::is_empty_v<T>) {
    return !impl::takes<T, impl::Owned, impl::members<T, 0, impl::kMembersSeen + 1>()>();
  } else {
    return false;
  }
}

// Whether T is a view, or a struct with one inside: as borrows(), without pointers.
template <class T>
constexpr bool holds_view() {
  if constexpr (std::is_array_v<T>) {
    return holds_view<std::remove_all_extents_t<T>>();
  } else if constexpr (!std::is_class_v<T>) {
    return false;
  } else if constexpr (kView<T> || impl::kPartHoldsView<T>) {
    return true;
  } else if constexpr (std::is_aggregate_v<T> && !std::is_empty_v<T>) {
    return !impl::takes<T, impl::Viewless, impl::members<T, 0, impl::kMembersSeen + 1>()>();
  } else {
    return false;
  }
}

}  // namespace steward::detail::core
