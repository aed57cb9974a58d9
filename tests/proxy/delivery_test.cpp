// What a Delivery says of its item, and of none else.
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include <steward/proxy/delivery.hpp>

namespace steward::detail::test {
namespace {

using Said = std::vector<std::string>;

// Notes what is said of an item.
struct NotedLease final : proxy::LeaseWays {
  NotedLease(Said& said, std::string item) : said(said), item(std::move(item)) {}
  bool say(const std::string& word) {
    said.push_back(word + " " + item);
    return true;
  }
  bool ack() override { return say("ack"); }
  bool nack() override { return say("nack"); }
  bool touch() override { return say("touch"); }
  void drop() override { say("drop"); }

  Said& said;
  const std::string item;
};

// Whose move assignment may fail when it has begun.
struct Fragile {
  explicit Fragile(std::string name, bool fails = false) : name(std::move(name)), fails(fails) {}
  Fragile(Fragile&&) = default;
  Fragile& operator=(Fragile&& other) {
    name = std::move(other.name);
    if (other.fails) throw std::runtime_error("half moved");
    return *this;
  }

  std::string name;
  bool fails;
};

template <class T>
Delivery<T> delivered(Said& said, T value, const std::string& item) {
  return {std::move(value), false,
          typename Delivery<T>::Lease(std::make_unique<NotedLease>(said, item))};
}

TEST(Delivery, AssignedToGivesBackWhatItHad) {
  Said said;
  auto one = delivered(said, Fragile("1"), "1");
  one = delivered(said, Fragile("2"), "2");
  EXPECT_EQ(said, Said{"drop 1"});
  EXPECT_EQ(one.value().name, "2");
  EXPECT_TRUE(one.ack());
  EXPECT_EQ(said, (Said{"drop 1", "ack 2"}));
}

TEST(Delivery, HalfAssignedToSpeaksForNoItem) {
  Said said;
  auto one = delivered(said, Fragile("1"), "1");
  auto two = delivered(said, Fragile("2", true), "2");
  EXPECT_THROW(one = std::move(two), std::runtime_error);
  EXPECT_FALSE(one.ack());
  EXPECT_EQ(said, Said{"drop 1"});
  EXPECT_TRUE(two.nack());  // NOLINT(bugprone-use-after-move): it has still its own
  EXPECT_EQ(said, (Said{"drop 1", "nack 2"}));
}

TEST(Delivery, AssignedToItselfStaysAsItIs) {
  Said said;
  auto one = delivered(said, std::string("value"), "1");
  auto& same = one;
  one = std::move(same);
  EXPECT_EQ(one.value(), "value");
  EXPECT_TRUE(one.ack());
  EXPECT_EQ(said, Said{"ack 1"});
}

static_assert(std::is_nothrow_move_assignable_v<Delivery<std::string>>);
static_assert(std::is_move_constructible_v<Delivery<const int>> &&
              !std::is_move_assignable_v<Delivery<const int>>);
static_assert(!std::is_copy_constructible_v<Delivery<int>> &&
              !std::is_copy_assignable_v<Delivery<int>>);

}  // namespace
}  // namespace steward::detail::test
