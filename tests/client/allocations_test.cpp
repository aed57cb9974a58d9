// Memory: how much a call asks for, since whoever makes millions of them pays for each, and what
// becomes of a call for which it ends.
#include <steward/tests/client/session_test.hpp>

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include <steward/client/session/driver.hpp>
#include <steward/tests/client/fake_house.hpp>
#include <steward/tests/shm/failing_new.hpp>

namespace steward::detail::test {
namespace {

using client::Effect;

TEST(Allocations, OfASmallCallAreOneAtMost) {
  FakeHouse house;
  const client::SessionPtr session = client::connect(house.address());
  const std::string args = arguments({encoded(std::int64_t{7})});
  client::CallOptions options;
  options.effect = Effect::read;
  const auto call = [&] { session->call(core::ObjectId{3}, "echo", args, options); };
  for (int i = 0; i < 100; ++i) call();
  constexpr std::size_t kCalls = 1000;
  {
    const FailingNew more(kCalls + 1);
    for (std::size_t i = 0; i < kCalls; ++i) call();
    EXPECT_FALSE(more.has_failed());
  }
  client::end_all_sessions(std::chrono::seconds(5));
}

using AllocationsTest = SessionTest;

// Nobody answers the link's frames on this thread: they come from that of the manager.
TEST_F(AllocationsTest, ThatFailFailTheCallAndNothingElse) {
  FakeHouse house;
  session = client::connect(house.address());
  const std::string one = arguments({encoded(std::int64_t{1})});
  std::int64_t done = 0;
  at_each_allocation([&](std::size_t n) {
    bool failed = false;
    try {
      const FailingNew failing(n);
      session->call(kList, "add", one, {});
      session->post(kList, "add", one);
      failed = failing.has_failed();
    } catch (const Error&) {
      failed = true;
    }
    const std::string none = arguments({encoded(std::int64_t{0})});
    const std::int64_t now = integer_of(session->call(kList, "add", none, {}).value());
    EXPECT_GE(now, done);
    EXPECT_LE(now, done + 2);
    done = now;
    return failed;
  });
  EXPECT_EQ(house.manager().sessions(), 1U);
}

// What a call's arguments have claimed ends with the call, also one that never began.
TEST_F(AllocationsTest, ThatFailLetGoOfWhatWasClaimedForTheCall) {
  FakeHouse house;
  session = client::connect(house.address());
  const core::Reference bare(list_token(session->incarnation(), 7));
  const std::string args = arguments({encoded(std::string(20'000, 'x'))});
  at_each_allocation([&](std::size_t n) {
    bool failed = false;
    try {
      client::Kept kept;
      session->outgoing(bare, {}, kept);
      const FailingNew failing(n);
      session->call(kList, "echo", args, {});
      failed = failing.has_failed();
    } catch (const Error&) {
      failed = true;
    }
    // What is let go of without memory to say so stays with the manager. But nothing waits for this
    // thread's next call.
    const std::string one = arguments({encoded(1)});
    std::thread([&] { session->call(kList, "echo", one, {}); }).join();
    const auto after = house.manager().grants();
    session->call(kList, "echo", one, {});
    session->call(kList, "echo", one, {});
    EXPECT_EQ(house.manager().grants(), after) << n;
    return failed;
  });
}

// A session that may begin anew, with a manager that has a thread of its own: memory that ends here
// does not end there. (Nor in ZeroMQ, which does not bear it everywhere.)
class AnewTest : public testing::Test {
 protected:
  using Driver = client::SessionDriver;

  AnewTest() : serving([this] { serve(); }) {
    auto made = Driver::make(
        connection(), [this](core::Deadline) { return connection(); },
        std::make_shared<const client::Terms>(client::Terms{.timeout = 60s}));
    made->establish(core::deadline_after(60s));
    session = made;
  }
  ~AnewTest() override {
    session->end(5s);
    {
      const std::lock_guard lock(mutex);
      over = true;
    }
    arrived.notify_all();
    serving.join();
  }

  struct Arrived {
    std::shared_ptr<FakeLink> link;
    std::uint64_t connection;
    std::string frame;
  };
  void serve() {
    std::unique_lock lock(mutex);
    for (;;) {
      arrived.wait(lock, [this] { return over || !frames.empty(); });
      if (frames.empty()) return;
      const Arrived next = std::move(frames.front());
      frames.pop_front();
      lock.unlock();
      for (std::string& answer : manager.take(next.connection, next.frame)) {
        next.link->deliver(std::move(answer));
      }
      lock.lock();
    }
  }

  Driver::Connection connection() {
    const std::uint64_t number = 1000 * ++dials;
    auto self = std::make_shared<std::weak_ptr<FakeLink>>();
    auto link = std::make_shared<FakeLink>([this, number, self](std::uint64_t at,
                                                                std::string frame) {
      const std::lock_guard lock(mutex);
      frames.push_back({self->lock(), number + at, std::move(frame)});
      arrived.notify_all();
    });
    *self = link;
    link->connect();
    Driver::Connection made;
    made.transport = link->transport();
    made.welcome.ticket = manager.new_ticket();
    made.welcome.incarnation = manager.incarnation();
    made.welcome.addresses = {"ipc:///fake/manager.sock"};
    return made;
  }

  FakeManager manager;
  std::mutex mutex;
  std::condition_variable arrived;
  std::deque<Arrived> frames;
  bool over = false;
  std::atomic<std::uint64_t> dials = 0;
  std::thread serving;
  client::SessionPtr session;
};

// What the leading thread does for all must go on with the next one.
TEST_F(AnewTest, AllocationsThatFailWhileASessionBeginsAnewLoseNoSession) {
  if (!FailingNew::works()) GTEST_SKIP() << "a sanitizer's operator new does not fail";
  constexpr core::ObjectId kList{3};
  const core::ReferencePtr reference = session->claim(list_token(manager.incarnation(), 3));
  const std::string args = arguments({encoded(2)});
  at_each_allocation([&](std::size_t n) {
    manager.forget_sessions();
    bool failed = false;
    client::CallOptions reading;
    reading.effect = Effect::read;
    try {
      const FailingNew failing(n);
      session->call(kList, "echo", args, reading);
      failed = failing.has_failed();
    } catch (const Overloaded&) {
      failed = true;
    }
    SCOPED_TRACE("allocation " + std::to_string(n));
    reading.deadline = core::deadline_after(20s);
    EXPECT_EQ(integer_of(session->call(kList, "echo", args, reading).value()), 2);
    return failed;
  });
  EXPECT_GT(dials, 10U);
}

}  // namespace
}  // namespace steward::detail::test
