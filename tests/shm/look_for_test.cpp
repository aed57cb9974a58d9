// A look for items of one word, in parts.
#include <unistd.h>

#include <array>
#include <cstring>
#include <map>

#include <gtest/gtest.h>

#include <steward/tests/shm/ring_ledger.hpp>

namespace steward::detail::test {
namespace {

using shm::Held;
using shm::Item;
using shm::SharedQueue;
using shm::Word;

constexpr core::Time kNow = SharedQueue::kNow;
constexpr std::uint32_t kFormat = 2;

class LookFor : public testing::Test {
 protected:
  void put(Word word, std::uint32_t format = kFormat) {
    const auto bytes = std::as_bytes(std::span(&word, 1));
    ASSERT_EQ(queue->put(bytes, format, kNow), SharedQueue::Outcome::done);
  }
  Held take(bool for_good) {
    Held held;
    const auto read = [&](const Item&) { return for_good; };
    EXPECT_EQ(queue->get(read, kNow, held), SharedQueue::Outcome::done);
    return held;
  }
  // What is met by walks over `part` blocks at a time, and whether somebody has it.
  std::map<Word, bool> found(std::uint32_t part = 1'000'000) {
    std::map<Word, bool> all;
    std::optional<std::uint32_t> from = 0;
    while (from) {
      std::uint32_t left = part;
      from = queue->look_for(kFormat, *from, left, [&](const auto& bytes, bool in_hands) {
        Word word = 0;
        std::memcpy(&word, bytes.data(), sizeof word);
        EXPECT_TRUE(all.emplace(word, in_hands).second) << word << " is shown twice";
        return true;
      });
      EXPECT_TRUE(!from || left == 0);
    }
    return all;
  }

  const std::unique_ptr<SharedQueue> queue = SharedQueue::create({});
};

TEST_F(LookFor, ShowsWhatIsQueuedAndWhatSomebodyHasWhereverItLies) {
  EXPECT_TRUE(found().empty());
  for (Word word = 1; word <= 4; ++word) put(word);
  take(true);
  take(false);
  EXPECT_TRUE(queue->nack(take(false)));
  put(5, kFormat + 1);
  EXPECT_EQ(queue->put(std::as_bytes(std::span("longer than one word")), kFormat, kNow),
            SharedQueue::Outcome::done);
  const std::map<Word, bool> expected{{2, true}, {3, false}, {4, false}};
  EXPECT_EQ(found(), expected);
  EXPECT_EQ(found(1), expected);
  EXPECT_EQ(found(7), expected);
}

TEST_F(LookFor, EndsWhereItsPeerWantsNoMore) {
  for (Word word = 1; word <= 4; ++word) put(word);
  std::uint32_t left = 1'000;
  int shown = 0;
  EXPECT_TRUE(queue->look_for(kFormat, 0, left, [&](const auto&, bool) { return ++shown < 2; }));
  EXPECT_EQ(shown, 2);
  EXPECT_GT(left, 0U);
}

TEST_F(LookFor, PassesOverDamagedBlocks) {
  for (Word word = 1; word <= 3; ++word) put(word);
  put(4, kFormat + 1);
  auto memory = shm::QueueMemory::open(shm::UniqueFd(::dup(queue->fd())));
  const auto block_at = [&](Word at) { return shm::Cell::of(memory.cell(0, at).load()).block(); };
  memory.describe(block_at(1), 0xffff'ffff, kFormat);
  memory.describe(block_at(3), 0xffff'ffff, kFormat + 1);
  EXPECT_EQ(found(), (std::map<Word, bool>{{1, false}, {3, false}}));
}

}  // namespace
}  // namespace steward::detail::test
