// Waiting forms of a queue that are told to stop: what they would have taken is still there.
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <functional>
#include <future>
#include <map>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include <steward/client/ring.hpp>
#include <steward/tests/conformance/transports.hpp>

namespace steward::detail::test {
namespace {

using namespace std::chrono_literals;
using shm::Event;

struct Waits {
  Event event;  // what it sleeps for, in a ring
  std::function<void(const Queue<int>&, std::stop_token)> call;
};

// On an empty queue, and on a full one.
const std::map<std::string, Waits>& takes() {
  using Q = const Queue<int>&;
  static const std::map<std::string, Waits> all{
      {"get", {Event::not_empty, [](Q q, std::stop_token stop) { q.get(stop); }}},
      {"get_for", {Event::not_empty, [](Q q, std::stop_token stop) { q.get_for(1h, stop); }}},
      {"get_many", {Event::not_empty, [](Q q, std::stop_token stop) { q.get_many(9, stop); }}},
      {"take", {Event::not_empty, [](Q q, std::stop_token stop) { q.take(stop); }}},
      {"reserve", {Event::not_empty, [](Q q, std::stop_token stop) { q.reserve(1h, stop); }}}};
  return all;
}
const std::map<std::string, Waits>& puts() {
  using Q = const Queue<int>&;
  static const std::map<std::string, Waits> all{
      {"put", {Event::not_full, [](Q q, std::stop_token stop) { q.put(7, stop); }}},
      {"put_for", {Event::not_full, [](Q q, std::stop_token stop) { q.put_for(7, 1h, stop); }}},
      {"put_many", {Event::not_full, [](Q q, std::stop_token stop) { q.put_many({7, 8}, stop); }}},
      {"join", {Event::all_done, [](Q q, std::stop_token stop) { q.join(stop); }}}};
  return all;
}

template <class Transport>
class QueueStopConformance : public ConformanceTest<Transport> {
 protected:
  Queue<int> queue() { return this->manager().template queue<int>(1); }

  // Until somebody waits there: in the ring, asleep or about to; or in the manager.
  void wait_for_waiter(const Queue<int>& queue, Event event) {
    shm::SharedQueue* const ring = client::ring_of(queue.reference(), {});
    const auto waits = [&] {
      if (ring != nullptr) return (ring->event(event).load() & 1U) != 0;
      return this->manager().debug_info().find(" 1 parked calls") != std::string::npos;
    };
    while (!waits()) std::this_thread::yield();
  }
  // What is in the queue, flagged or not; "" if nothing is.
  static std::string next(const Queue<int>& queue) {
    if (queue.empty()) return {};
    Delivery<int> item = queue.reserve(1h);
    item.ack();
    return (item.redelivered() ? "again " : "") + std::to_string(item.value());
  }

  template <class F>
  static std::string interrupted(F&& call) {
    try {
      call();
    } catch (const Interrupted& error) {
      return error.what();
    }
    return "not interrupted";
  }
  static void expect_interrupted(const std::string& what, const std::string& method) {
    // A timed form has the name of its method, and through the manager a take is a get.
    const std::string name = method.substr(0, method.find("_for"));
    EXPECT_TRUE(what.ends_with('.' + name + ": interrupted") ||
                (name == "take" && what.ends_with(".get: interrupted")))
        << method << ": " << what;
  }
};
TYPED_TEST_SUITE(QueueStopConformance, QueueTransports, TransportNames);

TYPED_TEST(QueueStopConformance, BeforeTheCallNothingIsDone) {
  const Queue<int> queue = this->queue();
  const Queue<int> room = this->queue();
  queue.put(1);
  std::stop_source source;
  source.request_stop();
  for (const auto& [name, take] : takes()) {
    const auto call = [&, &take = take] { take.call(queue, source.get_token()); };
    this->expect_interrupted(this->interrupted(call), name);
  }
  for (const auto& [name, put] : puts()) {
    const auto call = [&, &put = put] { put.call(room, source.get_token()); };
    this->expect_interrupted(this->interrupted(call), name);
  }
  EXPECT_EQ(this->next(queue), "1");
  EXPECT_TRUE(room.empty());
}

TYPED_TEST(QueueStopConformance, EndsAWaitThatTakesOrPutsNothing) {
  const auto stop = [&](const std::string& name, const Waits& waits, bool full) {
    SCOPED_TRACE(name);
    const Queue<int> queue = this->queue();
    if (full) queue.put(1);
    std::stop_source source;
    auto waiting = std::async(std::launch::async, [&] {
      return this->interrupted([&] { waits.call(queue, source.get_token()); });
    });
    this->wait_for_waiter(queue, waits.event);
    source.request_stop();
    this->expect_interrupted(waiting.get(), name);
    EXPECT_EQ(this->next(queue), full ? "1" : "");
    queue.put(2);
    EXPECT_EQ(this->next(queue), "2");
    EXPECT_EQ(this->next(queue), "");
  };
  for (const auto& [name, take] : takes()) stop(name, take, false);
  for (const auto& [name, put] : puts()) stop(name, put, true);
}

TYPED_TEST(QueueStopConformance, AnItemThatComesAtThatMomentIsGotOrStays) {
  const Queue<int> queue = this->queue();
  for (int i = 0; i < 50; ++i) {
    std::stop_source source;
    std::optional<int> got;
    auto waiting = std::async(std::launch::async, [&] {
      return this->interrupted([&] { got = queue.get(source.get_token()); });
    });
    if (i % 4 != 0) this->wait_for_waiter(queue, Event::not_empty);
    std::thread stopper([&] { source.request_stop(); });
    queue.put(i);
    stopper.join();
    const std::string what = waiting.get();
    if (got) {
      EXPECT_EQ(*got, i);
    } else {
      this->expect_interrupted(what, "get");
    }
    std::string left = this->next(queue);
    // The manager may have sent it: then it says so.
    if (queue.transport() == "zmq" && left.starts_with("again ")) left.erase(0, 6);
    ASSERT_EQ(left, got ? "" : std::to_string(i));
  }
}

TYPED_TEST(QueueStopConformance, RoomThatComesAtThatMomentIsUsedOrStays) {
  const Queue<int> queue = this->queue();
  for (int i = 0; i < 50; ++i) {
    queue.put(-1);
    std::stop_source source;
    auto waiting = std::async(std::launch::async, [&] {
      return this->interrupted([&] { queue.put(i, source.get_token()); });
    });
    if (i % 4 != 0) this->wait_for_waiter(queue, Event::not_full);
    std::thread stopper([&] { source.request_stop(); });
    EXPECT_EQ(queue.get(), -1);
    stopper.join();
    const std::string what = waiting.get();
    const bool done = what == "not interrupted";
    if (!done) this->expect_interrupted(what, "put");
    const std::string left = this->next(queue);
    // The manager may have taken it up before it heard of the stop.
    const bool unknown = !done && queue.transport() == "zmq" && !left.empty();
    ASSERT_EQ(left, done || unknown ? std::to_string(i) : "");
  }
}

TYPED_TEST(QueueStopConformance, ATokenThatIsNotStoppedChangesNothing) {
  const Queue<int> queue = this->queue();
  std::stop_source source;
  const std::stop_token stop = source.get_token();
  queue.put(1, stop);
  EXPECT_FALSE(queue.put_for(2, 1ms, stop));
  EXPECT_EQ(queue.get(stop), 1);
  EXPECT_EQ(queue.get_for(1ms, stop), std::nullopt);
  queue.put_many({3}, stop);
  EXPECT_EQ(queue.get_many(2, stop), std::vector<int>{3});
  queue.task_done();
  queue.task_done();
  queue.join(stop);
}

std::atomic<bool> interrupt_wanted = false;

TYPED_TEST(QueueStopConformance, TheInterruptCheckEndsAWaitToo) {
  struct sigaction action {};
  struct sigaction before {};
  action.sa_handler = [](int) {};
  ::sigaction(SIGUSR1, &action, &before);
  set_interrupt_check([] { return interrupt_wanted.load(); });
  const Queue<int> queue = this->queue();
  std::atomic<pthread_t> thread{};
  auto waiting = std::async(std::launch::async, [&] {
    thread = ::pthread_self();
    return this->interrupted([&] { queue.get(); });
  });
  this->wait_for_waiter(queue, Event::not_empty);
  interrupt_wanted = true;
  while (waiting.wait_for(1ms) != std::future_status::ready) ::pthread_kill(thread, SIGUSR1);
  this->expect_interrupted(waiting.get(), "get");
  set_interrupt_check(nullptr);
  interrupt_wanted = false;
  ::sigaction(SIGUSR1, &before, nullptr);
  queue.put(1);
  EXPECT_EQ(this->next(queue), "1");
}

struct Frame {
  int number;
  int size;
};

// Calls, which waits until its check forks and ends it.
void expect_interrupted_in_both(const std::function<std::string()>& call) {
  static std::atomic<pid_t> child;
  child = -1;
  set_interrupt_check([] {
    if (child == -1) child = ::fork();
    return child != 0;
  });
  const pid_t parent = ::getpid();
  const std::string what = call();
  if (::getpid() != parent) ::_exit(what.ends_with("interrupted") ? 2 : 1);
  set_interrupt_check(nullptr);
  EXPECT_TRUE(what.ends_with(": interrupted")) << what;
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 2) << status;
}

TYPED_TEST(QueueStopConformance, AnInterruptCheckMayForkWhereALoanWaitsForRoom) {
  const Queue<Frame> queue = this->manager().template queue<Frame>(1);
  queue.put({1, 1});
  expect_interrupted_in_both([&] {
    return this->interrupted([&] {
      auto frame = queue.loan();
      *frame = {2, 2};
      frame.commit();
    });
  });
  EXPECT_EQ(queue.get().number, 1);
  EXPECT_TRUE(queue.empty());
}

// The child has not even the memory in which its parent waits.
TYPED_TEST(QueueStopConformance, AnInterruptCheckMayFork) {
  const auto each = [this](const Queue<int>& queue, const auto& waits) {
    for (const auto& [name, form] : waits) {
      SCOPED_TRACE(name);
      expect_interrupted_in_both([&, &form = form, &name = name] {
        const std::string what = this->interrupted([&] { form.call(queue, {}); });
        this->expect_interrupted(what, name);
        return what;
      });
    }
  };
  const Queue<int> empty = this->queue();
  const Queue<int> full = this->queue();
  full.put(1);
  each(empty, takes());
  each(full, puts());
}

}  // namespace
}  // namespace steward::detail::test
