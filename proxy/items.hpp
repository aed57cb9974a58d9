// Items: the parameter type of functions that take several elements, in braces or as any range.
#pragma once

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <initializer_list>
#include <iterator>
#include <ranges>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <steward/core/errors.hpp>
#include <steward/proxy/arguments.hpp>

namespace steward::detail::proxy {

namespace impl {

// Refuses integers that would change on the way.
template <class T, class U>
T converted(U&& item) {
  using From = std::remove_cvref_t<U>;
  if constexpr (core::Integer<T> && core::Integer<From>) {
    if (!std::in_range<T>(item)) {
      throw BadCall("the integer " + std::to_string(item) + " does not fit the element type");
    }
  }
  return static_cast<T>(std::forward<U>(item));
}

// Containers of T that lie in one piece are viewed where they are.
template <class R, class T>
concept Viewable = std::ranges::contiguous_range<R> && std::ranges::sized_range<R> &&
                   std::same_as<std::ranges::range_value_t<R>, T> && !std::same_as<T, bool>;

template <class R, class T>
concept RangeFor = std::ranges::input_range<R> &&
                   std::convertible_to<std::ranges::range_reference_t<R>, T>;

// "x" for a List<int> is a name that lacks named(); for a List<char> it would bring its NUL.
template <class R, class T>
inline constexpr bool kTextOf =
    std::is_arithmetic_v<T> && std::convertible_to<R, std::string_view> &&
    (!std::same_as<T, char> || std::is_array_v<std::remove_cvref_t<R>>);

}  // namespace impl

// The one parameter type for elements: {1, 2}, {} and any input range whose elements convert to T,
// another proxy too. For pairs: {{"a", 1}, {"b", 2}}, a std::map, a Dict.
//
// A parameter only: it views what lies in one piece, which lives as long as the full expression of
// the call, and copies everything else. Thread safety: as a std::vector.
template <class T>
class Items {
 public:
  Items() = default;
  Items(std::initializer_list<T> items) : view_(view_of(items)) {}
  template <class R>
    requires(impl::RangeFor<R, T> && !std::same_as<std::remove_cvref_t<R>, Items>)
  Items(R&& range) {
    static_assert(!impl::kTextOf<R, T>,
                  "a text is no range of such elements (a name is written named(\"x\")); its "
                  "characters as elements are std::span(text), without the NUL of a literal");
    if constexpr (impl::Viewable<R, T>) {
      view_ = {std::ranges::data(range), std::ranges::size(range)};
    } else {
      owns_ = true;
      for (auto&& item : range) {
        owned_.push_back(impl::converted<T>(std::forward<decltype(item)>(item)));
      }
    }
  }

  std::size_t size() const { return owns_ ? owned_.size() : view_.size(); }

  // Not for bool, of which owned ones do not lie in one piece.
  std::span<const T> span() const {
    return owns_ ? std::span<const T>(owned_) : view_;
  }

  template <class F>
  void for_each(F visit) const {
    if (owns_) {
      for (const auto& item : owned_) visit(item);
    } else {
      for (const auto& item : view_) visit(item);
    }
  }

  void write_argument(std::string& out) const {
    core::Writer(out).array(size());
    for_each([&](const T& item) { write_element(out, item); });
  }

 private:
  static std::span<const T> view_of(std::initializer_list<T> items) {
    return {items.begin(), items.size()};
  }

  bool owns_ = false;
  std::vector<T> owned_;
  std::span<const T> view_;
};

// Entries of a dict as an argument: pairs whose keys the server compares.
template <class K, class V>
struct Entries {
  const Items<std::pair<K, V>>& items;
  void write_argument(std::string& out) const {
    core::Writer writer(out);
    writer.array(items.size());
    items.for_each([&](const std::pair<K, V>& entry) {
      writer.array(2);
      compared(entry.first).write_argument(out);
      write_element(out, entry.second);
    });
  }
};
template <class K, class V>
Entries<K, V> entries(const Items<std::pair<K, V>>& items) {
  return {items};
}

}  // namespace steward::detail::proxy
