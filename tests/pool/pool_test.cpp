// What a pool gives its caller while nothing goes wrong.
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <functional>
#include <iostream>
#include <iterator>
#include <list>
#include <memory>
#include <numeric>
#include <optional>
#include <set>
#include <sstream>
#include <stdexcept>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include <steward/pool/pool.hpp>
#include <steward/process/process.hpp>
#include <steward/tests/process/methods.hpp>
#include <steward/tests/process/support.hpp>

namespace steward::detail::test {
namespace {

int cube(int x) { return x * x * x; }
int add(int a, int b) { return a + b; }
std::string repeat(const std::string& text, int count) {
  std::string out;
  for (int i = 0; i < count; ++i) out += text;
  return out;
}
std::size_t letters(const std::string& text) { return text.size(); }
pid_t who() { return ::getpid(); }
pid_t who_for(int) { return ::getpid(); }
std::vector<int> up_to(int n) {
  std::vector<int> numbers(static_cast<std::size_t>(n));
  std::iota(numbers.begin(), numbers.end(), 0);
  return numbers;
}
int checked_cube(int x) {
  if (x % 10 == 7) throw std::out_of_range("no cube of " + std::to_string(x));
  return cube(x);
}
struct Point {
  int x = 0;
  double y = 0;
  MSGPACK_DEFINE(x, y)
  friend bool operator==(const Point&, const Point&) = default;
};
Point mirrored(const Point& p) { return {-p.x, -p.y}; }
struct Times {
  int by = 0;
  int operator()(int x) const { return x * by; }
  MSGPACK_DEFINE(by)
};
void write_down(const std::string& writer, const std::string& text) { tell(writer, text); }

// Can be walked over once.
struct NumbersIn {
  std::istream& text;
  auto begin() const { return std::istream_iterator<int>(text); }
  auto end() const { return std::istream_iterator<int>(); }
};

class PoolByMethod : public ByMethod {};
INSTANTIATE_TEST_SUITE_P(Each, PoolByMethod, every_method(), method_name);

TEST_P(PoolByMethod, MapsInOrder) {
  Pool pool(2);
  EXPECT_EQ(pool.map(cube, {1, 2, 3}), (std::vector<int>{1, 8, 27}));
  EXPECT_EQ(pool.map(letters, {"a", "bcd", ""}), (std::vector<std::size_t>{1, 3, 0}));
  const std::vector<int> all = pool.map(cube, up_to(1000));
  ASSERT_EQ(all.size(), 1000U);
  for (int i = 0; i < 1000; ++i) EXPECT_EQ(all[static_cast<std::size_t>(i)], cube(i));
}

TEST_P(PoolByMethod, AppliesAndGivesFutures) {
  Pool pool(2);
  EXPECT_EQ(pool.apply(add, 2, 3), 5);
  EXPECT_EQ(pool.apply(repeat, "ab", 3), "ababab");
  Future<int> sum = pool.apply_async(add, 20, 3);
  Future<std::string> text = pool.apply_async(repeat, "x", 2);
  EXPECT_EQ(text.get(), "xx");
  EXPECT_EQ(sum.get(), 23);
  EXPECT_THROW(sum.get(), BadCall);
  EXPECT_NE(pool.apply(who), ::getpid());
}

TEST_P(PoolByMethod, RethrowsWhatACallThrew) {
  Pool pool(2);
  try {
    pool.apply(checked_cube, 7);
    FAIL() << "it returned";
  } catch (const std::out_of_range& error) {
    EXPECT_STREQ(error.what(), "no cube of 7");
  }
  EXPECT_EQ(pool.apply(checked_cube, 8), 512) << "the pool goes on";
}

TEST_P(PoolByMethod, JoinsWhenAllIsDone) {
  Pool pool(3);
  std::vector<Future<int>> futures;
  for (int i = 0; i < 100; ++i) futures.push_back(pool.apply_async(cube, i));
  EXPECT_THROW(pool.join(), BadCall);
  pool.close();
  EXPECT_THROW(pool.apply(cube, 1), Closed);
  pool.join();
  for (int i = 0; i < 100; ++i) {
    EXPECT_TRUE(futures[static_cast<std::size_t>(i)].ready());
    EXPECT_EQ(futures[static_cast<std::size_t>(i)].get(), cube(i));
  }
  EXPECT_TRUE(pool.pids().empty());
  EXPECT_TRUE(active_children().empty());
}

TEST(Pool, TakesAnyRangeAndAnyChunk) {
  Pool pool(2);
  EXPECT_EQ(pool.map(cube, std::list<int>{1, 2}), (std::vector<int>{1, 8}));
  EXPECT_EQ(pool.map(cube, std::set<short>{3, 1}), (std::vector<int>{1, 27})) << "converted";
  std::istringstream text("4 5 6");
  EXPECT_EQ(pool.map(cube, NumbersIn{text}), (std::vector<int>{64, 125, 216}))
      << "read once";
  EXPECT_EQ(pool.map(cube, std::vector<int>{}), std::vector<int>{});
  for (const std::size_t chunk : {1U, 2U, 7U, 100U}) {
    const std::vector<int> all = pool.map(cube, up_to(50), chunk);
    ASSERT_EQ(all.size(), 50U);
    for (int i = 0; i < 50; ++i) EXPECT_EQ(all[static_cast<std::size_t>(i)], cube(i)) << chunk;
  }
  EXPECT_EQ(pool.map([](auto x) { return x + x; }, std::vector<std::string>{"a"}),
            std::vector<std::string>{"aa"})
      << "the elements' own type";
}

TEST(Pool, MapAsyncGivesAFutureOfAllResults) {
  Pool pool(2);
  Future<std::vector<int>> braces = pool.map_async(cube, {1, 2, 3});
  Future<std::vector<int>> range = pool.map_async(cube, up_to(100), 7);
  EXPECT_EQ(range.get(), pool.map(cube, up_to(100)));
  EXPECT_EQ(braces.get(), (std::vector<int>{1, 8, 27}));
}

TEST(Pool, StarmapSpreadsTuples) {
  Pool pool(2);
  EXPECT_EQ(pool.starmap(add, std::vector<std::tuple<int, int>>{{1, 2}, {3, 4}}),
            (std::vector<int>{3, 7}));
  EXPECT_EQ(pool.starmap(add, {{1, 2}, {3, 4}}), (std::vector<int>{3, 7}));
  EXPECT_EQ(pool.starmap(repeat, std::vector<std::pair<std::string, int>>{{"a", 2}, {"b", 1}}),
            (std::vector<std::string>{"aa", "b"}));
  Future<std::vector<int>> later = pool.starmap_async(add, {{5, 5}});
  EXPECT_EQ(later.get(), std::vector<int>{10});
}

TEST(Pool, CarriesStructsAndFunctors) {
  Pool pool(2);
  EXPECT_EQ(pool.map(mirrored, {Point{1, 2.5}, Point{}}),
            (std::vector<Point>{{-1, -2.5}, {-0, -0.0}}));
  EXPECT_EQ(pool.map(Times{3}, {1, 2}), (std::vector<int>{3, 6}));
  const std::vector<bool> odd = pool.map([](int x) { return x % 2 == 1; }, {1, 2, 3});
  EXPECT_EQ(odd, (std::vector<bool>{true, false, true}));
  EXPECT_EQ(pool.apply(repeat, std::string(1U << 20U, 'x'), 3).size(), 3U << 20U);
}

TEST(Pool, MapsFunctionsThatReturnNothing) {
  Pool pool(2);
  Pipe pipe;
  pool.starmap(write_down, std::vector<std::pair<std::string, std::string>>{{pipe.writer(), "a"},
                                                                            {pipe.writer(), "a"}});
  EXPECT_EQ(pipe.read(2), "aa");
  pool.apply_async(write_down, pipe.writer(), "b").get();
  EXPECT_EQ(pipe.read(1), "b");
}

TEST(Pool, ImapGivesResultsInOrder) {
  Pool pool(2);
  std::vector<int> seen;
  for (int x : pool.imap(cube, up_to(200), 3)) seen.push_back(x);
  ASSERT_EQ(seen.size(), 200U);
  for (int i = 0; i < 200; ++i) EXPECT_EQ(seen[static_cast<std::size_t>(i)], cube(i));
}

TEST(Pool, ImapUnorderedGivesEachResultOnce) {
  Pool pool(3);
  std::multiset<int> seen;
  for (int x : pool.imap_unordered(cube, up_to(200))) seen.insert(x);
  std::multiset<int> all;
  for (int i = 0; i < 200; ++i) all.insert(cube(i));
  EXPECT_EQ(seen, all);
}

TEST(Pool, ImapThrowsInTheFailedPlaceAndGoesOn) {
  Pool pool(2);
  auto results = pool.imap(checked_cube, up_to(20), 5);
  int thrown = 0;
  for (int i = 0; i < 20; ++i) {
    try {
      EXPECT_EQ(results.next(), cube(i));
    } catch (const std::out_of_range& error) {
      EXPECT_EQ(i % 10, 7) << error.what();
      ++thrown;
    }
  }
  EXPECT_EQ(thrown, 2);
  EXPECT_EQ(results.next(), std::nullopt);
}

TEST(Pool, MapThrowsTheFirstExceptionAfterAllCallsWereMade) {
  Pool pool(2);
  for (const std::size_t chunk : {1U, 9U, 100U}) {
    try {
      pool.map(checked_cube, up_to(60), chunk);
      FAIL() << "it returned";
    } catch (const std::out_of_range& error) {
      EXPECT_STREQ(error.what(), "no cube of 7");
    }
  }
}

TEST(Pool, LeavingAnImapCancelsTheRest) {
  Pool pool(1);
  Pipe pipe;
  Pipe left;  // half-way the worker waits until the loop was left
  std::vector<std::tuple<std::string, std::string, int>> calls;
  for (int i = 0; i < 2000; ++i) {
    calls.emplace_back(pipe.writer(), i == 1000 ? left.reader() : "", i);
  }
  const auto star = [](const std::tuple<std::string, std::string, int>& call) {
    const auto& [writer, gate, x] = call;
    tell(writer, ".");
    if (!gate.empty()) hear(gate);
    return x;
  };
  for (int x : pool.imap(star, calls)) {
    if (x == 3) break;
  }
  left.close_writer();
  EXPECT_EQ(pool.apply(add, 1, 1), 2);
  // Behind the last of the others.
  pool.close();
  pool.join();
  EXPECT_LT(pipe.read_all().size(), 2000U);
}

TEST(Pool, BeginsEachWorkerWithTheInitializer) {
  Pipe pipe;
  Pool pool({.processes = 3, .initializer = Task(write_down, pipe.writer(), "i")});
  pool.map(cube, up_to(10), 1);
  pool.close();
  pool.join();
  EXPECT_EQ(pipe.read_all(), "iii");
}

int counted = 0;
void start_counting(int from) { counted = from; }
int count_on(int by) { return counted += by; }

TEST(Pool, WorkersKeepWhatTheInitializerSet) {
  Pool pool({.processes = 1, .initializer = Task(start_counting, 40)});
  EXPECT_EQ(pool.apply(count_on, 1), 41);
  EXPECT_EQ(pool.apply(count_on, 1), 42);
}

TEST(Pool, ReplacesWorkersThatHaveDoneTheirShare) {
  Pool pool({.processes = 1, .max_tasks_per_child = 2});
  const std::vector<pid_t> pids = pool.map(who_for, up_to(6), 1);
  EXPECT_EQ(pids[0], pids[1]);
  EXPECT_EQ(pids[2], pids[3]);
  EXPECT_EQ(std::set<pid_t>(pids.begin(), pids.end()).size(), 3U);
}

TEST(Pool, CallsBackBeforeTheFutureIsReady) {
  Pool pool(2);
  std::atomic<int> got{0};
  Future<int> sum = pool.apply_async(add, 2, 3).then([&](int result) { got = result; });
  EXPECT_EQ(sum.get(), 5);
  EXPECT_EQ(got, 5);

  std::string text;
  auto wrong = pool.apply_async(checked_cube, 7);
  wrong.then([](int) {}, [&](const std::exception& error) { text = error.what(); });
  EXPECT_THROW(wrong.get(), std::out_of_range);
  EXPECT_EQ(text, "no cube of 7");
}

TEST(Pool, CallbacksMayUseThePool) {
  Pool pool({.processes = 2, .on_progress = [](std::size_t, std::size_t) {}});
  std::vector<int> cubes;
  auto first = pool.apply_async(add, 1, 1);
  first.then([&](int sum) { cubes = pool.map(cube, up_to(sum + 1)); });
  EXPECT_EQ(first.get(), 2);
  EXPECT_EQ(cubes, (std::vector<int>{0, 1, 8}));
}

Future<int> sum_of_cubes(Pool& pool) {
  auto one = pool.apply_async(cube, 1);
  auto two = pool.apply_async(cube, 2);
  const int first = co_await one;
  co_return first + co_await two;
}
Future<> fails(Pool& pool) {
  const int x = co_await pool.apply_async(checked_cube, 17);
  ADD_FAILURE() << x;
}

TEST(Pool, MayBeDestroyedInItsOwnCallback) {
  for (int i = 0; i < 20; ++i) {
    auto pool = std::make_shared<std::optional<Pool>>(std::in_place, 2);
    Future<int> first = (*pool)->apply_async(cube, i);
    Future<int> second = (*pool)->apply_async(cube, 2);
    first.then([pool](int) { pool->reset(); });
    EXPECT_EQ(first.get(), cube(i));
    EXPECT_FALSE(pool->has_value());
    try {
      EXPECT_EQ(second.get(), 8);
    } catch (const Closed&) {
      // It came to its end before.
    }
  }
}

TEST(Pool, MayBeDestroyedWhenItTellsOfProgress) {
  std::optional<Pool> pool;
  const auto end = [&](std::size_t done, std::size_t total) {
    if (done == total) pool.reset();
  };
  pool.emplace(PoolOptions{.processes = 2, .on_progress = end});
  Pipe gate;
  Future<std::vector<std::string>> heard = pool->map_async(hear, {gate.reader(), gate.reader()});
  gate.write("ab");
  EXPECT_EQ(heard.get().size(), 2U);
  EXPECT_FALSE(pool.has_value());
}

TEST(Pool, CoroutinesAwaitItsFutures) {
  Pool pool(2);
  EXPECT_EQ(sum_of_cubes(pool).get(), 9);
  EXPECT_THROW(fails(pool).get(), std::out_of_range);
}

TEST(Pool, WhenAnyGivesTheFirstThatIsReady) {
  Pool pool(2);
  Pipe gate;
  auto waits = pool.apply_async(hear, gate.reader());
  auto quick = pool.apply_async(cube, 2);
  EXPECT_EQ(when_any(waits, quick), 1U);
  EXPECT_EQ(quick.get(), 8);
  EXPECT_FALSE(waits.ready());
  gate.write("g");
  auto later = pool.apply_async(cube, 3);
  later.wait();
  EXPECT_EQ(when_any(later, waits), 0U) << "of several the first";
  EXPECT_EQ(waits.get(), "g");
}

TEST(Pool, WaitsNoLongerThanAsked) {
  Pool pool(1);
  Pipe gate;
  auto waits = pool.apply_async(hear, gate.reader());
  EXPECT_FALSE(waits.wait_for(std::chrono::milliseconds(1)));
  EXPECT_FALSE(waits.ready());
  gate.write("g");
  EXPECT_TRUE(waits.wait_for(std::chrono::minutes(1)));
}

TEST(Pool, TerminateFailsWhatHasNoResult) {
  Pool pool(2);
  Pipe gate;
  auto waits = pool.apply_async(hear, gate.reader());
  auto all = pool.map_async(cube, up_to(1000), 1);
  pool.terminate();
  EXPECT_THROW(waits.get(), Closed);
  EXPECT_THROW(pool.apply(cube, 1), Closed);
  pool.join();
  EXPECT_TRUE(pool.pids().empty());
}

TEST(Pool, TerminateFailsManyCallsAtOnce) {
  Pool pool(1);
  Pipe gate;
  auto waits = pool.apply_async(hear, gate.reader());
  std::vector<Future<int>> futures;
  for (int i = 0; i < 20'000; ++i) futures.push_back(pool.apply_async(cube, i));
  pool.terminate();
  EXPECT_THROW(waits.get(), Closed);
  for (Future<int>& future : futures) EXPECT_THROW(future.get(), Closed);
}

TEST(Pool, FuturesOutliveIt) {
  Future<std::string> waits;
  Future<int> done;
  Pipe gate;
  {
    Pool pool(2);
    done = pool.apply_async(cube, 2);
    done.wait();
    waits = pool.apply_async(hear, gate.reader());
  }
  EXPECT_EQ(done.get(), 8);
  EXPECT_THROW(waits.get(), Closed);
}

TEST(Pool, IsUsedByManyThreads) {
  Pool pool(2);
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&pool, t] {
      for (int i = 0; i < 50; ++i) {
        EXPECT_EQ(pool.apply(add, t, i), t + i);
        EXPECT_EQ(pool.map(cube, {t, i}), (std::vector<int>{cube(t), cube(i)}));
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

TEST(Pool, IsMoved) {
  Pool pool(1);
  Pool other = std::move(pool);
  EXPECT_EQ(other.apply(cube, 2), 8);
  EXPECT_THROW(pool.apply(cube, 2), BadCall);
  other = Pool(2);
  EXPECT_EQ(other.processes(), 2U);
  EXPECT_EQ(other.apply(cube, 3), 27);
}

int pool_in_here(int n) {
  Pool pool(2);
  const std::vector<int> cubes = pool.map(cube, up_to(n));
  return std::accumulate(cubes.begin(), cubes.end(), 0);
}
void exit_with_sum() { std::exit(pool_in_here(4)); }

TEST_P(PoolByMethod, WorksInAProcessOfItsOwn) {
  Process child(exit_with_sum);
  child.start();
  child.join();
  EXPECT_EQ(child.exitcode(), 0 + 1 + 8 + 27);
}

TEST(Pool, WorkersAreDaemonsWithoutPools) {
  Pool pool(1);
  EXPECT_THROW(pool.apply(pool_in_here, 2), BadCall);
}

TEST(Pool, BelongsToTheProcessThatMadeIt) {
  Pool pool(1);
  EXPECT_EQ(in_fork([&] {
              try {
                pool.apply(cube, 2);
              } catch (const BadCall&) {
                return 3;
              }
              return 0;
            }),
            3);
  EXPECT_EQ(pool.apply(cube, 2), 8);
}

TEST(Pool, RefusesWhatMakesNoSense) {
  EXPECT_THROW(Pool(0), BadCall);
  EXPECT_THROW(Pool(5000), BadCall);
  EXPECT_THROW(Pool({.processes = 1, .retries = -1}), BadCall);
}

void say(int number) { std::cout << "called with " + std::to_string(number) + '\n'; }

TEST(Pool, WhatACallHasPrintedIsOutWithItsResult) {
  Pipe output;
  {
    const Redirected out(STDOUT_FILENO, output.writer_fd());
    Pool pool(2);
    pool.map(say, {1, 1, 1, 1}, 1);
  }
  const std::string line = "called with 1\n";
  EXPECT_EQ(output.read_all(), line + line + line + line);
}

TEST(Pool, LeavesNothingBehind) {
  Pool(2).apply(cube, 1);
  const std::size_t before = open_files(::getpid());
  for (int i = 0; i < 3; ++i) {
    Pool pool(2);
    EXPECT_EQ(pool.map(cube, {1, 2}), (std::vector<int>{1, 8}));
    if (i == 1) pool.terminate();
  }
  EXPECT_EQ(open_files(::getpid()), before);
  EXPECT_TRUE(active_children().empty());
}

}  // namespace
}  // namespace steward::detail::test
