// ElementRef: what x[k] gives.
#pragma once

#include <compare>
#include <concepts>
#include <ostream>
#include <type_traits>
#include <utility>

#include <steward/core/codec.hpp>
#include <steward/proxy/arguments.hpp>
#include <steward/proxy/number.hpp>

namespace steward::detail::proxy {

// Comparisons of integers are by value, whatever their signs.
template <class A, class B>
bool equal(const A& a, const B& b) {
  if constexpr (core::Integer<A> && core::Integer<B>) {
    return std::cmp_equal(a, b);
  } else {
    return a == b;
  }
}
template <class A, class B>
concept Ordered = (core::Integer<A> && core::Integer<B>) ||
                  requires(const A& a, const B& b) { a <=> b; };
template <class A, class B>
auto order(const A& a, const B& b) {
  if constexpr (core::Integer<A> && core::Integer<B>) {
    if (std::cmp_less(a, b)) return std::strong_ordering::less;
    return std::cmp_equal(a, b) ? std::strong_ordering::equal : std::strong_ordering::greater;
  } else {
    return a <=> b;
  }
}

// The message of every operator that is not there. (C++20 cannot delete a function with a reason.)
template <class U>
constexpr void refuse_operator() {
  static_assert(kNever<U>,
                "x[k] op= v would read, then write: what others write in between would be lost. "
                "Use update_with(k, f) of a Dict, or hold a Lock around both steps");
}

// Likewise of every use of an x[k] that has a name.
template <class T>
constexpr void refuse_named() {
  static_assert(kNever<T>,
                "`auto old = x[k]` does not copy the element, it refers to it. "
                "Write the type: `V old = x[k]`; or write at(k) for the value, x[k] at each use");
}

template <class T, class U>
concept EqualTo = requires(const T& a, U&& b) {
  { a == std::forward<U>(b) } -> std::convertible_to<bool>;
};

template <class A, class B>
concept Summable = requires(A&& a, B&& b) { std::forward<A>(a) + std::forward<B>(b); };

template <class Container, class Key, class T>
class ElementRef;
template <class U>
const U& value_of(const U& value) {
  return value;
}
template <class Container, class Key, class T>
T value_of(ElementRef<Container, Key, T>&& element) {
  return std::move(element).get();
}

// Refers to the element of a proxy under a key: fetched when it is converted, compared or printed,
// stored when it is assigned. Each is one call, with the errors of the container's at() and set().
// On numbers += -= ++ -- are the container's atomic add(), one call, nothing lost between
// processes.
//
// For use where it is made: `V old = x[k]` copies the element, but `auto old = x[k]` would refer
// on. So nothing can be done with one that has a name; what is passed on by reference, as to a test
// framework's EXPECT_EQ, counts as named: x.at(k) is the value. Thread safety: as the proxy's.
template <class Container, class Key, class T>
class ElementRef {
 public:
  // Made by containers; braces must not reach it.
  struct Made {};
  ElementRef(Made, const Container& container, Key key)
      : container_(container), key_(std::move(key)) {}
  ElementRef(const ElementRef& other) : container_(other.container_), key_(other.key_) {
    refuse_named<T>();
  }

  operator T() && { return container_.at(key_); }
  operator T() const& { return refused(); }
  T get() && { return container_.at(key_); }
  T get() const& { return refused(); }

  ElementRef&& operator=(const T& value) && {
    container_.set(key_, value);
    return std::move(*this);
  }
  // x[0] = x[1] copies the element; it does not make one reference refer to the other's.
  ElementRef&& operator=(ElementRef&& other) && {
    return std::move(*this) = std::move(other).get();
  }
  template <class C, class K, class U>
    requires(std::convertible_to<U, T> && !std::same_as<ElementRef<C, K, U>, ElementRef>)
  ElementRef&& operator=(ElementRef<C, K, U>&& other) && {
    return std::move(*this) = static_cast<T>(std::move(other).get());
  }
  void operator=(const T&) const& { refuse_named<T>(); }
  void operator=(const ElementRef&) const& { refuse_named<T>(); }
  void operator=(const ElementRef&) && { refuse_named<T>(); }

  // A const snapshot of the element: rows[i]->set("seen", 1) works, because the methods of proxies
  // are const; d["l"]->push_back(1) would change a copy, and does not compile. It ends with the
  // full expression, as any temporary: `int x = d["p"]->x` is right, `auto& x = d["p"]->x` dangles.
  class Arrow {
   public:
    explicit Arrow(T value) : value_(std::move(value)) {}
    const T* operator->() && { return &value_; }

   private:
    T value_;
  };
  Arrow operator->() && { return Arrow(std::move(*this).get()); }
  Arrow operator->() const& { return Arrow(refused()); }

  // The atomic ones give the new value, x++ and x-- the old one.
  template <class U>
  auto operator+=(U&& by) && {
    if constexpr (!Addable<T>) {
      refuse_operator<U>();
    } else {
      return container_.add(key_, Step<T>(value_of(std::forward<U>(by))));
    }
  }
  template <class U>
  auto operator-=(U&& by) && {
    if constexpr (!Addable<T>) {
      refuse_operator<U>();
    } else {
      return container_.add(key_, Step<T>(value_of(std::forward<U>(by))).negated());
    }
  }
  template <class U = T>
  auto operator++() && {
    return std::move(*this) += 1;
  }
  template <class U = T>
  auto operator--() && {
    return std::move(*this) -= 1;
  }
  template <class U = T>
  auto operator++(int) && {
    if constexpr (!Number<T>) {
      refuse_operator<U>();
    } else {
      return static_cast<T>((std::move(*this) += 1) - 1);
    }
  }
  template <class U = T>
  auto operator--(int) && {
    if constexpr (!Number<T>) {
      refuse_operator<U>();
    } else {
      return static_cast<T>((std::move(*this) -= 1) + 1);
    }
  }
  template <class U> void operator+=(const U&) const& { refuse_named<U>(); }
  template <class U> void operator-=(const U&) const& { refuse_named<U>(); }
  void operator++() const& { refuse_named<T>(); }
  void operator--() const& { refuse_named<T>(); }
  void operator++(int) const& { refuse_named<T>(); }
  void operator--(int) const& { refuse_named<T>(); }

  template <class U> void operator*=(const U&) const { refuse_operator<U>(); }
  template <class U> void operator/=(const U&) const { refuse_operator<U>(); }
  template <class U> void operator%=(const U&) const { refuse_operator<U>(); }
  template <class U> void operator&=(const U&) const { refuse_operator<U>(); }
  template <class U> void operator|=(const U&) const { refuse_operator<U>(); }
  template <class U> void operator^=(const U&) const { refuse_operator<U>(); }
  template <class U> void operator<<=(const U&) const { refuse_operator<U>(); }
  template <class U> void operator>>=(const U&) const { refuse_operator<U>(); }

  // Templates, since with a plain `const T&` a comparison with another arithmetic type would be
  // ambiguous. The type is asked first: else the constraint would depend on itself.
  template <class U>
    requires(!std::same_as<std::remove_cvref_t<U>, ElementRef> && EqualTo<T, U>)
  friend bool operator==(ElementRef&& element, U&& other) {
    return equal(std::move(element).get(), value_of(std::forward<U>(other)));
  }
  friend bool operator==(ElementRef&& a, ElementRef&& b) {
    return std::move(a).get() == std::move(b).get();
  }
  template <class U>
    requires(!std::same_as<U, ElementRef> && EqualTo<T, const U&>)
  friend bool operator==(const ElementRef& element, const U&) {
    return element.refused(), false;
  }
  friend bool operator==(const ElementRef& a, const ElementRef&) { return a.refused(), false; }

  template <class U>
    requires(!std::same_as<std::remove_cvref_t<U>, ElementRef> &&
             Ordered<T, std::remove_cvref_t<U>>)
  friend auto operator<=>(ElementRef&& element, U&& other) {
    return order(std::move(element).get(), value_of(std::forward<U>(other)));
  }
  friend auto operator<=>(ElementRef&& a, ElementRef&& b)
    requires Ordered<T, T>
  {
    return std::move(a).get() <=> std::move(b).get();
  }
  template <class U>
    requires(!std::same_as<U, ElementRef> && Ordered<T, U>)
  friend std::partial_ordering operator<=>(const ElementRef& element, const U&) {
    return element.refused(), std::partial_ordering::unordered;
  }
  friend std::partial_ordering operator<=>(const ElementRef& a, const ElementRef&)
    requires Ordered<T, T>
  {
    return a.refused(), std::partial_ordering::unordered;
  }

  // Numbers add as they are converted; the operators of std::string and others are templates, which
  // do not look for a conversion.
  template <class U>
    requires(std::is_class_v<T> && !std::same_as<U, ElementRef> && Summable<T, const U&>)
  friend auto operator+(ElementRef&& element, const U& other) {
    return std::move(element).get() + other;
  }
  template <class U>
    requires(std::is_class_v<T> && !std::same_as<U, ElementRef> && Summable<const U&, T>)
  friend auto operator+(const U& other, ElementRef&& element) {
    return other + std::move(element).get();
  }
  friend auto operator+(ElementRef&& a, ElementRef&& b)
    requires(std::is_class_v<T> && Summable<T, T>)
  {
    T first = std::move(a).get();
    return std::move(first) + std::move(b).get();
  }

  // Prints the element: as it prints itself, else as JSON.
  friend std::ostream& operator<<(std::ostream& out, ElementRef&& element) {
    if constexpr (requires(const T& value) { out << value; }) {
      return out << std::move(element).get();
    } else {
      return out << core::unpack<Value>(core::packed(std::move(element).get()));
    }
  }
  friend std::ostream& operator<<(std::ostream& out, const ElementRef& element) {
    return element.refused(), out;
  }

 private:
  // The end of every use of one that has a name.
  T refused() const {
    refuse_named<T>();
    return container_.at(key_);
  }

  Container container_;
  Key key_;
};

}  // namespace steward::detail::proxy
