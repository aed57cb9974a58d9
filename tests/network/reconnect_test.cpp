// A remote client over a network that breaks: within its deadlines the program notices nothing,
// every change takes effect once, and who waits keeps his place.
#include <chrono>
#include <condition_variable>
#include <csignal>
#include <cstdlib>
#include <mutex>
#include <optional>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include <steward/core/token.hpp>
#include <steward/manager/private_server.hpp>
#include <steward/shm/pidfd.hpp>
#include <steward/steward.hpp>
#include <steward/tests/client/seed.hpp>
#include <steward/tests/crash/eventually.hpp>
#include <steward/tests/network/link.hpp>

namespace steward::detail::test {
namespace {

using namespace std::chrono_literals;
using std::chrono::steady_clock;

// Ends with 0 if it gets the lock within this long, with 1 if not; says how long it took.
int lock_within(const std::string& token, int milliseconds, bool expect_death) {
  const auto lock = open<Lock>(token);
  if (!lock.try_lock_for(std::chrono::milliseconds(milliseconds))) return 1;
  return lock.previous_owner_died() == expect_death ? 0 : 2;
}
void exit_with_lock_within(const std::string& token, int milliseconds, bool expect_death) {
  std::exit(lock_within(token, milliseconds, expect_death));
}
// A server, a link to it, and this process as a client behind the link. Other clients are processes
// of their own: they come in by the server's own host.
class NetworkTest : public testing::Test {
 protected:
  void start(std::chrono::milliseconds lease = 15s, ConnectOptions with = {}) {
    ManagerOptions options;
    options.address = "tcp://127.0.0.1:0";
    options.limits.session_lease = lease;
    server.emplace(manager::Types(), options);
    link.emplace(server->addresses().back());
    manager.emplace(Manager::connect(link->address(), with));
  }
  // Text for processes that come in by the server's own host. (This one knows only the link: its
  // manager has proved nothing.)
  template <class Proxy>
  std::string at_the_server(const Proxy& proxy) const {
    core::Token token = proxy.reference()->outgoing();
    token.addresses = server->addresses();
    return core::token_text(token);
  }
  int another_client_locks(const Lock& lock, std::chrono::milliseconds within, bool expect_death) {
    Process other(exit_with_lock_within, at_the_server(lock), static_cast<int>(within.count()),
                  expect_death);
    other.start();
    other.join();
    return other.exitcode().value();
  }
  // Calls that wait at the server.
  int parked() const {
    const std::string info = manager->debug_info();
    return std::stoi(info.substr(info.find("sessions, ") + 10));
  }
  void TearDown() override {
    if (!manager) return;
    EXPECT_TRUE(eventually([&] { return manager->number_of_objects() == 0; }))
        << manager->debug_info();
    manager.reset();
  }

  std::optional<manager::PrivateServer> server;
  std::optional<Link> link;
  std::optional<Manager> manager;
};

// Cuts again and again, each time after a random while of 20 to 400 ms.
class Cutter {
 public:
  explicit Cutter(Link& link) : thread_([this, &link, random = std::mt19937_64(seed())]() mutable {
      std::unique_lock lock(mutex_);
      const auto pause = [&] { return std::chrono::milliseconds(20 + random() % 381); };
      while (!stopped_.wait_for(lock, pause(), [this] { return stopping_; })) {
        link.cut();
        ++cuts_;
      }
    }) {}
  ~Cutter() { stop(); }
  int stop() {
    {
      const std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    stopped_.notify_all();
    if (thread_.joinable()) thread_.join();
    return cuts_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable stopped_;
  bool stopping_ = false;
  int cuts_ = 0;
  std::thread thread_;
};

TEST_F(NetworkTest, TwentyThousandIncrementsAreTwentyThousand) {
  start();
  constexpr int kThreads = 4;
  constexpr int kEach = 5000;
  {
    const auto counts = manager->dict<std::string, int>();
    Cutter cutter(*link);
    std::vector<std::thread> threads;
    for (int i = 0; i < kThreads; ++i) {
      threads.emplace_back([&] {
        for (int k = 0; k < kEach; ++k) EXPECT_NO_THROW(counts.add("n", 1));
      });
    }
    for (std::thread& thread : threads) thread.join();
    const int cuts = cutter.stop();
    EXPECT_EQ(counts.at("n"), kThreads * kEach) << cuts << " cuts";
    std::printf("%d cuts\n", cuts);
  }
}

TEST_F(NetworkTest, WhoWaitsKeepsHisPlaceThroughTwoHundredCuts) {
  start();
  constexpr int kGetters = 50;
  constexpr int kCuts = 200;
  {
    const auto queue = manager->queue<int>();
    std::vector<int> got(kGetters, -1);
    std::vector<std::thread> getters;
    for (int i = 0; i < kGetters; ++i) {
      getters.emplace_back([&, i] { got[static_cast<std::size_t>(i)] = queue.get(); });
      ASSERT_TRUE(eventually([&] { return parked() == i + 1; })) << manager->debug_info();
    }
    for (int cut = 0; cut < kCuts; ++cut) {
      const int made = link->made();
      link->cut();
      ASSERT_TRUE(eventually([&] { return link->made() > made; }));
      if (cut % 4 == 0) {
        ASSERT_TRUE(queue.empty());
      }
    }
    for (int i = 0; i < kGetters; ++i) queue.put(i);
    for (std::thread& getter : getters) getter.join();
    for (int i = 0; i < kGetters; ++i) EXPECT_EQ(got[static_cast<std::size_t>(i)], i);
    EXPECT_EQ(queue.size(), 0U);
  }
}

TEST_F(NetworkTest, ItemsOfAQueueAreTakenOnceWhileTheLinkBreaks) {
  start();
  constexpr int kItems = 2000;
  {
    const auto queue = manager->queue<int>();
    Process producer([](const std::string& token) {
      const auto out = open<Queue<int>>(token);
      for (int i = 0; i < kItems; ++i) out.put(i);
    }, at_the_server(queue));
    producer.start();
    Cutter cutter(*link);
    for (int i = 0; i < kItems; ++i) ASSERT_EQ(queue.get(), i);
    cutter.stop();
    producer.join();
    EXPECT_TRUE(queue.empty());
  }
}

TEST_F(NetworkTest, ASlowLinkOnlyTakesLonger) {
  start();
  link->delay(30ms);
  const auto before = steady_clock::now();
  EXPECT_EQ(manager->list<int>({1, 2}).copy(), (std::vector<int>{1, 2}));
  EXPECT_GE(steady_clock::now() - before, 120ms);  // two calls, both ways
}

TEST_F(NetworkTest, AStalledLinkLosesNothingAndDeadlinesHold) {
  start();
  for (const Link::Way way : {Link::Way::to_server, Link::Way::to_client}) {
    const auto list = manager->list<int>();
    link->stall(way, true);
    EXPECT_THROW(list.with_timeout(200ms).append(1), TimeoutError);
    std::thread waits([&] { list.append(2); });
    link->stall(way, false);
    waits.join();
    // The first one was under way too: it was given up, not undone.
    EXPECT_EQ(list.copy(), (std::vector<int>{1, 2}));
  }
}

// Nobody tells the client that its connection is dead: only that nothing comes back.
TEST_F(NetworkTest, AConnectionThatDiedInSilenceIsFoundOut) {
  start();
  const auto list = manager->list<int>({1});
  link->go_half_open(Link::Told::server);
  const auto before = steady_clock::now();
  list.append(2);
  EXPECT_LT(steady_clock::now() - before, 10s);
  EXPECT_EQ(list.copy(), (std::vector<int>{1, 2}));
}

// --- leases

TEST_F(NetworkTest, AHolderThatVanishesFreesItsLockWithItsLease) {
  start(1s);
  const auto lock = manager->lock(named("tool"));
  Process other(exit_with_lock_within, at_the_server(lock), 20'000, true);
  lock.lock();
  other.start();
  EXPECT_TRUE(eventually([&] { return parked() == 1; }));
  const auto vanished = steady_clock::now();
  link->block(true);
  link->cut();
  other.join();
  const auto took = steady_clock::now() - vanished;
  EXPECT_EQ(other.exitcode(), 0);
  // Its last word may have come a third of the lease before.
  EXPECT_GE(took, 600ms);
  EXPECT_LE(took, 2500ms);
  // Nobody has told the client yet: it posts the unlock, and is told with the next call.
  lock.unlock();
  link->block(false);
  EXPECT_THROW(lock.locked(), Disconnected);
  EXPECT_FALSE(lock.locked());
  manager->remove("tool");
}

TEST_F(NetworkTest, AHolderThatIsBusyElsewhereKeepsItsLockThoughTheLinkBreaks) {
  start(600ms);
  const auto lock = manager->lock();
  lock.lock();
  const std::string token = at_the_server(lock);
  // While this process only waits for its child, three leases pass, and three connections.
  Process other(exit_with_lock_within, token, 2000, false);
  other.start();
  for (int i = 0; i < 3; ++i) {
    const int made = link->made();
    link->cut();
    EXPECT_TRUE(eventually([&] { return link->made() > made; }));
  }
  other.join();
  EXPECT_EQ(other.exitcode(), 1) << "the lock was taken from its holder";
  EXPECT_NO_THROW(lock.unlock());
}

TEST_F(NetworkTest, AServerThatStoodStillTakesNobodysLease) {
  start(700ms);
  const auto lock = manager->lock();
  lock.lock();
  const shm::UniqueFd pidfd = shm::pidfd_of(server->pid());
  shm::send_signal(pidfd.get(), SIGSTOP);
  // Two leases long nothing is served.
  EXPECT_THROW(lock.with_timeout(1500ms).locked(), TimeoutError);
  shm::send_signal(pidfd.get(), SIGCONT);
  EXPECT_TRUE(lock.locked());
  EXPECT_EQ(another_client_locks(lock, 0ms, false), 1);
  EXPECT_NO_THROW(lock.unlock());
}

void wait_until_two(const std::string& token) {
  const auto list = open<List<int>>(token);
  if (!eventually([&] { return list.size() == 2; })) std::exit(1);
}
void wait_until_alone(const std::string& address) {
  const Manager manager = Manager::connect(address);
  const auto alone = [&] { return manager.debug_info().find(", 1 sessions") != std::string::npos; };
  if (!eventually(alone)) std::exit(1);
}
template <class F>
void in_another_process(F function, const std::string& argument) {
  Process other(function, argument);
  other.start();
  other.join();
  ASSERT_EQ(other.exitcode(), 0);
}

TEST_F(NetworkTest, OnlyACallWhoseSessionIsGoneHasAnUnknownOutcome) {
  start(500ms);
  const auto list = manager->list<int>(named("kept"), {1});
  const std::string token = at_the_server(list);
  // The call arrives, its reply does not; then nothing gets through until the lease is over.
  link->stall(Link::Way::to_client, true);
  std::thread change([&] { EXPECT_THROW(list.append(2), OutcomeUnknown); });
  in_another_process(wait_until_two, token);
  link->block(true);
  link->cut();
  link->stall(Link::Way::to_client, false);
  std::thread read([&] { EXPECT_EQ(list.at(0), 1); });
  in_another_process(wait_until_alone, server->addresses().front());
  link->block(false);
  change.join();
  read.join();
  // The next session goes on with the same proxies.
  EXPECT_EQ(list.copy(), (std::vector<int>{1, 2}));
  manager->remove("kept");
}

TEST_F(NetworkTest, AServerThatIsKilledEndsEveryCallWithinTheTimeout) {
  start(15s, {.timeout = 2s});
  const auto list = manager->list<int>({1});
  const auto queue = manager->queue<int>();
  std::thread waits([&] { EXPECT_THROW(queue.get(), Error); });
  ASSERT_TRUE(eventually([&] { return parked() == 1; }));
  ::kill(server->pid(), SIGKILL);
  const auto before = steady_clock::now();
  EXPECT_THROW(list.size(), Disconnected);
  EXPECT_THROW(list.append(2), Error);
  waits.join();
  // The first one waits for the timeout, the others end with it or after one of their own.
  EXPECT_LT(steady_clock::now() - before, 10s);
  manager.reset();
}

}  // namespace
}  // namespace steward::detail::test
