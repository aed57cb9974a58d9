// A manager that stands still, as in a debugger: who has a deadline is held up no longer than that.
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <functional>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include <gtest/gtest.h>

#include <steward/steward.hpp>
#include <steward/tests/client/forked.hpp>
#include <steward/tests/waiting_thread.hpp>

namespace steward::detail::test {
namespace {

using namespace std::chrono_literals;

constexpr auto kShort = 50ms;
// A connect timeout is twice as long.
constexpr auto kSoon = 5s;

class Stopped {
 public:
  explicit Stopped(const Manager& manager) : pid_(manager.pid()) { ::kill(pid_, SIGSTOP); }
  Stopped(const Stopped&) = delete;
  Stopped& operator=(const Stopped&) = delete;
  ~Stopped() { ::kill(pid_, SIGCONT); }

 private:
  const pid_t pid_;
};

// Whether it ends soon, if in an error then of ours. (A queue that cannot be claimed says that its
// manager does not answer.)
bool ends_soon(const std::function<void()>& call) {
  const auto begin = std::chrono::steady_clock::now();
  try {
    call();
  } catch (const Error&) {
  }
  return std::chrono::steady_clock::now() - begin < kSoon;
}

TEST(StoppedManager, HoldsNoForkedChildPastItsDeadline) {
  const Manager manager;
  const List<int> list = manager.list<int>({1});
  const Queue<int> queue = manager.queue<int>();
  const Lock lock = manager.lock();
  const Stopped stopped(manager);
  Forked child([&](int) {
    if (!ends_soon([&] { list.with_timeout(kShort).size(); })) return 1;
    if (!ends_soon([&] { list.with_timeout(kShort).extend({2}); })) return 2;
    if (!ends_soon([&] { queue.with_timeout(kShort).try_get(); })) return 3;
    if (!ends_soon([&] { queue.get_for(kShort); })) return 4;
    if (!ends_soon([&] { lock.with_timeout(kShort).try_lock_for(kShort); })) return 5;
    return 0;
  });
  EXPECT_EQ(child.join(), 0);
}

TEST(StoppedManager, HoldsNoCallToAnotherOnePastItsDeadline) {
  const Manager manager;
  const Manager other;
  const List<int> inner = other.list<int>({5});
  const List<List<int>> lists = manager.list<List<int>>();
  {
    const Stopped stopped(other);
    const auto begin = std::chrono::steady_clock::now();
    EXPECT_THROW(lists.with_timeout(kShort).append(inner), TimeoutError);
    EXPECT_LT(std::chrono::steady_clock::now() - begin, kSoon);
  }
  EXPECT_EQ(lists.size(), 0U);
}

// The first call asks for the queue's memory.
TEST(StoppedManager, HoldsNoQuestionForAQueuesMemoryPastAStop) {
  const Manager manager;
  const Queue<int> queue = manager.queue<int>();
  const Stopped stopped(manager);
  std::stop_source stop;
  const auto get = [&] {
    EXPECT_TRUE(ends_soon([&] { EXPECT_THROW(queue.get(stop.get_token()), Interrupted); }));
  };
  const WaitingThread first(get);
  EXPECT_TRUE(first.falls_asleep());
  const WaitingThread second(get);
  EXPECT_TRUE(second.falls_asleep());
  stop.request_stop();
}

TEST(StoppedManager, HoldsNoQuestionForAQueuesMemoryPastAnInterrupt) {
  const Manager manager;
  const Queue<int> queue = manager.queue<int>();
  const Stopped stopped(manager);
  set_interrupt_check([] { return true; });
  EXPECT_TRUE(ends_soon([&] { EXPECT_THROW(queue.put(1), Interrupted); }));
  set_interrupt_check(nullptr);
}

// The check is the program's code, and asks for the same memory.
TEST(StoppedManager, LeavesAQueueToTheCheckThatItsFirstQuestionAsks) {
  static const Queue<int>* used = nullptr;
  static bool waited = false;
  const Manager manager;
  const Queue<int> queue = manager.queue<int>();
  used = &queue;
  waited = false;
  const Stopped stopped(manager);
  set_interrupt_check([] {
    waited = ends_soon([] { used->get_for(kShort); });
    return true;
  });
  EXPECT_TRUE(ends_soon([&] { EXPECT_THROW(queue.put(1), Interrupted); }));
  set_interrupt_check(nullptr);
  EXPECT_TRUE(waited);
}

// ---- Items with handles inside: their place is in the ring, and the manager has them ----

using Handles = Queue<std::optional<List<int>>>;
struct StubForm {
  std::string_view name;
  std::function<void(const Handles&, std::stop_token)> take;
};
const std::vector<StubForm>& stub_forms() {
  using Q = const Handles&;
  static const std::vector<StubForm> all{
      {"get", [](Q q, std::stop_token stop) { q.get(stop); }},
      {"get_for", [](Q q, std::stop_token stop) { q.get_for(1h, stop); }},
      {"get_many", [](Q q, std::stop_token stop) { q.get_many(5, stop); }},
      {"reserve", [](Q q, std::stop_token stop) { q.reserve(1h, stop).ack(); }}};
  return all;
}
std::string ended_by(const std::function<void()>& call) {
  try {
    call();
  } catch (const Interrupted& error) {
    return error.what();
  }
  return "not interrupted";
}
bool is_of(const std::string& interrupted, std::string_view method) {
  const std::string name(method.substr(0, method.find("_for")));
  return interrupted.ends_with("." + name + ": interrupted");
}

class StoppedManagerOfStubs : public testing::Test {
 protected:
  void SetUp() override {
    queue.put(std::nullopt);  // from now on by the ring
    queue.get();
    queue.put(list);
  }

  const Manager manager;
  const List<int> list = manager.list<int>({7});
  const Handles queue = manager.queue<std::optional<List<int>>>();
};

TEST_F(StoppedManagerOfStubs, HoldsNoTakerPastAStop) {
  for (const StubForm& form : stub_forms()) {
    SCOPED_TRACE(form.name);
    std::string what;
    {
      const Stopped stopped(manager);
      std::stop_source stop;
      WaitingThread taker(
          [&] { what = ended_by([&] { form.take(queue, stop.get_token()); }); });
      EXPECT_TRUE(taker.falls_asleep());
      stop.request_stop();
      taker.join();
    }
    EXPECT_TRUE(is_of(what, form.name)) << what;
    EXPECT_EQ(queue.size(), 1U);
  }
  EXPECT_EQ(queue.get()->at(0), 7);
}

// In the child it throws, and the item is the parent's.
TEST_F(StoppedManagerOfStubs, LetsTheCheckOfATakerFork) {
  static pid_t child;
  for (const StubForm& form : stub_forms()) {
    SCOPED_TRACE(form.name);
    const Stopped stopped(manager);
    child = -1;
    set_interrupt_check([] {
      if (child == -1) child = ::fork();
      return child != 0;
    });
    const pid_t parent = ::getpid();
    const std::string what = ended_by([&] { form.take(queue, {}); });
    if (::getpid() != parent) ::_exit(is_of(what, form.name) ? 2 : 1);
    set_interrupt_check(nullptr);
    EXPECT_TRUE(is_of(what, form.name)) << what;
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 2) << status;
  }
  EXPECT_EQ(queue.get()->at(0), 7);
}

// It goes on with what it has; its child, which has none of that, does not.
TEST_F(StoppedManagerOfStubs, LeavesOneWhoseCheckForksWhatItHasTaken) {
  static pid_t child;
  const Handles mixed = manager.queue<std::optional<List<int>>>();
  mixed.put(std::nullopt);
  mixed.put(list);
  std::size_t taken = 0;
  std::string what;
  {
    const Stopped stopped(manager);
    child = -1;
    set_interrupt_check([] {
      if (child == -1) child = ::fork();
      return child != 0;
    });
    const pid_t parent = ::getpid();
    what = ended_by([&] { taken = mixed.get_many(5).size(); });
    if (::getpid() != parent) ::_exit(is_of(what, "get_many") ? 2 : 1);
    set_interrupt_check(nullptr);
  }
  EXPECT_EQ(what, "not interrupted");
  EXPECT_EQ(taken, 1U);
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 2) << status;
  EXPECT_EQ(mixed.get()->at(0), 7);
}

// In a message of another process, which is not lost by it.
TEST(StoppedManager, HoldsNoReceiverPastItsDeadline) {
  const Manager manager;
  const List<int> list = manager.list<int>({5});
  auto [near, far] = steward::pipe<List<int>>();
  near.send(list);
  Forked child([&, &end = far](int out) {
    if (::write(out, "up\n", 3) != 3) return 1;
    std::optional<List<int>> received;
    if (!ends_soon([&] { received = end.recv_for(kShort); }) || !received) return 2;
    if (::write(out, "received\n", 9) != 9) return 3;
    return received->at(0) == 5 ? 0 : 4;  // when it goes on
  });
  {
    const Stopped stopped(manager);
    EXPECT_EQ(child.line(), "up");
    EXPECT_EQ(child.line(), "received");
  }
  EXPECT_EQ(child.join(), 0);
}

std::vector<List<int>> give_and_stop(const List<int>& list, pid_t manager, bool stops) {
  if (!stops) return {list};
  ::kill(manager, SIGSTOP);
  return {};
}

// The results of all tasks are read by one thread, whoever waits for which.
TEST(StoppedManager, HoldsUpNoResultsOfAPool) {
  const Manager manager;
  const List<int> list = manager.list<int>({5});
  Pool pool(1);
  const std::vector<std::tuple<List<int>, pid_t, bool>> calls{{list, manager.pid(), false},
                                                              {list, manager.pid(), true}};
  auto results = pool.starmap_async(give_and_stop, calls, 2);
  EXPECT_TRUE(results.wait_for(kSoon));
  ::kill(manager.pid(), SIGCONT);
  EXPECT_EQ(results.get().at(0).at(0).at(0), 5);
}

// Also if nobody looks at it for long: it is claimed while its lease lasts.
TEST(StoppedManager, KeepsTheObjectsOfResultsThatNobodyHasLookedAt) {
  const Manager manager;
  Pool pool(1);
  std::optional<List<int>> list = manager.list<int>({5});
  auto results = pool.starmap_async(
      give_and_stop,
      std::vector<std::tuple<List<int>, pid_t, bool>>{{*list, manager.pid(), false}}, 1);
  list.reset();
  ASSERT_TRUE(results.wait_for(kSoon));
  pool.close();
  pool.join();
  // Nothing but the result refers to it, through a lease or by itself.
  EXPECT_EQ(manager.number_of_objects(), 1U);
  EXPECT_EQ(results.get().at(0).at(0).at(0), 5);
}

}  // namespace
}  // namespace steward::detail::test
