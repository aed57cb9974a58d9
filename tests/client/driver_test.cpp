// What stands around the session's state machine: threads, exceptions, descriptors, interruptions.
#include <steward/tests/client/session_test.hpp>

#include <signal.h>
#include <unistd.h>

#include <condition_variable>
#include <filesystem>
#include <functional>
#include <mutex>
#include <new>
#include <stdexcept>
#include <stop_token>
#include <thread>

#include <steward/client/interrupt.hpp>
#include <steward/client/session/driver.hpp>
#include <steward/client/session/leadership.hpp>
#include <steward/client/state.hpp>
#include <steward/core/own_threads.hpp>
#include <steward/tests/client/fake_house.hpp>

namespace steward::detail::test {
namespace {

using client::Effect;

// Does what the other one does, and throws what it is told to.
class FailingTransport final : public client::Transport {
 public:
  struct Faults {
    std::function<void()> in_send;
    std::function<void()> in_receive;
    std::mutex mutex;
    std::atomic<bool> endless = false;  // frames without a meaning, as many as are taken
    void set(std::function<void()> send, std::function<void()> receive) {
      const std::lock_guard lock(mutex);
      in_send = std::move(send);
      in_receive = std::move(receive);
    }
    void meet(std::function<void()> Faults::*where) {
      std::function<void()> fault;
      {
        const std::lock_guard lock(mutex);
        fault = this->*where;
      }
      if (fault) fault();
    }
  };

  FailingTransport(std::unique_ptr<client::Transport> inner, Faults& faults)
      : inner_(std::move(inner)), faults_(faults) {}
  const std::vector<pollfd>& poll_fds() const override { return inner_->poll_fds(); }
  bool prepare_to_sleep() override { return inner_->prepare_to_sleep() && !faults_.endless; }
  void awake(std::span<const pollfd> entries) override { inner_->awake(entries); }
  bool send(std::string_view head, std::string_view body) override {
    faults_.meet(&Faults::in_send);
    return inner_->send(head, body);
  }
  client::Arrival receive(std::string_view& frame) override {
    faults_.meet(&Faults::in_receive);
    const client::Arrival arrival = inner_->receive(frame);
    if (arrival != client::Arrival::nothing || !faults_.endless) return arrival;
    frame = "?";
    return client::Arrival::frame;
  }

 private:
  std::unique_ptr<client::Transport> inner_;
  Faults& faults_;
};

class DriverTest : public SessionTest {
 protected:
  ~DriverTest() override {
    faults.set({}, {});
    faults.endless = false;
    if (session) session->end(5s);
    session.reset();
  }

  void start_failing() {
    link = std::make_shared<FakeLink>([this](std::uint64_t connection, std::string frame) {
      for (std::string& answer : manager.take(connection, frame)) {
        link->deliver(connection, std::move(answer));
      }
    });
    link->connect();
    session = client::connect_over(std::make_unique<FailingTransport>(link->transport(), faults),
                                   manager.new_ticket(), {std::string(kAddress)});
  }

  FailingTransport::Faults faults;
};

TEST_F(DriverTest, WhateverATransportThrowsCallersGetAnErrorAndNothingIsLeftBehind) {
  start_failing();
  faults.set([] { throw std::bad_alloc(); }, [] { throw std::bad_alloc(); });
  EXPECT_THROW(add(1), Overloaded);
  faults.set([] { throw std::runtime_error("so"); }, [] { throw std::runtime_error("so"); });
  const std::string text = thrown<Disconnected>([&] { add(1); });
  EXPECT_NE(text.find("failed: so"), text.npos) << text;
  EXPECT_NO_THROW(post("add", {encoded(1)}));
  session->note_grant(kList, 1, false);
  EXPECT_NO_THROW(session->unlock(kList));
  faults.set({}, {});
  // What had not been sent is not done; the post is.
  EXPECT_EQ(add(0), 1);
}

TEST_F(DriverTest, AChangeThatWasSentAndCannotBeWaitedForHasAnUnknownOutcome) {
  start_failing();
  faults.set({}, [this] {
    if (manager.runs("add") > 0) throw std::runtime_error("so");
  });
  EXPECT_THROW(add(1), OutcomeUnknown);
  faults.set({}, {});
  EXPECT_EQ(add(0), 1);
}

TEST_F(DriverTest, AnErrorOfTheLeadingThreadEndsNoOtherWait) {
  start_failing();
  auto other = park(Effect::change);
  std::atomic<bool> failed = false;
  faults.set({}, [&] {
    if (!failed.exchange(true)) throw std::runtime_error("once");
  });
  std::optional<std::string> mine;
  try {
    mine = call("echo", {encoded(1)}, Effect::read);
  } catch (const Disconnected&) {
  }
  link->deliver(manager.release_parked(encoded(5)));
  try {
    EXPECT_EQ(integer_of(other.get().value()), 5);
  } catch (const Error& error) {
    EXPECT_FALSE(mine == std::nullopt) << "both failed: " << error.what();
  }
  EXPECT_EQ(echo(1), 1);
}

TEST_F(DriverTest, AThreadThatWaitsForItsTurnIsWokenWhenOthersFail) {
  manager.limit(1U << 20U, 1);
  start({.timeout = 50ms});
  auto lost = park(Effect::change);
  auto waiting = std::async(std::launch::async, [&] { return add(1); });
  link->cut();
  EXPECT_THROW(lost.get(), OutcomeUnknown);
  EXPECT_THROW(waiting.get(), Disconnected);
  link->connect();
}

TEST_F(DriverTest, AManagerThatSpeaksWithoutEndStopsNoDeadline) {
  start_failing();
  auto leader = park(Effect::take, core::deadline_after(300ms));
  auto follower = park(Effect::take, core::deadline_after(300ms));
  faults.endless = true;
  link->deliver("?");  // wakes the leader
  EXPECT_EQ(leader.get(), std::nullopt);
  EXPECT_EQ(follower.get(), std::nullopt);
  // Nor does it keep anybody from the mutex.
  auto another = park(Effect::take);
  EXPECT_FALSE(session->call(kList, "park", arguments({}),
                             {.effect = Effect::take, .deadline = core::deadline_after(10ms)}));
  link->deliver(manager.release_parked(encoded(3)));
  EXPECT_EQ(integer_of(another.get().value()), 3);
}

TEST_F(DriverTest, StartedCallsAreToldOfWhileSomebodyWaits) {
  start();
  struct One final : client::Completion {
    void done(client::Outcome told) noexcept override {
      outcome = std::move(told);
      if (--*left == 0) session->finish(*waiter);
    }
    client::Session* session = nullptr;
    client::Waiter* waiter = nullptr;
    int* left = nullptr;
    client::Outcome outcome;
  };
  One calls[10];
  client::Waiter waiter;
  int left = 10;
  for (int i = 0; i < 10; ++i) {
    calls[i].session = session.get();
    calls[i].waiter = &waiter;
    calls[i].left = &left;
    session->start(kList, "echo", arguments({encoded(i)}), {.effect = Effect::read}, calls[i]);
  }
  EXPECT_TRUE(session->await(waiter, core::deadline_after(60s)));
  for (int i = 0; i < 10; ++i) EXPECT_EQ(integer_of(calls[i].outcome.payload), i);
}

// --- interruptions

TEST_F(DriverTest, AStopEndsAWaitingCall) {
  start();
  std::stop_source source;
  auto parked = std::async(std::launch::async, [&] {
    client::CallOptions options;
    options.effect = Effect::take;
    options.object_type = "list";
    options.stop = source.get_token();
    return thrown<Interrupted>([&] { session->call(kList, "park", arguments({}), options); });
  });
  manager.wait_until([](const FakeManager& seen) { return seen.runs("park") == 1; });
  source.request_stop();
  EXPECT_EQ(parked.get(), "list#3.park: interrupted");
  echo(1);
  EXPECT_EQ(manager.cancels(), std::vector<core::Seq>{1});
}

TEST_F(DriverTest, AStopBeforehandKeepsACallFromBeingSent) {
  start();
  std::stop_source source;
  source.request_stop();
  client::CallOptions options;
  options.stop = source.get_token();
  EXPECT_THROW(session->call(kList, "add", arguments({encoded(1)}), options), Interrupted);
  EXPECT_EQ(add(0), 0);
}

std::atomic<bool> interrupt_wanted = false;

TEST_F(DriverTest, AnInterruptCheckEndsWaitsOfLeadersAndFollowers) {
  start();
  struct sigaction action {};
  struct sigaction before {};
  action.sa_handler = [](int) {};
  ::sigaction(SIGUSR1, &action, &before);
  set_interrupt_check([] { return interrupt_wanted.load(); });
  std::vector<std::future<std::string>> waiting;
  std::vector<pthread_t> threads(3);
  std::atomic<int> ready = 0;
  for (std::size_t i = 0; i < 3; ++i) {
    waiting.push_back(std::async(std::launch::async, [&, i] {
      threads[i] = ::pthread_self();
      ++ready;
      return thrown<Interrupted>([&] { call("park", {}, Effect::take); });
    }));
    manager.wait_until([&](const FakeManager& seen) { return seen.runs("park") == i + 1; });
  }
  interrupt_wanted = true;
  for (std::size_t i = 0; i < 3; ++i) {
    while (waiting[i].wait_for(1ms) != std::future_status::ready) {
      ::pthread_kill(threads[i], SIGUSR1);
    }
    EXPECT_EQ(waiting[i].get(), "list#3.park: interrupted");
  }
  set_interrupt_check(nullptr);
  interrupt_wanted = false;
  ::sigaction(SIGUSR1, &before, nullptr);
  EXPECT_EQ(echo(1), 1);
}

struct LateInterrupt {
  std::atomic<std::thread::id> asked;  // of this thread only
  std::atomic<bool> asking = false;
  std::atomic<bool> answered = false;
} late_interrupt;

// As a host language does it that has to wait for a lock of its own.
TEST_F(DriverTest, AnInterruptThatComesAfterTheReplyLosesNothing) {
  start();
  manager.swallow_replies(true);
  auto leader = std::async(std::launch::async, [&] { return echo(1); });
  manager.wait_until([](const FakeManager& seen) { return seen.runs("echo") == 1; });
  manager.swallow_replies(false);
  set_interrupt_check([] {
    if (std::this_thread::get_id() != late_interrupt.asked.load()) return false;
    late_interrupt.asking = true;
    late_interrupt.asking.notify_all();
    late_interrupt.answered.wait(false);
    return true;
  });
  auto taken = std::async(std::launch::async, [&] {
    late_interrupt.asked = std::this_thread::get_id();
    client::CallOptions options;
    options.effect = Effect::take;
    options.confirm = true;
    return session->call(kList, "park", arguments({}), options);
  });
  manager.wait_until([](const FakeManager& seen) { return seen.runs("park") == 1; });
  late_interrupt.asking.wait(false);
  link->deliver(manager.release_parked(encoded(7)));
  manager.wait_until([](const FakeManager& seen) { return !seen.acks().empty(); });
  late_interrupt.answered = true;
  late_interrupt.answered.notify_all();
  EXPECT_EQ(integer_of(taken.get().value()), 7);
  set_interrupt_check(nullptr);
  link->replace();  // the leader's reply is sent again
  EXPECT_EQ(leader.get(), 1);
}

struct AskedOn {
  std::atomic<int> own_threads = 0;
  std::atomic<int> programs_threads = 0;
} asked_on;

TEST_F(DriverTest, TheInterruptCheckIsAskedOnTheProgramsThreadsOnly) {
  start();
  auto leader = park(Effect::take);
  set_interrupt_check([] {
    ++(core::on_own_thread() ? asked_on.own_threads : asked_on.programs_threads);
    return false;
  });
  const auto wait_for_a_while = [&] {
    call("park", {}, Effect::take, core::deadline_after(200ms));
  };
  std::thread own = core::start_own_thread("steward-test", wait_for_a_while);
  wait_for_a_while();
  own.join();
  set_interrupt_check(nullptr);
  EXPECT_GT(asked_on.programs_threads, 0);
  EXPECT_EQ(asked_on.own_threads, 0);
  link->deliver(manager.release_parked());
  leader.get();
}

// --- dialling

// A session that may begin anew; how it dials is the test's.
class DialTest : public DriverTest {
 protected:
  using Driver = client::SessionDriver;

  Driver::Connection connection() {
    const std::uint64_t number = 100 * ++dials;
    link = std::make_shared<FakeLink>([this, number](std::uint64_t at, std::string frame) {
      for (std::string& answer : manager.take(number + at, frame)) {
        link->deliver(std::move(answer));
      }
    });
    link->connect();
    Driver::Connection made;
    made.transport = link->transport();
    made.welcome.ticket = manager.new_ticket();
    made.welcome.incarnation = manager.incarnation();
    made.welcome.addresses = {std::string(kAddress)};
    return made;
  }

  std::uint64_t dials = 0;
};

TEST_F(DialTest, HoldsNoCallerPastItsDeadline) {
  std::mutex mutex;
  std::condition_variable changed;
  bool may_dial = false;
  auto made = Driver::make(
      connection(),
      [&](core::Deadline) {
        std::unique_lock lock(mutex);
        changed.wait(lock, [&] { return may_dial; });
        return connection();
      },
      std::make_shared<const client::Terms>(client::Terms{.timeout = 60s}));
  made->establish(core::deadline_after(60s));
  session = made;
  manager.forget_sessions();
  link->replace();
  EXPECT_THROW(call("echo", {encoded(1)}, Effect::read, core::deadline_after(20ms)), TimeoutError);
  auto later = std::async(std::launch::async, [&] { return echo(2); });
  {
    const std::lock_guard lock(mutex);
    may_dial = true;
  }
  changed.notify_all();
  EXPECT_EQ(later.get(), 2);
}

TEST_F(DialTest, AFailureThatPassesEndsNothing) {
  std::atomic<int> attempts = 0;
  auto made = Driver::make(
      connection(),
      [&](core::Deadline) {
        if (++attempts < 3) throw Overloaded("no descriptor is left");
        return connection();
      },
      std::make_shared<const client::Terms>(client::Terms{.timeout = 60s}));
  made->establish(core::deadline_after(60s));
  session = made;
  manager.forget_sessions();
  link->replace();
  EXPECT_EQ(echo(2), 2);
  EXPECT_EQ(attempts, 3);
}

// Also under the address where the one was found that it has taken the place of.
TEST_F(DialTest, AnewElsewhereLeavesOneSession) {
  client::ClientState& state = client::ClientState::current();
  const auto dial = [&] {
    auto made = Driver::make(connection(), client::SessionDriver::Dial(),
                             std::make_shared<const client::Terms>(client::Terms{.timeout = 60s}));
    made->establish(core::deadline_after(60s));
    return made;
  };
  const auto first = state.connect("there", std::nullopt, dial);
  link->cut();
  session = first;
  EXPECT_THROW(call("echo", {encoded(1)}, Effect::read, core::deadline_after(20ms)), TimeoutError);
  const auto second = state.connect("elsewhere", std::nullopt, dial);
  EXPECT_NE(first.get(), second.get());
  EXPECT_EQ(state.connect("there", std::nullopt, dial).get(), second.get());
  first->end(0s);
  session = second;
}

// --- descriptors

std::size_t descriptors() {
  std::size_t count = 0;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    ++count;
  }
  return count;
}

bool come_down_to(std::size_t count) {
  const auto end = std::chrono::steady_clock::now() + 30s;
  while (descriptors() > count) {
    if (std::chrono::steady_clock::now() > end) return false;
    std::this_thread::yield();
  }
  return true;
}

TEST_F(DriverTest, ASessionWhoseManagerIsGoneGivesItsDescriptorsBack) {
  std::vector<client::SessionPtr> sessions;
  std::vector<core::ReferencePtr> references;
  std::size_t before = 0;
  for (int i = 0; i < 12; ++i) {
    auto house = std::make_unique<FakeHouse>();
    sessions.push_back(client::connect(house->address()));
    references.push_back(
        sessions.back()->claim(list_token(house->manager().incarnation(), 3)));
    house.reset();
    EXPECT_THROW(sessions.back()->call(kList, "add", arguments({encoded(1)}), {}), Error);
    sessions.pop_back();
    if (i == 2) before = descriptors();
  }
  // ZeroMQ closes its own in the background. Each session that somebody still refers to has what
  // its leader is woken with, and the manager's process.
  EXPECT_TRUE(come_down_to(before + 2 * 9));
  references.clear();
  EXPECT_TRUE(come_down_to(before));
}

}  // namespace
}  // namespace steward::detail::test
