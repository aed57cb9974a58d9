// Results for which this process has no memory are lost alone, whoever reads them.
#include <sys/resource.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <exception>
#include <fstream>
#include <future>
#include <iostream>
#include <memory>
#include <new>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include <steward/pool/dispatcher.hpp>
#include <steward/pool/job.hpp>
#include <steward/pool/pool.hpp>
#include <steward/pool/messages.hpp>
#include <steward/tests/pool/counting_losses.hpp>
#include <steward/tests/process/support.hpp>
#include <steward/tests/sanitized.hpp>

namespace steward::detail::test {
namespace {

int cube(int x) { return x * x * x; }
std::string megabytes(int count) {
  return std::string(static_cast<std::size_t>(count) << 20U, 'r');
}

void limit_memory(std::uint64_t bytes) {
  const rlimit both{bytes, bytes};
  if (::setrlimit(RLIMIT_AS, &both) != 0) std::abort();
}

// In the fork: the exit code, with a word about what was wrong.
int expect(bool condition, const char* what) {
  if (!condition) std::cerr << "in the fork: not so: " << what << std::endl;
  return condition ? 0 : 1;
}

// One task, whose results come in parts.
const std::vector<int>& large_ones() {
  static const std::vector<int> sizes(100, 6);
  return sizes;
}

TEST(PoolMemory, ResultsThatDoNotFitAreLostAndThePoolGoesOn) {
  if (kSanitized) GTEST_SKIP() << "a sanitizer needs address space itself";
  EXPECT_EQ(in_fork([] {
              limit_memory(std::uint64_t{900} << 20U);
              Pool pool(1);
              bool thrown = false;
              try {
                pool.map(megabytes, large_ones(), large_ones().size());
              } catch (const std::bad_alloc&) {
                thrown = true;
              }
              return expect(thrown, "std::bad_alloc") +
                     expect(pool.apply(cube, 2) == 8, "another call");
            }),
            0);
}

TEST(PoolMemory, ResultsThatDoNotFitDoNotEndTheProgramWhereNobodyWaits) {
  if (kSanitized) GTEST_SKIP() << "a sanitizer needs address space itself";
  EXPECT_EQ(in_fork([] {
              limit_memory(std::uint64_t{900} << 20U);
              Pool pool(1);
              std::promise<bool> thrown;
              auto results = pool.map_async(megabytes, large_ones(), large_ones().size());
              results.then([&](const auto&) { thrown.set_value(false); },
                           [&](const std::exception& why) {
                             thrown.set_value(dynamic_cast<const std::bad_alloc*>(&why) != nullptr);
                           });
              // Not the future's own: then this thread would read the results.
              return expect(thrown.get_future().get(), "std::bad_alloc") +
                     expect(pool.apply(cube, 2) == 8, "another call");
            }),
            0);
}

enum class Fails { take, finish };

// Of one call, whose result it cannot keep.
class WithoutMemory final : public pool::Collector {
 public:
  WithoutMemory(std::promise<void>& outcome, Fails where) : outcome_(outcome), where_(where) {}
  void take(std::size_t, std::size_t, pool::MessageReader) override {
    if (where_ == Fails::take) throw std::bad_alloc();
  }
  void lose(std::size_t, std::size_t, const std::exception_ptr& why) noexcept override {
    why_ = why;
  }
  void finish(std::size_t) override {
    if (!why_) throw std::bad_alloc();
    outcome_.set_exception(why_);
  }

 private:
  std::promise<void>& outcome_;
  Fails where_;
  std::exception_ptr why_;
};

TEST(PoolMemory, AResultThatCannotBeKeptIsLostWithTheReason) {
  for (const Fails where : {Fails::take, Fails::finish}) {
    std::promise<void> outcome;
    pool::Job job(1, "", std::make_unique<WithoutMemory>(outcome, where),
                     pool::Job::Tells::nothing);
    EXPECT_FALSE(job.complete(1));
    EXPECT_TRUE(job.deliver({0, 1, "", nullptr}, ""));
    job.finish();
    EXPECT_THROW(outcome.get_future().get(), std::bad_alloc);
  }
}

// Has no memory even for the reason.
class WithoutAnyMemory final : public pool::Collector {
 public:
  void take(std::size_t, std::size_t, pool::MessageReader) override { throw std::bad_alloc(); }
  void lose(std::size_t, std::size_t, const std::exception_ptr&) noexcept override {}
  void finish(std::size_t) override { throw std::bad_alloc(); }
};

using pool::Dispatcher;

Dispatcher::JobPtr open(Dispatcher& dispatcher, std::unique_ptr<pool::Collector> collector) {
  return dispatcher.open("map", "", std::move(collector), pool::Job::Tells::nothing);
}
// The worker can only say that it is no call.
void add_one(Dispatcher& dispatcher, const Dispatcher::JobPtr& job) {
  dispatcher.add(job, {0, 1, "", nullptr});
}
bool is_broken(Dispatcher& dispatcher) {
  try {
    open(dispatcher, std::make_unique<WithoutAnyMemory>());
    return false;
  } catch (const std::bad_alloc&) {
    return true;
  }
}

TEST(PoolMemory, WhatCannotEvenBeNotedBreaksThePoolAndEndsNothingElse) {
  Dispatcher dispatcher({});
  const auto job = open(dispatcher, std::make_unique<WithoutAnyMemory>());
  add_one(dispatcher, job);
  dispatcher.complete(job, 1, Dispatcher::Next::nobody_waits);
  EXPECT_TRUE(eventually([&] { return is_broken(dispatcher); }));
  dispatcher.close();
  dispatcher.join();
}

TEST(PoolMemory, WhoAddsTasksMeanwhileHearsOfTheirEndAndOfNobodyElses) {
  Dispatcher dispatcher({});
  const auto other = open(dispatcher, std::make_unique<WithoutAnyMemory>());
  std::promise<std::size_t> lost;
  const auto job = open(dispatcher, std::make_unique<CountingLosses>(lost));
  add_one(dispatcher, other);
  dispatcher.complete(other, 1, Dispatcher::Next::somebody_waits);
  // Nobody looks at results but who adds, once there are many (or the pool's thread, if it begins
  // late).
  std::size_t added = 0;
  for (; !is_broken(dispatcher); ++added) add_one(dispatcher, job);
  for (int i = 0; i < 3; ++i, ++added) add_one(dispatcher, job);
  dispatcher.complete(job, added, Dispatcher::Next::nobody_waits);
  EXPECT_EQ(lost.get_future().get(), added) << "each has failed, one way or the other";
}

TEST(PoolMemory, ThoseBehindOneWhoCannotBeToldOfALossAreTold) {
  Pipe gate;
  Dispatcher::Plan plan;
  plan.workers.initializer = Task(hear, gate.reader());
  Dispatcher dispatcher(std::move(plan));
  std::promise<std::size_t> lost;
  for (int i = 0; i < 3; ++i) {
    const auto job = open(dispatcher, std::make_unique<WithoutAnyMemory>());
    add_one(dispatcher, job);
    dispatcher.complete(job, 1, Dispatcher::Next::somebody_waits);
  }
  // The window is full: this one waits behind all others.
  const auto job = open(dispatcher, std::make_unique<CountingLosses>(lost));
  for (int i = 0; i < 100; ++i) add_one(dispatcher, job);
  dispatcher.complete(job, 100, Dispatcher::Next::somebody_waits);
  dispatcher.terminate("enough");
  EXPECT_EQ(lost.get_future().get(), 100U);
  dispatcher.join();
}

// As assist(), from a thread of its own, until all calls of `ended` have come to their end.
class Waiting {
 public:
  Waiting(Dispatcher& dispatcher, std::promise<std::size_t>& ended)
      : ended_(ended.get_future().share()), thread_([this, &dispatcher] {
          id_ = ::gettid();
          dispatcher.assist([this] { return is_over(); }, std::nullopt);
        }) {}
  Waiting(const Waiting&) = delete;
  Waiting& operator=(const Waiting&) = delete;
  ~Waiting() { thread_.join(); }

  bool sleeps() const { return id_ != 0 && status_field(id_, "State").starts_with("S"); }
  bool is_over() const {
    return ended_.wait_for(std::chrono::seconds(0)) == std::future_status::ready;
  }

 private:
  std::shared_future<std::size_t> ended_;
  std::atomic<pid_t> id_{0};
  std::thread thread_;
};

TEST(PoolMemory, WhoWaitsForAWorkerHearsAtOnceThatThePoolIsBroken) {
  Pipe gate;
  Dispatcher::Plan plan;
  plan.workers.initializer = Task(hear, gate.reader());
  Dispatcher dispatcher(std::move(plan));
  std::promise<std::size_t> lost;
  const auto job = open(dispatcher, std::make_unique<CountingLosses>(lost));
  add_one(dispatcher, job);
  dispatcher.complete(job, 1, Dispatcher::Next::somebody_waits);
  {
    const Waiting waiting(dispatcher, lost);
    EXPECT_TRUE(eventually([&] { return waiting.sleeps(); }));
    const auto other = open(dispatcher, std::make_unique<WithoutAnyMemory>());
    dispatcher.complete(other, 0, Dispatcher::Next::somebody_waits);
    EXPECT_TRUE(eventually([&] { return waiting.is_over(); }));
    gate.write("x");
  }
  dispatcher.terminate("enough");
  dispatcher.join();
}

// From now on there is hardly any address space.
void takes_no_more_memory() {
  std::uint64_t pages = 0;
  std::ifstream("/proc/self/statm") >> pages;
  limit_memory(pages * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE)) +
               (std::uint64_t{16} << 20U));
}
std::size_t size_of(const std::string& text) { return text.size(); }

TEST(PoolMemory, ATaskForWhichItsWorkerHasNoMemoryFails) {
  if (kSanitized) GTEST_SKIP() << "a sanitizer needs address space itself";
  Pool pool({.processes = 1, .initializer = Task(takes_no_more_memory)});
  EXPECT_THROW(pool.apply(size_of, megabytes(50)), std::bad_alloc);
  EXPECT_EQ(pool.apply(size_of, std::string("small")), 5U);
}

}  // namespace
}  // namespace steward::detail::test
