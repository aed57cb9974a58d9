#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include <steward/manager/server/classes/numbers.hpp>

#include <steward/tests/server/classes/fake_call.hpp>

namespace steward::detail::server {
namespace {

constexpr std::int64_t kLeast = std::numeric_limits<std::int64_t>::min();
constexpr std::int64_t kMost = std::numeric_limits<std::int64_t>::max();
constexpr std::uint64_t kLargest = std::numeric_limits<std::uint64_t>::max();

std::string refusal(const Value& a, const Value& b, const Bounds& bounds = {}) {
  return testing::error_of([&] { add(a, b, bounds); });
}

TEST(Numbers, IntegersGiveTheExactInteger) {
  EXPECT_EQ(add(2, 3, {}), Value(5));
  EXPECT_EQ(add(2, 3, {}).kind(), ValueKind::integer);
  EXPECT_EQ(add(kMost, -1, {}), Value(kMost - 1));
  EXPECT_EQ(add(kMost, kLeast, {}), Value(-1));
}

TEST(Numbers, ReachAllOf64BitsSignedOrUnsigned) {
  EXPECT_EQ(add(kMost, 1, {}), Value(static_cast<std::uint64_t>(kMost) + 1));
  EXPECT_EQ(add(kLargest - 1, 1, {}), Value(kLargest));
  EXPECT_EQ(add(kLargest, -1, {}), Value(kLargest - 1));
  EXPECT_EQ(add(static_cast<std::uint64_t>(kMost) + 1, -1, {}), Value(kMost));
  EXPECT_EQ(add(kLeast, kLargest, {}), Value(kMost));
  EXPECT_EQ(add(kMost, kMost, {}), Value(kLargest - 1));
}

TEST(Numbers, RefuseWhatNeedsMoreBits) {
  EXPECT_EQ(refusal(kLeast, -1), "bad_call: -9223372036854775808 + -1 does not fit 64 bits");
  EXPECT_EQ(refusal(kLargest, 1), "bad_call: 18446744073709551615 + 1 does not fit 64 bits");
  EXPECT_NE(refusal(kLargest, kLargest), "");
}

TEST(Numbers, RealsAndMixedGiveReals) {
  EXPECT_EQ(add(0.5, 0.25, {}), Value(0.75));
  EXPECT_EQ(add(1, 0.5, {}), Value(1.5));
  EXPECT_EQ(add(0.5, 1, {}), Value(1.5));
  EXPECT_EQ(add(1.0, 1, {}).kind(), ValueKind::real);
  EXPECT_EQ(add(1e308, 1e308, {}), Value(std::numeric_limits<double>::infinity()));
}

TEST(Numbers, KeepBounds) {
  const Bounds byte{Value(0), Value(255)};
  EXPECT_EQ(add(250, 5, byte), Value(255));
  EXPECT_EQ(refusal(250, 6, byte), "bad_call: 250 + 6 is 256, which is not in [0, 255]");
  EXPECT_EQ(refusal(0, -1, byte), "bad_call: 0 + -1 is -1, which is not in [0, 255]");
  EXPECT_EQ(refusal(0, -1, {Value(0), std::nullopt}),
            "bad_call: 0 + -1 is -1, which is not in [0, ...]");
  EXPECT_NE(refusal(1e38, 1e39, {std::nullopt, Value(3.4e38)}), "");
  EXPECT_NE(refusal(std::nan(""), 1, {std::nullopt, Value(3.4e38)}), "");
}

TEST(Numbers, RefuseWhatIsNone) {
  EXPECT_EQ(refusal("a", 1), "bad_call: \"a\" is not a number");
  EXPECT_EQ(refusal(1, nullptr), "bad_call: null is not a number");
  EXPECT_EQ(refusal(true, 1), "bad_call: true is not a number");
  EXPECT_EQ(refusal(1, 1, {Value("low"), std::nullopt}), "bad_call: \"low\" is not a number");
}

}  // namespace
}  // namespace steward::detail::server
