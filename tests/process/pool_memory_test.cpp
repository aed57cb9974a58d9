// Results for which this process has no memory are lost alone, whoever reads them.
#include <sys/resource.h>

#include <cstdint>
#include <cstdlib>
#include <exception>
#include <future>
#include <iostream>
#include <memory>
#include <new>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include <steward/process/dispatcher.hpp>
#include <steward/process/job.hpp>
#include <steward/process/pool.hpp>
#include <steward/process/pool_messages.hpp>
#include <steward/tests/process/support.hpp>
#include <steward/tests/sanitized.hpp>

namespace steward::test {
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
class WithoutMemory final : public process::Collector {
 public:
  WithoutMemory(std::promise<void>& outcome, Fails where) : outcome_(outcome), where_(where) {}
  void take(std::size_t, std::size_t, process::MessageReader) override {
    if (where_ == Fails::take) throw std::bad_alloc();
  }
  void lose(std::size_t, std::size_t, const std::exception_ptr& why) override { why_ = why; }
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
    process::Job job(1, "", std::make_unique<WithoutMemory>(outcome, where),
                     process::Job::Tells::nothing);
    EXPECT_FALSE(job.complete(1));
    EXPECT_TRUE(job.deliver({0, 1, "", nullptr}, ""));
    job.finish();
    EXPECT_THROW(outcome.get_future().get(), std::bad_alloc);
  }
}

// Has no memory even for the reason.
class WithoutAnyMemory final : public process::Collector {
 public:
  void take(std::size_t, std::size_t, process::MessageReader) override { throw std::bad_alloc(); }
  void lose(std::size_t, std::size_t, const std::exception_ptr&) override {
    throw std::bad_alloc();
  }
  void finish(std::size_t) override {}
};

TEST(PoolMemory, WhatCannotEvenBeNotedBreaksThePoolAndEndsNothingElse) {
  process::Dispatcher dispatcher({});
  const auto open = [&] {
    return dispatcher.open("", std::make_unique<WithoutAnyMemory>(),
                           process::Job::Tells::nothing);
  };
  const auto job = open();
  dispatcher.add(job, {0, 1, "", nullptr});  // the worker can only say that it is no call
  dispatcher.complete(job, 1, process::Dispatcher::Next::nobody_waits);
  EXPECT_TRUE(eventually([&] {
    try {
      open();
      return false;
    } catch (const std::bad_alloc&) {
      return true;
    }
  }));
  dispatcher.close();
  dispatcher.join();
}

}  // namespace
}  // namespace steward::test
