// One operation on a proxy and its outcome, written as the twin writes its own.
#pragma once

#include <functional>
#include <sstream>
#include <stdexcept>
#include <string>
#include <type_traits>

#include <steward/core/errors.hpp>
#include <steward/core/value.hpp>

namespace steward::detail::test {

struct Operation {
  std::string name;
  Value::List arguments;
  std::function<Value()> ours;
};

template <class F>
Value value_of(F call) {
  if constexpr (std::is_void_v<decltype(call())>) {
    call();
    return nullptr;
  } else {
    return Value(call());
  }
}

// `ours` may give anything that a Value is made of, or nothing.
template <class F>
Operation operation(std::string name, Value::List arguments, F ours) {
  return {std::move(name), std::move(arguments),
          [ours = std::move(ours)] { return value_of(ours); }};
}

inline std::string outcome(const Operation& operation) {
  try {
    return "ok " + operation.ours().json();
  } catch (const std::out_of_range&) {
    return "error missing";
  } catch (const BadCall&) {
    return "error bad";
  }
}

template <class Proxy>
std::string printed(const Proxy& proxy) {
  std::ostringstream text;
  text << proxy;
  return text.str();
}

}  // namespace steward::detail::test
