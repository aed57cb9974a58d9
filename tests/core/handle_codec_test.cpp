#include <steward/core/handle_codec.hpp>

#include <thread>

#include <gtest/gtest.h>

#include <steward/core/codec.hpp>

#include <steward/tests/core/support.hpp>

namespace steward::detail::core {
namespace {

using test::FakeList;

// Writes every handle with its own flags, and reads every one as the same reference.
class Marking final : public HandleCodec {
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

TEST(HandleCodec, WithoutAScopeWritesWhatTheReferenceSays) {
  EXPECT_EQ(flags_of(packed(leased())), 99U);
  EXPECT_EQ(flags_of(packed(Value(leased()))), 99U);
}

TEST(HandleCodec, WithoutAScopeReadsReferencesThatKeepNothing) {
  const auto list = unpack<FakeList>(packed(leased()));
  EXPECT_EQ(list.reference()->token().object, ObjectId{5});
  EXPECT_EQ(list.reference().use_count(), 1);
}

TEST(HandleCodec, TheInnermostScopeIsInCharge) {
  Marking outer(1);
  Marking inner(2);
  {
    const HandleCodecScope around(outer);
    EXPECT_EQ(&current_handle_codec(), &outer);
    EXPECT_EQ(flags_of(packed(leased())), 1U);
    {
      const HandleCodecScope within(inner);
      EXPECT_EQ(flags_of(packed(leased())), 2U);
    }
    EXPECT_EQ(flags_of(packed(leased())), 1U);
  }
  EXPECT_EQ(flags_of(packed(leased())), 99U);
}

TEST(HandleCodec, AScopeEndsWithAnExceptionToo) {
  Marking codec(1);
  EXPECT_TRUE(test::refuses([&] {
    const HandleCodecScope scope(codec);
    unpack<FakeList>("\xc0");
  }));
  EXPECT_NE(&current_handle_codec(), &codec);
}

TEST(HandleCodec, AScopeReachesValuesStructsAndContainers) {
  Marking codec(3);
  const HandleCodecScope scope(codec);
  const std::vector<std::map<std::string, Value>> nested{{{"a", Value(leased())}}};
  const auto back = unpack<std::vector<std::map<std::string, Value>>>(packed(nested));
  EXPECT_EQ(back.at(0).at("a").reference(), codec.arrived);
  const auto pair = unpack<std::pair<int, FakeList>>(packed(std::pair(1, leased())));
  EXPECT_EQ(pair.second.reference(), codec.arrived);
  EXPECT_EQ(codec.seen, (std::vector<std::uint32_t>{3, 3}));
}

TEST(HandleCodec, AScopeIsOneThreadsOwn) {
  Marking codec(1);
  const HandleCodecScope scope(codec);
  bool same = true;
  std::thread([&] { same = &current_handle_codec() == &codec; }).join();
  EXPECT_FALSE(same);
}

TEST(HandleCodec, AMalformedHandleNeverArrives) {
  Marking codec(1);
  const HandleCodecScope scope(codec);
  EXPECT_TRUE(test::refuses([] { unpack<Value>(test::unhex("d4 01 c0")); }));
  EXPECT_TRUE(test::refuses([] { unpack<FakeList>(test::unhex("d4 01 c0")); }));
  EXPECT_TRUE(test::refuses([] {
    unpack<FakeList>(packed(Value::of_reference(test::reference("lock", 1))));
  }));
  EXPECT_TRUE(codec.seen.empty());
}

}  // namespace
}  // namespace steward::detail::core
