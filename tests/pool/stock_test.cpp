// What becomes of the calls of an imap whose results nobody takes.
#include <sys/ioctl.h>

#include <cstddef>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include <steward/pool/pool.hpp>
#include <steward/tests/process/support.hpp>

namespace steward::detail::test {
namespace {

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

}  // namespace
}  // namespace steward::detail::test
