// Memory that ends while an item is being taken from a ring: it is the caller's, or in the queue.
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include <steward/steward.hpp>

#include <steward/tests/shm/failing_new.hpp>

namespace steward::detail::test {
namespace {

using namespace std::chrono_literals;

std::string long_text(char c) { return std::string(100, c); }

// Runs `take` with memory that ends at its n-th allocation; false: it has not so many.
template <class Take>
bool failing_at(std::size_t n, Take&& take) {
  const FailingNew memory(n);
  try {
    take();
  } catch (...) {
    EXPECT_TRUE(memory.has_failed());
  }
  return memory.has_failed();
}

class QueueAllocations : public testing::Test {
 protected:
  Manager manager;
};

TEST_F(QueueAllocations, ManyThatAreTakenAreGivenOrStay) {
  const Queue<std::string> queue = manager.queue<std::string>();
  const std::vector<std::string> all{long_text('a'), long_text('b'), long_text('c')};
  queue.size();
  at_each_allocation([&](std::size_t n) {
    SCOPED_TRACE(n);
    queue.put_many(all);
    std::vector<std::string> got;
    const bool failed = failing_at(n, [&] { got = queue.get_many(10); });
    while (auto rest = queue.try_get()) got.push_back(*std::move(rest));
    std::ranges::sort(got);
    EXPECT_EQ(got, all);
    return failed;
  });
}

// Where it lies in the ring, and for a type that does not travel as it lies.
struct Place {
  std::int64_t x = 0;
};
static_assert(proxy::kRawItem<Place> && !proxy::kRawItem<std::int64_t>);

template <class T>
void view_at_each_allocation(const Queue<T>& queue, T item) {
  queue.size();
  at_each_allocation([&](std::size_t n) {
    SCOPED_TRACE(n);
    queue.put(item);
    std::optional<proxy::View<T>> view;
    const bool failed = failing_at(n, [&] { view.emplace(queue.take()); });
    EXPECT_EQ(queue.size(), view ? 0U : 1U);
    if (!view) queue.get();
    return failed;
  });
}

TEST_F(QueueAllocations, AnItemThatIsToBeViewedIsSeenOrStays) {
  view_at_each_allocation(manager.queue<Place>(), Place{7});
  view_at_each_allocation(manager.queue<std::int64_t>(), std::int64_t{7});
}

TEST_F(QueueAllocations, AnItemThatIsToBeReservedIsDeliveredOrStays) {
  const Queue<std::string> queue = manager.queue<std::string>();
  queue.put(long_text('a'));
  at_each_allocation([&](std::size_t n) {
    SCOPED_TRACE(n);
    std::optional<Delivery<std::string>> delivery;
    const bool failed = failing_at(n, [&] { delivery.emplace(queue.reserve(1h)); });
    EXPECT_EQ(queue.size(), delivery ? 0U : 1U);
    delivery.reset();
    EXPECT_EQ(queue.size(), 1U);
    return failed && queue.size() == 1;
  });
}

}  // namespace
}  // namespace steward::detail::test
