// Pools in copies of their process.
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include <steward/pool/pool.hpp>
#include <steward/tests/process/support.hpp>

namespace steward::detail::test {
namespace {

int add(int a, int b) { return a + b; }

TEST(PoolCopies, WhoForgetsTheResultsThereCancelsNothingHere) {
  Pipe gate;
  Pool pool(1);
  auto results = pool.imap(hear, std::vector<std::string>(2, gate.reader()), 2);
  Future<int> sum = pool.apply_async(add, 2, 3);
  EXPECT_EQ(in_fork([&] {
              const std::string refused = refusal([&] { sum.get(); }) +
                                          refusal([&] { results.next(); });
              const auto forgotten = std::move(results);
              return refused.find("belongs to the process") == refused.npos ? 1 : 0;
            }),
            0);
  gate.close_writer();
  EXPECT_EQ(results.next(), "");
  EXPECT_EQ(results.next(), "");
  EXPECT_EQ(sum.get(), 5);
}

}  // namespace
}  // namespace steward::detail::test
