#include <steward/core/travel.hpp>

#include <thread>

#include <gtest/gtest.h>

#include <steward/core/codec.hpp>

#include <steward/tests/core/support.hpp>

namespace steward::detail::core {
namespace {

using test::FakeList;

// Writes every handle with its own flags, and reads every one as the same reference.
class Marking final : public Travel {
 public:
  explicit Marking(std::uint32_t flags) : flags_(flags) {}
  Token outgoing(const Reference& reference) override {
    Token token = reference.token();
    token.flags = flags_;
    return token;
  }
  ReferencePtr incoming(Token token) override {
    seen.push_back(token.flags);
    return arrived;
  }

  const ReferencePtr arrived = test::reference("list", 77);
  std::vector<std::uint32_t> seen;

 private:
  std::uint32_t flags_;
};

// A reference that writes something else down for elsewhere, as one with a claim lease does.
class Leased final : public Reference {
 public:
  using Reference::Reference;
  Token outgoing() const override {
    Token token = token_;
    token.flags = 99;
    return token;
  }
};

FakeList leased() {
  return FakeList::from_reference(std::make_shared<const Leased>(test::token("list", 5)));
}

std::uint32_t flags_of(const std::string& bytes) {
  return decode_token(Reader(bytes).extension().payload).flags;
}

TEST(Travel, WithoutAScopeWritesWhatTheReferenceSays) {
  EXPECT_EQ(flags_of(packed(leased())), 99U);
  EXPECT_EQ(flags_of(packed(Value(leased()))), 99U);
}

TEST(Travel, WithoutAScopeReadsReferencesThatKeepNothing) {
  const auto list = unpack<FakeList>(packed(leased()));
  EXPECT_EQ(list.reference()->token().object, ObjectId{5});
  EXPECT_EQ(list.reference().use_count(), 1);
}

TEST(Travel, TheInnermostScopeIsInCharge) {
  Marking outer(1);
  Marking inner(2);
  {
    const TravelScope around(outer);
    EXPECT_EQ(&current_travel(), &outer);
    EXPECT_EQ(flags_of(packed(leased())), 1U);
    {
      const TravelScope within(inner);
      EXPECT_EQ(flags_of(packed(leased())), 2U);
    }
    EXPECT_EQ(flags_of(packed(leased())), 1U);
  }
  EXPECT_EQ(flags_of(packed(leased())), 99U);
}

TEST(Travel, AScopeEndsWithAnExceptionToo) {
  Marking travel(1);
  EXPECT_TRUE(test::refuses([&] {
    const TravelScope scope(travel);
    unpack<FakeList>("\xc0");
  }));
  EXPECT_NE(&current_travel(), &travel);
}

TEST(Travel, AScopeReachesValuesStructsAndContainers) {
  Marking travel(3);
  const TravelScope scope(travel);
  const std::vector<std::map<std::string, Value>> nested{{{"a", Value(leased())}}};
  const auto back = unpack<std::vector<std::map<std::string, Value>>>(packed(nested));
  EXPECT_EQ(back.at(0).at("a").reference(), travel.arrived);
  const auto pair = unpack<std::pair<int, FakeList>>(packed(std::pair(1, leased())));
  EXPECT_EQ(pair.second.reference(), travel.arrived);
  EXPECT_EQ(travel.seen, (std::vector<std::uint32_t>{3, 3}));
}

TEST(Travel, AScopeIsOneThreadsOwn) {
  Marking travel(1);
  const TravelScope scope(travel);
  bool same = true;
  std::thread([&] { same = &current_travel() == &travel; }).join();
  EXPECT_FALSE(same);
}

TEST(Travel, AMalformedHandleNeverArrives) {
  Marking travel(1);
  const TravelScope scope(travel);
  EXPECT_TRUE(test::refuses([] { unpack<Value>(test::unhex("d4 01 c0")); }));
  EXPECT_TRUE(test::refuses([] { unpack<FakeList>(test::unhex("d4 01 c0")); }));
  EXPECT_TRUE(test::refuses([] {
    unpack<FakeList>(packed(Value::of_reference(test::reference("lock", 1))));
  }));
  EXPECT_TRUE(travel.seen.empty());
}

}  // namespace
}  // namespace steward::detail::core
