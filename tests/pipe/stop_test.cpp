// Waits at connections and Listeners that are ended by a stop, or by the program's interrupt check.
#include <signal.h>
#include <sys/socket.h>

#include <atomic>
#include <barrier>
#include <chrono>
#include <functional>
#include <stop_token>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include <steward/client/interrupt.hpp>
#include <steward/core/auth_key.hpp>
#include <steward/core/handle_codec.hpp>
#include <steward/core/interrupt.hpp>
#include <steward/pipe/listener.hpp>
#include <steward/pipe/pipe.hpp>
#include <steward/tests/error_text.hpp>
#include <steward/tests/pipe/placed_calls.hpp>
#include <steward/tests/waiting_thread.hpp>

namespace steward {
namespace {

using namespace std::chrono_literals;
using detail::test::text_of;
using detail::test::WaitingThread;
using Text = Connection<std::string>;
using Both = std::pair<Text, Text>;

Both through_a_pipe() {
  auto [near, far] = pipe<std::string>();
  return {std::move(near), std::move(far)};
}
Both through(const ListenerOptions& options) {
  Listener listener("tcp://127.0.0.1:0", options);
  Text near = Text::connect(listener.address(), {.key = options.key});
  Text far = listener.accept<std::string>();
  return {std::move(near), std::move(far)};
}

class Stop : public testing::TestWithParam<std::function<Both()>> {
 protected:
  void SetUp() override { std::tie(near, far) = GetParam()(); }
  std::stop_token stop() const { return source.get_token(); }

  Text near;
  Text far;
  std::stop_source source;
};
INSTANTIATE_TEST_SUITE_P(Kinds, Stop,
                         testing::Values(through_a_pipe, [] { return through({}); },
                                         [] { return through({.key = generate_key()}); }));

TEST_P(Stop, BeforehandEndsEveryWaitAndTakesNothing) {
  far.send("there");
  source.request_stop();
  EXPECT_EQ(text_of<Interrupted>([&] { near.recv(stop()); }), "Connection.recv: interrupted");
  EXPECT_THROW(near.recv_for(1h, stop()), Interrupted);
  EXPECT_THROW(near.recv_bytes(stop()), Interrupted);
  EXPECT_EQ(text_of<Interrupted>([&] { near.poll(1h, stop()); }), "Connection.poll: interrupted");
  EXPECT_EQ(text_of<Interrupted>([&] { near.send("not", stop()); }),
            "Connection.send: interrupted");
  EXPECT_EQ(near.recv(), "there");
  near.send("back");
  EXPECT_EQ(far.recv(), "back");
}

TEST_P(Stop, EndsAWaitForAMessageWhichStays) {
  const std::vector<std::function<void()>> waits{[&] { near.recv(stop()); },
                                                 [&] { near.recv_for(1h, stop()); },
                                                 [&] { near.poll(1h, stop()); }};
  for (const auto& wait : waits) {
    source = {};
    WaitingThread waiting([&] { EXPECT_THROW(wait(), Interrupted); });
    ASSERT_TRUE(waiting.falls_asleep());
    source.request_stop();
    waiting.join();
    far.send("later");
    EXPECT_EQ(near.recv(), "later");
  }
}

TEST_P(Stop, EndsTheWaitForATurnBehindAnotherThread) {
  WaitingThread first([&] { EXPECT_EQ(near.recv(), "one"); });
  ASSERT_TRUE(first.falls_asleep());
  WaitingThread second([&] { EXPECT_THROW(near.recv(stop()), Interrupted); });
  ASSERT_TRUE(second.falls_asleep());
  source.request_stop();
  second.join();
  far.send("one");
}

TEST_P(Stop, LosesNoMessageThatComesAtTheSameMoment) {
  int interrupted = 0;
  for (int i = 0; i < 100; ++i) {
    source = {};
    std::barrier start(3);
    std::thread sends([&] {
      start.arrive_and_wait();
      far.send(std::to_string(i));
    });
    std::thread stops([&] {
      start.arrive_and_wait();
      source.request_stop();
    });
    start.arrive_and_wait();
    try {
      EXPECT_EQ(near.recv(stop()), std::to_string(i));
    } catch (const Interrupted&) {
      ++interrupted;
      EXPECT_EQ(near.recv(), std::to_string(i));
    }
    sends.join();
    stops.join();
  }
  RecordProperty("interrupted", interrupted);
}

// Of a message that has begun to go nothing can be taken back.
TEST_P(Stop, HalfWayThroughAMessageNothingCanFollow) {
  near.send("whole");
  WaitingThread waiting([&] {
    EXPECT_THROW(near.send_bytes(std::string(32U << 20U, 'x'), stop()), Interrupted);
  });
  ASSERT_TRUE(waiting.falls_asleep());
  source.request_stop();
  waiting.join();
  EXPECT_EQ(text_of<Closed>([&] { near.send("more"); }),
            "Connection.send: a message was interrupted half-way, and nothing can follow it");
  EXPECT_EQ(far.recv(), "whole");
  EXPECT_EQ(text_of<Closed>([&] { far.recv(); }),
            "Connection.recv: the other side ended in the middle of a message");
}

TEST_P(Stop, IsHeardWithoutADescriptorAndCutsNoMessageForWantOfOne) {
  detail::test::events_are_refused = true;
  const std::string message(10U << 20U, 'x');
  {
    WaitingThread receives([&] { EXPECT_EQ(far.recv_bytes(), message); });
    near.send_bytes(message, stop());
  }
  EXPECT_FALSE(far.poll(60ms, stop()));
  WaitingThread waiting([&] { EXPECT_THROW(far.recv(stop()), Interrupted); });
  EXPECT_TRUE(waiting.falls_asleep());
  source.request_stop();
  waiting.join();
  detail::test::events_are_refused = false;
}

TEST(StopOfAPipe, BeforeAMessageHasBegunTheNextOneGoes) {
  auto [near, far] = pipe<std::string>();
  std::stop_source source;
  int sent = 0;
  {
    WaitingThread waiting([&, &near = near] {
      EXPECT_THROW(
          for (;; ++sent) near.send("small", source.get_token()), Interrupted);
    });
    ASSERT_TRUE(waiting.falls_asleep());
    source.request_stop();
  }
  for (; sent > 0; --sent) ASSERT_EQ(far.recv(), "small");
  EXPECT_FALSE(far.poll()) << "nothing of the one that was interrupted";
  near.send("next");
  EXPECT_EQ(far.recv(), "next");
}

TEST(StopOfAPipe, KeepsThePartThatHasCome) {
  auto [near, far] = pipe<std::string>();
  std::stop_source source;
  ASSERT_EQ(::send(far.fileno(), "\0\0\0\4\xa3t", 6, 0), 6);
  {
    WaitingThread waiting(
        [&, &near = near] { EXPECT_THROW(near.recv(source.get_token()), Interrupted); });
    ASSERT_TRUE(waiting.falls_asleep());
    source.request_stop();
  }
  ASSERT_EQ(::send(far.fileno(), "wo", 2, 0), 2);
  EXPECT_EQ(near.recv(), "two");
}

// Notes how proxies inside would be claimed.
struct Claims {
  bool at_once = false;
  template <class Packer>
  void msgpack_pack(Packer& packer) const {
    packer.pack(0);
  }
  void msgpack_unpack(const msgpack::object&) {
    using When = detail::core::Claiming::When;
    at_once = detail::core::current_handle_codec().claiming().when == When::at_once;
  }
};

TEST(StopOfAPipe, IsNotKeptFromAWaitByAClaim) {
  auto [near, far] = pipe<Claims>();
  const std::stop_source source;
  for (int i = 0; i < 3; ++i) near.send({});
  EXPECT_FALSE(far.recv(source.get_token()).at_once);
  EXPECT_FALSE(far.recv_for(1h, source.get_token())->at_once);
  EXPECT_TRUE(far.recv().at_once);
}

TEST(StopOfAListener, LeavesWhoConnectsToBeAccepted) {
  Listener listener("tcp://127.0.0.1:0");
  std::stop_source source;
  {
    WaitingThread waiting([&] {
      EXPECT_EQ(text_of<Interrupted>([&] { listener.accept<int>(source.get_token()); }),
                "Listener.accept: interrupted");
    });
    ASSERT_TRUE(waiting.falls_asleep());
    source.request_stop();
  }
  auto near = Connection<int>::connect(listener.address());
  EXPECT_THROW(listener.accept_for<int>(1h, source.get_token()), Interrupted);
  auto far = listener.accept<int>();
  near.send(3);
  EXPECT_EQ(far.recv(), 3);
}

// Waits in `wait`, and is asked by signals until it ends.
void expect_the_check_to_end(const std::function<void()>& wait) {
  struct sigaction action {};
  struct sigaction before {};
  action.sa_handler = [](int) {};
  ::sigaction(SIGUSR1, &action, &before);
  set_interrupt_check([] { return true; });
  std::atomic<bool> ended = false;
  WaitingThread waiting([&] {
    EXPECT_THROW(wait(), Interrupted);
    ended = true;
  });
  while (!ended) {
    ::pthread_kill(waiting.handle(), SIGUSR1);
    std::this_thread::yield();
  }
  waiting.join();
  set_interrupt_check(nullptr);
  ::sigaction(SIGUSR1, &before, nullptr);
}

TEST(InterruptCheck, IsAskedThoughTheSignalCameBeforeTheWait) {
  auto [near, far] = pipe<std::string>();
  Listener listener("tcp://127.0.0.1:0");
  set_interrupt_check([] { return true; });
  EXPECT_THROW(near.recv(), Interrupted);
  EXPECT_THROW(listener.accept(), Interrupted);
  set_interrupt_check(nullptr);
}

// At the Connection that its thread waits at: everything but what would wait for that thread.
TEST(InterruptCheck, IsToldWhereItWouldWaitForItself) {
  auto [near, far] = pipe<std::string>();
  static Text* connection;
  static std::string told;
  connection = &near;
  told.clear();
  set_interrupt_check([] {
    told = text_of<BadCall>([] { connection->recv(); });
    EXPECT_FALSE(connection->try_recv());
    EXPECT_FALSE(connection->poll(1ms));
    return true;
  });
  EXPECT_EQ(text_of<Interrupted>([&, &near = near] { near.recv(); }),
            "Connection.recv: interrupted");
  set_interrupt_check(nullptr);
  EXPECT_EQ(told, "Connection.recv: this thread waits at this Connection already, and would wait "
                  "for itself");
  far.send("after");
  EXPECT_EQ(near.recv(), "after");
}

TEST(InterruptCheck, EndsWaitsAtConnectionsAndListeners) {
  auto [near, far] = pipe<std::string>();
  expect_the_check_to_end([&, &near = near] { near.recv(); });
  expect_the_check_to_end([&, &near = near] { near.poll(1h); });
  Listener listener("tcp://127.0.0.1:0");
  expect_the_check_to_end([&] { listener.accept(); });
  far.send("there");
  EXPECT_EQ(near.recv(), "there");
}

}  // namespace
}  // namespace steward
