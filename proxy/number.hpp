// What `add` adds: elements that are numbers, and steps that keep their sign.
#pragma once

#include <concepts>
#include <cstdint>
#include <limits>
#include <string>
#include <type_traits>
#include <utility>

#include <steward/core/errors.hpp>
#include <steward/core/value.hpp>
#include <steward/core/writer.hpp>

namespace steward::detail::proxy {

template <class T>
concept Number = (std::integral<T> && !std::same_as<T, bool>) || std::floating_point<T>;

// A Value may hold a number; the server looks.
template <class T>
concept Addable = Number<T> || std::same_as<T, Value>;

template <class T>
inline constexpr bool kAddable = Addable<T>;

// What is added to an element of type T.
template <class T>
class Step {
 public:
  template <class N>
  Step(const N&) {
    static_assert(kAddable<T>, "only numbers can be added to, and elements of this type are none");
  }
  void write_argument(std::string&) const {}
};

// To integers any integer can be added, as -1 to an unsigned one; the server checks that the sum
// fits T.
template <class T>
  requires(Number<T> && std::integral<T>)
class Step<T> {
 public:
  template <class N>
    requires(std::convertible_to<N, T> && !std::floating_point<std::remove_cvref_t<N>> &&
             !std::same_as<std::remove_cvref_t<N>, Step>)
  Step(N&& by) {
    using Number = std::remove_cvref_t<N>;
    if constexpr (std::signed_integral<Number>) {
      negative_ = by < 0;
      magnitude_ = static_cast<std::uint64_t>(by);
      if (negative_) magnitude_ = 0 - magnitude_;
    } else if constexpr (std::integral<Number>) {
      magnitude_ = static_cast<std::uint64_t>(by);
    } else {
      *this = Step(static_cast<T>(std::forward<N>(by)));
    }
  }

  Step negated() const {
    Step step = *this;
    step.negative_ = !negative_;
    return step;
  }

  void write_argument(std::string& out) const {
    if (!negative_) return core::Writer(out).natural(magnitude_);
    constexpr std::uint64_t kMost = std::uint64_t{1} << 63U;
    if (magnitude_ > kMost) throw BadCall("a step below -2^63 cannot be added at once");
    core::Writer(out).integer(static_cast<std::int64_t>(0 - magnitude_));
  }

 private:
  bool negative_ = false;
  std::uint64_t magnitude_ = 0;
};

template <std::floating_point T>
class Step<T> {
 public:
  template <class N>
    requires(std::convertible_to<N, T> && !std::same_as<std::remove_cvref_t<N>, Step>)
  Step(N&& by) : by_(static_cast<double>(static_cast<T>(std::forward<N>(by)))) {}

  Step negated() const { return Step(static_cast<T>(-by_)); }
  void write_argument(std::string& out) const { core::Writer(out).real(by_); }

 private:
  double by_;
};

template <>
class Step<Value> {
 public:
  template <class N>
    requires(std::convertible_to<N, Value> && !std::same_as<std::remove_cvref_t<N>, Step>)
  Step(N&& by) : by_(std::forward<N>(by)) {}

  // Throws BadCall if it is no number.
  Step negated() const {
    if (by_.is<double>()) return Step(-by_.as<double>());
    if (by_.is<std::int64_t>()) {
      const std::int64_t by = by_.as<std::int64_t>();
      if (by != std::numeric_limits<std::int64_t>::min()) return Step(-by);
      return Step(std::uint64_t{1} << 63U);
    }
    throw BadCall("cannot subtract " + by_.json());
  }
  void write_argument(std::string& out) const {
    core::Writer writer(out);
    core::encode_value(writer, by_, core::current_handle_codec());
  }

 private:
  Value by_;
};

// The least and the greatest sum, for the server to check; nil: whatever its numbers can hold.
template <class T>
auto least() {
  if constexpr (std::integral<T>) {
    return std::numeric_limits<T>::min();
  } else {
    return Value();
  }
}
template <class T>
auto greatest() {
  if constexpr (std::integral<T>) {
    return std::numeric_limits<T>::max();
  } else {
    return Value();
  }
}

}  // namespace steward::detail::proxy
