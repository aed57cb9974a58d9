// update_with(k, f): what f takes, and its result as an element.
#pragma once

#include <concepts>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include <steward/core/errors.hpp>
#include <steward/proxy/results.hpp>

namespace steward::detail::proxy {

// The type of the one parameter of F; void if it cannot be told (generic lambdas, overloads).
// Asking whether F could be called with this or that would instantiate the bodies of generic
// lambdas.
template <class F>
struct Parameter : std::type_identity<void> {};
template <class R, class A>
struct Parameter<R(A)> : std::type_identity<A> {};
template <class R, class A>
struct Parameter<R(A) noexcept> : std::type_identity<A> {};
template <class F>
struct Parameter<F*> : Parameter<F> {};
template <class C, class R, class A>
struct Parameter<R (C::*)(A)> : std::type_identity<A> {};
template <class C, class R, class A>
struct Parameter<R (C::*)(A) const> : std::type_identity<A> {};
template <class C, class R, class A>
struct Parameter<R (C::*)(A) noexcept> : std::type_identity<A> {};
template <class C, class R, class A>
struct Parameter<R (C::*)(A) const noexcept> : std::type_identity<A> {};
template <class F>
  requires requires { &F::operator(); }
struct Parameter<F> : Parameter<decltype(&F::operator())> {};

template <class F, class V>
concept TakesOptional = std::same_as<std::remove_cvref_t<typename Parameter<F>::type>,
                                     std::optional<V>>;

// f's answer to what is there now. f takes V (V{} if the key is missing) or std::optional<V>; if it
// returns nothing, it has changed the V that it took by reference.
template <class V, class F>
V updated(F& f, const std::optional<V>& current) {
  if constexpr (TakesOptional<F, V>) {
    return static_cast<V>(std::invoke(f, current));
  } else {
    V value = current ? *current : V{};
    if constexpr (std::is_void_v<decltype(std::invoke(f, value))>) {
      static_assert(!std::is_invocable_v<F&, V>,
                    "f returns nothing and changes a copy: take V&, or return the new value");
      std::invoke(f, value);
      return value;
    } else {
      return static_cast<V>(std::invoke(f, value));
    }
  }
}

// A Maybe that keeps the very bytes too: sent back, they compare equal whatever they mean.
template <class V>
struct Original {
  struct Result {
    std::optional<V> value;
    std::string encoded;
    std::optional<std::string_view> expected() const {
      return value ? std::optional<std::string_view>(encoded) : std::nullopt;
    }
  };
  Result operator()(const Reply& reply) const {
    impl::Elements elements(reply.result);
    if (elements.left() == 0) return {};
    const std::string_view encoded = elements.next();
    return {As<V>::read(encoded), std::string(encoded)};
  }
};

}  // namespace steward::detail::proxy
