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

namespace steward::proxy {

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

// Refers to the element of a proxy under a key: fetched when it is converted, compared or printed,
// stored when it is assigned. Each is one call, with the errors of the container's at() and set().
// On numbers += -= ++ -- are the container's atomic add(), one call, nothing lost between
// processes.
//
// Holds a copy of the proxy, so it may outlive it; `auto x = list[0]` refers on, it does not copy
// the element. Thread safety: as the proxy's.
template <class Container, class Key, class T>
class ElementRef {
 public:
  // Made by containers; braces must not reach it.
  struct Made {};
  ElementRef(Made, const Container& container, Key key)
      : container_(container), key_(std::move(key)) {}
  ElementRef(const ElementRef&) = default;

  operator T() const { return get(); }
  T get() const { return container_.at(key_); }

  const ElementRef& operator=(const T& value) const {
    container_.set(key_, value);
    return *this;
  }
  // x[0] = x[1] copies the element; it does not make one reference refer to the other's.
  const ElementRef& operator=(const ElementRef& other) const { return *this = other.get(); }
  ElementRef& operator=(const ElementRef& other) {
    container_.set(key_, other.get());
    return *this;
  }
  template <class C, class K, class U>
    requires(std::convertible_to<U, T> && !std::same_as<ElementRef<C, K, U>, ElementRef>)
  const ElementRef& operator=(const ElementRef<C, K, U>& other) const {
    return *this = static_cast<T>(other.get());
  }

  // A const snapshot of the element: rows[i]->set("seen", 1) works, because the methods of proxies
  // are const; d["l"]->push_back(1) would change a copy, and does not compile.
  class Arrow {
   public:
    explicit Arrow(T value) : value_(std::move(value)) {}
    const T* operator->() const { return &value_; }

   private:
    T value_;
  };
  Arrow operator->() const { return Arrow(get()); }

  // The atomic ones give the new value, x++ and x-- the old one.
  template <class U>
  auto operator+=(const U& by) const {
    if constexpr (!Addable<T>) {
      refuse_operator<U>();
    } else {
      return container_.add(key_, Step<T>(by));
    }
  }
  template <class U>
  auto operator-=(const U& by) const {
    if constexpr (!Addable<T>) {
      refuse_operator<U>();
    } else {
      return container_.add(key_, Step<T>(by).negated());
    }
  }
  template <class U = T>
  auto operator++() const {
    return *this += 1;
  }
  template <class U = T>
  auto operator--() const {
    return *this -= 1;
  }
  template <class U = T>
  auto operator++(int) const {
    if constexpr (!Number<T>) {
      refuse_operator<U>();
    } else {
      return static_cast<T>((*this += 1) - 1);
    }
  }
  template <class U = T>
  auto operator--(int) const {
    if constexpr (!Number<T>) {
      refuse_operator<U>();
    } else {
      return static_cast<T>((*this -= 1) + 1);
    }
  }

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
    requires(!std::same_as<U, ElementRef> && requires(const T& a, const U& b) {
      { a == b } -> std::convertible_to<bool>;
    })
  friend bool operator==(const ElementRef& element, const U& other) {
    return equal(element.get(), other);
  }
  friend bool operator==(const ElementRef& a, const ElementRef& b) { return a.get() == b.get(); }

  template <class U>
    requires(!std::same_as<U, ElementRef> && Ordered<T, U>)
  friend auto operator<=>(const ElementRef& element, const U& other) {
    return order(element.get(), other);
  }
  friend auto operator<=>(const ElementRef& a, const ElementRef& b)
    requires Ordered<T, T>
  {
    return a.get() <=> b.get();
  }

  // Prints the element: as it prints itself, else as JSON.
  friend std::ostream& operator<<(std::ostream& out, const ElementRef& element) {
    if constexpr (requires(const T& value) { out << value; }) {
      return out << element.get();
    } else {
      return out << core::unpack<Value>(core::packed(element.get()));
    }
  }

 private:
  Container container_;
  Key key_;
};

}  // namespace steward::proxy
