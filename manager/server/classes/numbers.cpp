#include <steward/manager/server/classes/numbers.hpp>

#include <cstdint>

#include <fmt/format.h>

#include <steward/core/errors.hpp>
#include <steward/manager/server/classes/texts.hpp>

namespace steward::detail::server {
namespace {

void require_number(const Value& value) {
  if (value.kind() != ValueKind::integer && value.kind() != ValueKind::real) {
    throw BadCall(brief(value) + " is not a number");
  }
}

// The builtin adds as if there were no end of bits, then says whether the result fits.
template <class A, class B>
std::optional<Value> exact_sum(A a, B b) {
  std::int64_t sum = 0;
  if (!__builtin_add_overflow(a, b, &sum)) return Value(sum);
  std::uint64_t large = 0;
  if (!__builtin_add_overflow(a, b, &large)) return Value(large);
  return std::nullopt;
}

template <class A>
std::optional<Value> exact_sum_with(A a, const Value& b) {
  return b.is<std::int64_t>() ? exact_sum(a, b.integer()) : exact_sum(a, b.natural());
}

Value sum_of(const Value& a, const Value& b) {
  if (a.kind() == ValueKind::real || b.kind() == ValueKind::real) return a.real() + b.real();
  const auto sum = a.is<std::int64_t>() ? exact_sum_with(a.integer(), b)
                                        : exact_sum_with(a.natural(), b);
  if (!sum) throw BadCall(fmt::format("{} + {} does not fit 64 bits", a.json(), b.json()));
  return *sum;
}

std::string bound_text(const std::optional<Value>& bound) {
  return bound ? bound->json() : std::string("...");
}

}  // namespace

Value add(const Value& number, const Value& by, const Bounds& bounds) {
  require_number(number);
  require_number(by);
  if (bounds.min) require_number(*bounds.min);
  if (bounds.max) require_number(*bounds.max);
  Value sum = sum_of(number, by);
  if ((bounds.min && sum < *bounds.min) || (bounds.max && sum > *bounds.max)) {
    throw BadCall(fmt::format("{} + {} is {}, which is not in [{}, {}]", number.json(), by.json(),
                              sum.json(), bound_text(bounds.min), bound_text(bounds.max)));
  }
  return sum;
}

}  // namespace steward::detail::server
