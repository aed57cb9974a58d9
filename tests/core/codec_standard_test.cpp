// Standard types travel in one way, whatever a source includes beside.
#include <gtest/gtest.h>

#include <steward/tests/core/standard_types.hpp>
#include <steward/tests/core/support.hpp>

namespace steward::detail::test {

std::vector<Way> ways_with_all_of_msgpack();

namespace {

using core::packed;
using core::unpack;

TEST(StandardTypes, TravelAlikeWhereAllOfMsgpackIsIncluded) {
  const std::vector<Way> here = ways_here();
  const std::vector<Way> there = ways_with_all_of_msgpack();
  ASSERT_EQ(here.size(), there.size());
  for (std::size_t i = 0; i < here.size(); ++i) {
    EXPECT_EQ(here[i], there[i]) << "type " << i << " of the list";
  }
}

struct Signal {
  std::complex<float> first;
  std::vector<std::complex<double>> rest;
  MSGPACK_DEFINE(first, rest)
};

TEST(StandardTypes, ComplexNumbersTravelAsTheirTwoParts) {
  using Complex = std::complex<double>;
  EXPECT_EQ(hex(packed(std::complex<float>(1, -0.5F))), "92 ca 3f 80 00 00 ca bf 00 00 00");
  EXPECT_EQ(unpack<Complex>(packed(Complex(0.1, -2))), Complex(0.1, -2));
  EXPECT_EQ(unpack<Complex>(unhex("92 01 02")), Complex(1, 2)) << "integers, too, are reals";
  EXPECT_EQ(refusal([] { unpack<Complex>(unhex("91 01")); }), "expected 2 elements, got 1");
  EXPECT_EQ(refusal([] { unpack<Complex>(unhex("01")); }), "expected a list, got an integer");
  const auto signal = unpack<Signal>(packed(Signal{{1, 2}, {{3, 4}, {5, 6}}}));
  EXPECT_EQ(signal.first, std::complex<float>(1, 2));
  EXPECT_EQ(signal.rest, (std::vector<Complex>{{3, 4}, {5, 6}}));
}

static_assert(!core::TravelsRaw<std::complex<double>>);
static_assert(!core::Packable<std::complex<long double>>, "as a long double itself");

}  // namespace
}  // namespace steward::detail::test
