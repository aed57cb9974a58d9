// A queue whose ring has no memory for an item: it goes through the manager, and nobody can tell.
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstddef>
#include <numeric>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include <steward/client/ring.hpp>
#include <steward/steward.hpp>

#include <steward/tests/shm/block_hog.hpp>

namespace steward::detail::test {
namespace {

using namespace std::chrono_literals;

std::string large(const std::string& name) { return name + std::string(20'000, 'x'); }

struct Picture {
  std::array<int, 5'000> pixels;
};

// Of a queue that this process uses through shared memory.
template <class T>
BlockHog hog(const Queue<T>& queue, std::size_t bytes = 20'000) {
  return {client::ring_of(queue.reference(), std::nullopt)->fd(), bytes};
}

class QueueMemory : public testing::Test {
 protected:
  void TearDown() override { EXPECT_EQ(manager.number_of_objects(), 0U) << manager.debug_info(); }
  Manager manager;
};

TEST_F(QueueMemory, ItemsOfAnySizeGoInInTheirOrder) {
  const Queue<std::string> queue = manager.queue<std::string>();
  const BlockHog nothing_left = hog(queue);
  queue.put("a");
  queue.put(large("b"));
  EXPECT_TRUE(queue.try_put(large("c")));
  EXPECT_TRUE(queue.put_for(large("d"), 1h));
  queue.put_many({"e", large("f"), "g", large("h")});
  EXPECT_EQ(queue.size(), 8U);
  EXPECT_EQ(queue.get(), "a");
  EXPECT_EQ(queue.try_get(), large("b"));
  EXPECT_EQ(queue.get_for(1h), large("c"));
  EXPECT_EQ(queue.get_many(10),
            (std::vector<std::string>{large("d"), "e", large("f"), "g", large("h")}));
  EXPECT_TRUE(queue.empty());
}

TEST_F(QueueMemory, ABoundedQueueIsFullWhenItHasItsItems) {
  const Queue<std::string> queue = manager.queue<std::string>(100);
  const BlockHog nothing_left = hog(queue);
  for (int i = 0; i < 100; ++i) {
    EXPECT_FALSE(queue.full());
    ASSERT_TRUE(queue.try_put(large(std::to_string(i))));
  }
  EXPECT_TRUE(queue.full());
  EXPECT_FALSE(queue.try_put(large("more")));
  EXPECT_FALSE(queue.put_for("more", 20ms));
  EXPECT_THROW(queue.with_timeout(20ms).put(large("more")), TimeoutError);
  std::thread putter([queue] { queue.put_many({large("100"), large("101")}); });
  for (int i = 0; i < 102; ++i) EXPECT_EQ(queue.get(), large(std::to_string(i)));
  putter.join();
}

TEST_F(QueueMemory, TasksAreCountedAndClosingLeavesWhatIsThere) {
  const Queue<std::string> queue = manager.queue<std::string>();
  const BlockHog nothing_left = hog(queue);
  queue.put_many({large("a"), large("b"), large("c")});
  queue.close();
  EXPECT_THROW(queue.put(large("d")), Closed);
  EXPECT_THROW(queue.try_put(large("d")), Closed);
  EXPECT_THROW(queue.put_many({large("d"), "e"}), Closed);
  EXPECT_EQ(queue.get(), large("a"));
  queue.task_done();
  EXPECT_TRUE(queue.reserve(1h).ack());
  EXPECT_THROW(queue.with_timeout(20ms).join(), TimeoutError);
  EXPECT_EQ(queue.get(), large("c"));
  queue.task_done();
  queue.join();
  EXPECT_THROW(queue.get(), Closed);
}

TEST_F(QueueMemory, WhatIsGivenBackComesFirstAndFlagged) {
  const Queue<std::string> queue = manager.queue<std::string>();
  const BlockHog nothing_left = hog(queue);
  queue.put_many({large("a"), large("b")});
  EXPECT_FALSE(queue.reserve(1h).redelivered());  // and dropped
  Delivery<std::string> again = queue.reserve(1h);
  EXPECT_TRUE(again.redelivered());
  EXPECT_EQ(again.value(), large("a"));
  EXPECT_TRUE(again.touch());
  EXPECT_TRUE(again.nack());
  EXPECT_EQ(queue.get(), large("a"));
  EXPECT_EQ(queue.get(), large("b"));
}

TEST_F(QueueMemory, ALoanIsMemoryOfItsOwnWhereTheRingHasNone) {
  const Queue<Picture> queue = manager.queue<Picture>();
  {
    const BlockHog nothing_left = hog(queue, sizeof(Picture));
    proxy::Loan<Picture> loan = queue.loan();
    std::iota(loan->pixels.begin(), loan->pixels.end(), 0);
    loan.commit();
    queue.loan();  // not put
  }
  queue.put({});
  const proxy::View<Picture> picture = queue.take();
  EXPECT_EQ(picture->pixels[4'999], 4'999);
  EXPECT_EQ(queue.take()->pixels[4'999], 0);
  EXPECT_TRUE(queue.empty());
}

TEST_F(QueueMemory, WhatHasBeenTakenIsNotLostWhenTheManagerDoesNotAnswer) {
  const Queue<std::string> queue = manager.queue<std::string>();
  {
    const BlockHog nothing_left = hog(queue);
    queue.put_many({"a", large("b"), "c", large("d")});
  }
  ASSERT_EQ(::kill(manager.pid(), SIGSTOP), 0);
  EXPECT_EQ(queue.with_timeout(50ms).get_many(10), (std::vector<std::string>{"a", "c"}));
  EXPECT_THROW(queue.with_timeout(50ms).get_many(10), TimeoutError);
  EXPECT_THROW(queue.with_timeout(50ms).try_get(), TimeoutError);
  EXPECT_THROW(queue.with_timeout(50ms).reserve(1h), TimeoutError);
  EXPECT_EQ(queue.get_for(50ms), std::nullopt);
  ASSERT_EQ(::kill(manager.pid(), SIGCONT), 0);
  std::vector<std::string> rest = queue.get_many(10);
  std::ranges::sort(rest);
  EXPECT_EQ(rest, (std::vector<std::string>{large("b"), large("d")}));
}

TEST(QueueMemoryGone, EachItemThatIsGoneWithItsManagerIsHeardOf) {
  Manager manager;
  const Queue<std::string> queue = manager.queue<std::string>();
  {
    const BlockHog nothing_left = hog(queue);
    queue.put_many({"a", large("b"), "c", large("d")});
  }
  ASSERT_EQ(::kill(manager.pid(), SIGKILL), 0);
  EXPECT_EQ(queue.get_many(10), (std::vector<std::string>{"a", "c"}));
  queue.put("e");
  EXPECT_THROW(queue.get_many(10), Disconnected) << "b";
  EXPECT_THROW(queue.get_many(10), Disconnected) << "d";
  EXPECT_EQ(queue.get_many(10), std::vector<std::string>{"e"});
}

// Its reading throws what says elsewhere that there is no such item.
struct Odd {
  std::string text;

  template <class Packer>
  void msgpack_pack(Packer& packer) const {
    packer.pack(text);
  }
  void msgpack_unpack(const msgpack::object& object) {
    object.convert(text);
    if (text.starts_with("odd")) throw std::out_of_range("odd");
  }
};

TEST_F(QueueMemory, AnItemWhoseReadingThrowsOutOfRangeStaysInTheQueue) {
  const Queue<Odd> queue = manager.queue<Odd>();
  const BlockHog nothing_left = hog(queue);
  queue.put({large("odd")});
  queue.put({large("even")});
  EXPECT_THROW(queue.get(), std::out_of_range);
  EXPECT_THROW(queue.get_many(2), std::out_of_range);
  EXPECT_THROW(queue.reserve(1h), std::out_of_range);
  EXPECT_EQ(queue.size(), 2U);
}

TEST_F(QueueMemory, ErrorsNameTheMethodThatWasCalled) {
  const Queue<std::string> queue = manager.queue<std::string>();
  const BlockHog nothing_left = hog(queue);
  queue.put(large("a"));
  ASSERT_EQ(::kill(manager.pid(), SIGSTOP), 0);
  const Queue<std::string> hasty = queue.with_timeout(20ms);
  const auto text = [](auto&& call) -> std::string {
    try {
      call();
    } catch (const TimeoutError& error) {
      return error.what();
    }
    return "no error";
  };
  EXPECT_NE(text([&] { hasty.put_many({large("b")}); }).find(".put_many: "), std::string::npos);
  EXPECT_NE(text([&] { hasty.put(large("b")); }).find(".put: "), std::string::npos);
  EXPECT_NE(text([&] { hasty.get(); }).find(".get: "), std::string::npos);
  EXPECT_NE(text([&] { hasty.get_many(2); }).find(".get_many: "), std::string::npos);
  EXPECT_NE(text([&] { hasty.reserve(1h); }).find(".reserve: "), std::string::npos);
  ASSERT_EQ(::kill(manager.pid(), SIGCONT), 0);
}

void put_for_ever(Queue<std::string> queue, Queue<int> done) {
  for (int i = 0;; ++i) {
    queue.put(large(std::to_string(i)));
    done.put(i);
  }
}

TEST_F(QueueMemory, WhatAKilledProducerHasPutIsThere) {
  const Queue<std::string> queue = manager.queue<std::string>();
  const Queue<int> done = manager.queue<int>();
  const BlockHog nothing_left = hog(queue);
  Process producer(put_for_ever, queue, done);
  producer.start();
  int last = 0;
  while (last < 50) last = done.get();
  producer.kill();
  producer.join();
  while (const auto more = done.try_get()) last = *more;
  queue.close();
  int next = 0;
  for (const std::string& item : queue) EXPECT_EQ(item, large(std::to_string(next++)));
  EXPECT_GE(next, last + 1) << "all that its puts had said";
  EXPECT_LE(next, last + 2) << "and the one that was under way, perhaps";
}

void reserve_and_wait(Queue<std::string> queue, Queue<int> done) {
  const auto first = queue.reserve(1h);
  const auto second = queue.reserve(1h);
  done.put(1);
  done.join();
}

TEST_F(QueueMemory, WhatAKilledConsumerHadComesBack) {
  const Queue<std::string> queue = manager.queue<std::string>();
  const Queue<int> done = manager.queue<int>();
  const BlockHog nothing_left = hog(queue);
  queue.put_many({large("a"), large("b"), large("c")});
  Process consumer(reserve_and_wait, queue, done);
  consumer.start();
  done.get();
  consumer.kill();
  consumer.join();
  std::vector<std::string> items;
  for (int i = 0; i < 3; ++i) items.push_back(queue.get());
  std::ranges::sort(items);
  EXPECT_EQ(items, (std::vector<std::string>{large("a"), large("b"), large("c")}));
  EXPECT_TRUE(queue.empty());
}

void get_one_and_end(Queue<std::string> queue) {
  static_cast<void>(queue.get());
  ::_exit(0);
}

void acknowledge_one_and_end(Queue<std::string> queue) {
  if (!queue.reserve(1h).ack()) ::_exit(1);
  ::raise(SIGKILL);
}

// What they have to say to the manager is often still on its way then.
TEST(QueueMemoryLimit, WhatTakersHadWhoEndedAtOnceIsKeptNoLonger) {
  ManagerOptions options;
  options.limits.memory = 450'000;
  Manager manager(options);
  const Queue<std::string> queue = manager.queue<std::string>();
  const BlockHog nothing_left = hog(queue);
  constexpr int kItems = 20;
  for (int round = 0; round < 2; ++round) {
    for (int i = 0; i < kItems; ++i) queue.put(large(std::to_string(i)));
    EXPECT_THROW(queue.put_many({large("20"), large("21"), large("22")}), Overloaded);
    while (!queue.empty()) {
      Process taker(round == 0 ? get_one_and_end : acknowledge_one_and_end, queue);
      taker.start();
      taker.join();
    }
  }
  for (int i = 0; i < kItems; ++i) queue.put(large(std::to_string(i)));
}

// From now on the system has no pages for this process's shared memory.
void refuse_shared_memory() {
  sock_filter code[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_fallocate, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSPC),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  const sock_fprog program{std::size(code), code};
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
      ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0) {
    throw std::runtime_error("no filter for system calls");
  }
}

void put_without_memory(Queue<std::string> queue) {
  static_cast<void>(queue.size());
  refuse_shared_memory();
  for (int i = 0; i < 50; ++i) queue.put(large(std::to_string(i)));
  queue.put("the last");
}

TEST_F(QueueMemory, ASystemThatRefusesMemoryDoesNotStopAProducer) {
  const Queue<std::string> queue = manager.queue<std::string>();
  Process producer(put_without_memory, queue);
  producer.start();
  producer.join();
  ASSERT_EQ(producer.exitcode(), 0);
  for (int i = 0; i < 50; ++i) EXPECT_EQ(queue.get(), large(std::to_string(i)));
  EXPECT_EQ(queue.get(), "the last");
}

// The real thing: more than three times as much as the ring has blocks for.
std::string five_megabytes(int seed) {
  std::string item(5'000'000, '\0');
  std::uint32_t state = static_cast<std::uint32_t>(seed) + 1;
  for (char& byte : item) byte = static_cast<char>((state = state * 1664525 + 1013904223) >> 24);
  return item;
}

void put_forty(Queue<std::string> queue) {
  for (int i = 0; i < 40; ++i) queue.put(five_megabytes(i));
}

TEST_F(QueueMemory, FortyItemsOfFiveMegabytesWaitForTheirTaker) {
  const Queue<std::string> queue = manager.queue<std::string>();
  Process producer(put_forty, queue);
  producer.start();
  producer.join();
  ASSERT_EQ(producer.exitcode(), 0);
  EXPECT_EQ(queue.transport(), "shm");
  EXPECT_EQ(queue.size(), 40U);
  for (int i = 0; i < 40; ++i) EXPECT_TRUE(queue.get() == five_megabytes(i)) << i;
}

}  // namespace
}  // namespace steward::detail::test
