// What becomes of the calls of an imap whose results nobody takes.
#include <sys/ioctl.h>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdlib>
#include <optional>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include <steward/pool/pool.hpp>
#include <steward/tests/process/support.hpp>

namespace steward::detail::test {
namespace {

using pool::kStockCalls;
using pool::PoolResults;

int cube(int x) { return x * x * x; }

// Each call writes a byte.
class Counted {
 public:
  Counted(const std::string& writer, std::size_t bytes) : writer_(writer), bytes_(bytes) {}
  std::string operator()(int) const {
    tell(writer_, "x");
    return std::string(bytes_, 'x');
  }
  Counted() = default;
  MSGPACK_DEFINE(writer_, bytes_)

 private:
  std::string writer_;
  std::size_t bytes_ = 0;
};

// How many calls have been made; of a pool where nothing is under way that has a result.
std::size_t calls_made(Pool& pool, const Pipe& pipe) {
  // Behind all that was sent before, and with one worker also done behind it.
  pool.apply(cube, 1);
  int count = 0;
  ::ioctl(pipe.reader_fd(), FIONREAD, &count);
  return static_cast<std::size_t>(count);
}

TEST(PoolStock, ImapMakesNoMoreCallsWhileNobodyTakesTheirResults) {
  for (const bool ordered : {true, false}) {
    Pool pool(1);
    Pipe pipe;
    const std::vector<int> elements(5000);
    const Counted call(pipe.writer(), 1);
    auto results =
        ordered ? pool.imap(call, elements) : pool.imap_unordered(call, elements);
    std::size_t made = 0;
    ASSERT_TRUE(eventually([&] { return (made = calls_made(pool, pipe)) >= 1024; }));
    for (int i = 0; i < 100; ++i) made = calls_made(pool, pipe);
    EXPECT_LE(made, 1026U) << "and two that were under way";
    // It goes on with who takes them, to the last.
    std::size_t count = 0;
    while (results.next()) ++count;
    EXPECT_EQ(count, elements.size());
    EXPECT_EQ(calls_made(pool, pipe), elements.size());
  }
}

TEST(PoolStock, ImapMakesNoMoreCallsThanResultsFitInto64MiB) {
  Pool pool(1);
  Pipe pipe;
  constexpr std::size_t kLarge = 8U << 20U;
  auto results = pool.imap(Counted(pipe.writer(), kLarge), std::vector<int>(50));
  std::size_t made = 0;
  ASSERT_TRUE(eventually([&] { return (made = calls_made(pool, pipe)) >= 8; }));
  for (int i = 0; i < 20; ++i) made = calls_made(pool, pipe);
  EXPECT_LE(made, 10U);
  std::size_t count = 0;
  while (const auto result = results.next()) count += result->size() / kLarge;
  EXPECT_EQ(count, 50U);
}

TEST(PoolStock, JoinMakesAllCallsThoughNobodyTakesTheirResults) {
  Pool pool(2);
  auto results = pool.imap(cube, std::vector<int>(5000, 2));
  pool.close();
  pool.join();
  std::size_t count = 0;
  for (const int result : results) count += result == 8 ? 1 : 0;
  EXPECT_EQ(count, 5000U);
}

TEST(PoolStock, WhoDropsAnImapWhoseCallsAreHeldBackCancelsThem) {
  Pool pool(1);
  Pipe pipe;
  {
    const auto results = pool.imap(Counted(pipe.writer(), 1), std::vector<int>(5000));
    ASSERT_TRUE(eventually([&] { return calls_made(pool, pipe) >= 1024; }));
  }
  pool.close();
  pool.join();
  int count = 0;
  ::ioctl(pipe.reader_fd(), FIONREAD, &count);
  EXPECT_LT(count, 5000);
}

std::size_t size_of(const std::string& text) { return text.size(); }

// One more than an imap of one worker begins while nobody takes their results. The last is too
// large to be sent, which is found once it is let go.
constexpr std::size_t kCalls = kStockCalls + 2;
std::vector<std::string> the_last_too_large() {
  std::vector<std::string> elements(kCalls, "x");
  elements.back().assign(65U << 20U, 'x');
  return elements;
}

// Of an imap of those: all but the last calls are made, and the pool's own thread reads results, so
// that whoever loses the last has to tell.
class LossWhileLettingGo : public testing::Test {
 protected:
  LossWhileLettingGo()
      : pool_({.processes = 1, .on_progress = [this](std::size_t done, std::size_t) {
                 done_ = done;
               }}),
        results_(pool_.imap(size_of, the_last_too_large())) {
    if (!eventually([this] { return done_ >= kCalls - 1; })) std::abort();
  }

  std::atomic<std::size_t> done_ = 0;
  Pool pool_;
  PoolResults<std::size_t> results_;
};

TEST_F(LossWhileLettingGo, IsToldToWhoTakesResults) {
  for (std::size_t i = 1; i < kCalls; ++i) ASSERT_EQ(results_.next(), 1U);
  ASSERT_TRUE(results_.wait_for(std::chrono::seconds(30)));
  EXPECT_THROW(results_.next(), Overloaded);
  EXPECT_EQ(results_.next(), std::nullopt);
}

TEST_F(LossWhileLettingGo, IsToldToWhoJoins) {
  pool_.close();
  pool_.join();
  for (std::size_t i = 1; i < kCalls; ++i) ASSERT_EQ(results_.next(), 1U);
  EXPECT_THROW(results_.next(), Overloaded);
}

}  // namespace
}  // namespace steward::detail::test
