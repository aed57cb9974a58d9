#include <steward/core/ids.hpp>

#include <set>
#include <type_traits>
#include <unordered_set>

#include <gtest/gtest.h>

namespace steward::detail::core {
namespace {

static_assert(!std::is_same_v<SessionId, Incarnation> && !std::is_same_v<SessionId, Nonce>);
static_assert(!std::is_convertible_v<SessionId, Incarnation>);
static_assert(!std::is_convertible_v<std::uint64_t, ObjectId>);

constexpr std::string_view kSixteen{"\0\1\2\3\4\5\6\7\10\11\12\13\14\15\376\377", 16};

TEST(Ids, AreMadeOfExactlySixteenBytes) {
  const auto id = SessionId::from(kSixteen);
  ASSERT_TRUE(id.has_value());
  EXPECT_EQ(id->view(), kSixteen);
  EXPECT_FALSE(SessionId::from("").has_value());
  EXPECT_FALSE(SessionId::from(kSixteen.substr(1)).has_value());
  EXPECT_FALSE(SessionId::from(std::string(kSixteen) + "x").has_value());
}

TEST(Ids, PrintAsHexadecimal) {
  EXPECT_EQ(SessionId::from(kSixteen)->hex(), "000102030405060708090a0b0c0dfeff");
}

TEST(Ids, CompareByTheirBytes) {
  SessionId small;
  SessionId large;
  large.bytes[15] = 1;
  SessionId larger;
  larger.bytes[0] = 0x80;
  EXPECT_LT(small, large);
  EXPECT_LT(large, larger);
  EXPECT_EQ(small, SessionId{});
  EXPECT_NE(small, large);
}

TEST(Ids, CanBeKeysOfHashTables) {
  std::unordered_set<SessionId> ids;
  for (std::uint8_t i = 0; i < 100; ++i) {
    SessionId id;
    id.bytes[0] = i;
    ids.insert(id);
    ids.insert(id);
  }
  EXPECT_EQ(ids.size(), 100U);
}

TEST(Ids, AnObjectsNumberIsItsId) {
  EXPECT_EQ(number(ObjectId{17}), 17U);
  EXPECT_EQ(number(kManagerObject), 0U);
}

}  // namespace
}  // namespace steward::detail::core
