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

TEST(Text, ThatIsVisibleMovesNoCursor) {
  EXPECT_EQ(visible("plain, gr\xc3\xbc\xc3\x9f" "e"), "plain, gr\xc3\xbc\xc3\x9f" "e");
  EXPECT_EQ(visible("a\tb\nc\x1b[2J\x7f"), "a\\tb\\nc\\x1b[2J\\x7f");
  EXPECT_EQ(visible(std::string_view("\0", 1)), "\\x00");
  EXPECT_EQ(visible("\xc2\x9b" "31m"), "\\x9b31m");
  EXPECT_EQ(visible("\x9b\xff\xe2\x82"), "\\x9b\\xff\\xe2\\x82");
  EXPECT_EQ(visible("\xe2\x80\xae" "abc"), "\\xe2\\x80\\xaeabc");
}

}  // namespace
}  // namespace steward::detail::core
