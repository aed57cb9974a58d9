// FunctionRef: a function of the caller's, as a parameter of code that is no template.
#pragma once

#include <concepts>
#include <type_traits>
#include <utility>

namespace steward::detail::proxy {

template <class Signature>
class FunctionRef;

// Refers to the function object, which outlives the call that it is given to. Two pointers: no copy
// and no allocation.
template <class R, class... A>
class FunctionRef<R(A...)> {
 public:
  template <class F>
    requires(std::is_object_v<F> && std::is_invocable_r_v<R, F&, A...> &&
             !std::same_as<std::remove_const_t<F>, FunctionRef>)
  FunctionRef(F& function)
      : object_(&function), call_([](const void* object, A... arguments) -> R {
          F& called = *static_cast<F*>(const_cast<void*>(object));
          return called(std::forward<A>(arguments)...);
        }) {}

  R operator()(A... arguments) const { return call_(object_, std::forward<A>(arguments)...); }

 private:
  const void* object_;
  R (*call_)(const void*, A...);
};

}  // namespace steward::detail::proxy
