#include <steward/core/text.hpp>

#include <string>

#include <gtest/gtest.h>

namespace steward::detail::core {
namespace {

TEST(Text, ThatFitsStaysWhole) {
  EXPECT_EQ(cut("", 0), "");
  EXPECT_EQ(cut("abc", 3), "abc");
  EXPECT_EQ(cut("abc", 100), "abc");
}

TEST(Text, IsCutBetweenCharacters) {
  EXPECT_EQ(cut("abc", 2), "ab");
  EXPECT_EQ(cut("abc", 0), "");
  const std::string euro = "\xe2\x82\xac";
  EXPECT_EQ(cut(euro + euro, 3), euro);
  EXPECT_EQ(cut(euro + euro, 4), euro);
  EXPECT_EQ(cut(euro + euro, 5), euro);
  EXPECT_EQ(cut(euro, 2), "");
  const std::string clef = "\xf0\x9d\x84\x9e";
  EXPECT_EQ(cut("a" + clef, 4), "a");
  EXPECT_EQ(cut("a" + clef, 5), "a" + clef);
}

TEST(Text, ThatIsNotUtf8IsCutAtTheLimit) {
  const std::string bytes(100, '\x80');
  EXPECT_EQ(cut(bytes, 10).size(), 10U);
  EXPECT_EQ(cut(bytes, 2).size(), 2U);
}

}  // namespace
}  // namespace steward::detail::core
