// The bytes below a queue's methods: what a reader is shown, and what becomes of an item that it
// does not take.
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstring>
#include <map>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include <steward/client/ring.hpp>
#include <steward/proxy/queue.hpp>
#include <steward/shm/shared_queue.hpp>
#include <steward/tests/general_road.hpp>
#include <steward/tests/proxy/house.hpp>
#include <steward/tests/shm/block_hog.hpp>

namespace steward::detail::test {
namespace {

using namespace std::chrono_literals;
using proxy::ItemFormat;

// The queue of a proxy, without a type for its items.
class Port : public proxy::QueuePort {
 public:
  explicit Port(const Queue<>& queue) : QueuePort("queue") { refer_to(queue.reference()); }

  using QueuePort::has_ring;
  using QueuePort::loan;
  using QueuePort::put;
  using QueuePort::put_many;
  using QueuePort::reserve;
  using QueuePort::take;
  using QueuePort::take_many;
  using QueuePort::view;
};

void write_text(std::string& out, const void* text) {
  core::Writer(out).string(*static_cast<const std::string*>(text));
}
proxy::Outgoing packed(const std::string& text) { return {&text, write_text}; }
proxy::Outgoing raw(const std::string& text) { return {&text, write_text, shm::bytes_of(text)}; }

std::string encoded(const std::string& text) {
  std::string out;
  write_text(out, &text);
  return out;
}
std::string large() { return std::string(20'000, 'x'); }

// A reader that notes what it is shown.
struct Shown {
  std::string bytes = {};
  std::optional<std::uint32_t> format = {};

  bool operator()(const shm::Item& item) {
    bytes = shm::text_of(item.bytes);
    format = item.format;
    return true;
  }
  bool is(ItemFormat wanted) const { return format == static_cast<std::uint32_t>(wanted); }
};

struct Refused : std::runtime_error {
  using std::runtime_error::runtime_error;
};
bool forks = false;  // the next one that refuses does
pid_t forked = -1;
constexpr auto refuse = [](const shm::Item& /*item*/) -> bool {
  if (std::exchange(forks, false)) forked = ::fork();
  throw Refused("no");
};

class QueuePortTest : public testing::Test {
 protected:
  void SetUp() override { ASSERT_TRUE(port.has_ring(proxy::reading("test"))); }

  shm::SharedQueue& ring() { return *client::ring_of(port.reference(), std::nullopt); }
  void put(const proxy::Outgoing& item) {
    ASSERT_TRUE(port.put(proxy::offering("put"), item));
  }
  // From now on the manager keeps items of large().
  BlockHog hog() { return {ring().fd(), large().size()}; }
  // Another one, which whoever redeems it hears nothing good of.
  void put_a_stub_of_nothing() {
    constexpr std::string_view kNumber("\x39\x30\0\0\0\0\0\0", 8);
    ASSERT_EQ(ring().put(shm::bytes_of(kNumber), static_cast<std::uint32_t>(ItemFormat::stub), {}),
              shm::SharedQueue::Outcome::done);
  }

  House house;
  const Port port{house.make<Queue<>>()};
};

TEST_F(QueuePortTest, RawItemsAreShownAsTheyWerePut) {
  const std::string item = "no MessagePack";
  put(raw(item));
  Shown shown;
  EXPECT_TRUE(port.take(proxy::taking("get"), shown));
  EXPECT_TRUE(shown.is(ItemFormat::raw));
  EXPECT_EQ(shown.bytes, item);
}

TEST_F(QueuePortTest, WhatTheManagerKeptIsShownPacked) {
  const BlockHog nothing_left = hog();
  const std::string item = large();
  put(raw(item));
  put(packed(item));
  for (int i = 0; i < 2; ++i) {
    Shown shown;
    EXPECT_TRUE(port.take(proxy::taking("get"), shown));
    EXPECT_TRUE(shown.is(ItemFormat::packed));
    EXPECT_EQ(shown.bytes, encoded(item));
  }
}

TEST_F(QueuePortTest, OverTheGeneralRoadEveryItemIsShownPacked) {
  const GeneralRoad general_road;
  const Port general(house.make<Queue<>>());
  ASSERT_FALSE(general.has_ring(proxy::reading("test")));
  const std::string item = "item";
  for (const char* method : {"get", "try_get"}) {
    EXPECT_TRUE(general.put(proxy::offering("put"), raw(item)));
    Shown shown;
    const bool waits = method == std::string_view("get");
    EXPECT_TRUE(general.take(waits ? proxy::taking(method) : proxy::trying(method), shown));
    EXPECT_TRUE(shown.is(ItemFormat::packed));
    EXPECT_EQ(shown.bytes, encoded(item));
  }
  Shown nothing;
  EXPECT_FALSE(general.take(proxy::trying("try_get"), nothing));
  EXPECT_FALSE(nothing.format);
}

// How an item can be asked for: each form has its own way to give it back.
using Form = void (*)(const Port& port);
const std::map<std::string, Form> kForms{
    {"Take", [](const Port& port) { port.take(proxy::taking("get"), refuse); }},
    {"TryTake", [](const Port& port) { port.take(proxy::trying("try_get"), refuse); }},
    {"TakeMany",
     [](const Port& port) {
       const auto read = [](std::size_t, const shm::Item* item) {
         if (item != nullptr) refuse(*item);
       };
       port.take_many(proxy::taking("get_many"), 2, read);
     }},
    {"Reserve",
     [](const Port& port) {
       bool redelivered = false;
       port.reserve(proxy::taking("reserve"), 1h, refuse, redelivered);
     }},
    {"View", [](const Port& port) { port.view(proxy::taking("take"), refuse); }},
};

class QueuePortReader : public QueuePortTest, public testing::WithParamInterface<std::string> {
 protected:
  // What a reader refused is the next one's, and flagged.
  void refused_and_back(const std::string& bytes) {
    EXPECT_THROW(kForms.at(GetParam())(port), Refused);
    EXPECT_EQ(port.size(), 1U);
    Shown shown;
    bool redelivered = false;
    auto lease = port.reserve(proxy::taking("reserve"), 1h, shown, redelivered);
    EXPECT_TRUE(redelivered);
    EXPECT_EQ(shown.bytes, bytes);
    EXPECT_TRUE(lease.settle("test")->ack());
    EXPECT_EQ(port.size(), 0U);
  }
};

TEST_P(QueuePortReader, ThatThrowsGivesTheItemBack) {
  const std::string item = "item";
  put(raw(item));
  refused_and_back(item);
}

TEST_P(QueuePortReader, ThatThrowsGivesBackWhatTheManagerKeeps) {
  const BlockHog nothing_left = hog();
  const std::string item = large();
  put(raw(item));
  refused_and_back(encoded(item));
}

// Where the item's memory is not mapped.
TEST_P(QueuePortReader, ThatThrowsInAChildThatItHasForkedDoesNothingThere) {
  const std::string item = "item";
  put(raw(item));
  forks = true;
  try {
    kForms.at(GetParam())(port);
  } catch (const Refused&) {
    if (forked == 0) ::_exit(7);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(forked, &status, 0), forked);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 7) << status;
  refused_and_back(item);
}

INSTANTIATE_TEST_SUITE_P(Each, QueuePortReader,
                         testing::Values("Take", "TryTake", "TakeMany", "Reserve", "View"),
                         [](const auto& info) { return info.param; });

TEST_F(QueuePortTest, AStubThatTheManagerDoesNotKnowIsPassedOver) {
  const std::string item = "item";
  Shown shown;
  put_a_stub_of_nothing();
  EXPECT_FALSE(port.take(proxy::trying("try_get"), shown));
  put_a_stub_of_nothing();
  put(raw(item));
  EXPECT_TRUE(port.take(proxy::taking("get"), shown));
  EXPECT_EQ(shown.bytes, item);
  EXPECT_EQ(port.size(), 0U);
}

TEST_F(QueuePortTest, SeveralKeepTheirPlacesWhateverBecomesOfTheStubsAmongThem) {
  const BlockHog nothing_left = hog();
  const std::string first = "first";
  const std::string kept = large();
  for (const bool begins_with_a_stub : {false, true}) {
    if (begins_with_a_stub) put_a_stub_of_nothing();
    put(raw(first));
    put_a_stub_of_nothing();
    put(raw(kept));
    put(packed(first));
    std::vector<std::string> slots;
    const auto read = [&](std::size_t slot, const shm::Item* item) {
      ASSERT_LE(slot, slots.size());
      if (slot == slots.size()) slots.emplace_back();
      slots[slot] = item == nullptr ? std::string() : std::string(shm::text_of(item->bytes));
    };
    port.take_many(proxy::taking("get_many"), 10, read);
    std::vector<std::string> wanted{first, "", encoded(kept), encoded(first)};
    if (begins_with_a_stub) wanted.insert(wanted.begin(), "");
    EXPECT_EQ(slots, wanted);
    for (int i = 0; i < 3; ++i) port.task_done();
    EXPECT_THROW(port.task_done(), BadCall);
  }
}

TEST_F(QueuePortTest, SeveralOfWhichTheManagerKeepsOneGoInInTheirOrder) {
  const BlockHog nothing_left = hog();
  const std::vector<std::string> items{"a", large(), "b"};
  const proxy::OutgoingItems outgoing{
      &items, items.size(),
      [](std::string& out, const void* of) {
        proxy::write_element(out, *static_cast<const std::vector<std::string>*>(of));
      },
      [](const void* of, proxy::FunctionRef<void(const proxy::Outgoing&)> visit) {
        for (const auto& item : *static_cast<const std::vector<std::string>*>(of)) {
          visit(packed(item));
        }
      }};
  port.put_many(proxy::waiting(proxy::changing("put_many")), outgoing);
  for (const std::string& item : items) {
    Shown shown;
    EXPECT_TRUE(port.take(proxy::taking("get"), shown));
    EXPECT_EQ(shown.bytes, encoded(item));
  }
}

TEST_F(QueuePortTest, AnItemThatIsLookedAtInPlaceIsGoneWithItsOwner) {
  const std::string item = "item";
  put(raw(item));
  std::string_view seen;
  const auto look = [&](const shm::Item& shown) {
    seen = shm::text_of(shown.bytes);
    return false;
  };
  auto owner = port.view(proxy::taking("take"), look);
  ASSERT_NE(owner, nullptr);
  EXPECT_EQ(seen, item);
  EXPECT_THROW(port.task_done(), BadCall);
  owner.reset();
  port.task_done();
  EXPECT_EQ(port.size(), 0U);
}

TEST_F(QueuePortTest, AReservedItemThatNobodySpeaksForComesBack) {
  const BlockHog nothing_left = hog();
  const std::string item = large();
  put(raw(item));
  bool redelivered = true;
  Shown shown;
  port.reserve(proxy::taking("reserve"), std::nullopt, shown, redelivered);
  EXPECT_FALSE(redelivered);
  port.reserve(proxy::taking("reserve"), std::nullopt, shown, redelivered);
  EXPECT_TRUE(redelivered);
  EXPECT_EQ(shown.bytes, encoded(item));
}

TEST_F(QueuePortTest, RoomIsCleanedWhenItIsPutAndOtherwiseGivenBack) {
  const auto lend = [&](void*& place) {
    return port.loan(proxy::offering("loan"), 4, 4,
                     [](void* bytes) { std::memcpy(bytes, "good", 4); }, place);
  };
  void* place = nullptr;
  lend(place);
  ASSERT_NE(place, nullptr);
  EXPECT_EQ(port.size(), 0U);
  auto room = lend(place);
  std::memcpy(place, "evil", 4);
  room.settle("test")->commit();
  Shown shown;
  EXPECT_TRUE(port.take(proxy::taking("get"), shown));
  EXPECT_TRUE(shown.is(ItemFormat::raw));
  EXPECT_EQ(shown.bytes, "good");
}

}  // namespace
}  // namespace steward::detail::test
