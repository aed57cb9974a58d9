// Pipes: typed messages between processes, and what becomes of one end when the other is gone.
#include <steward/pipe/pipe.hpp>

#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include <steward/core/errors.hpp>
#include <steward/core/value.hpp>
#include <steward/tests/client/forked.hpp>
#include <steward/tests/process/support.hpp>

namespace steward {
namespace {

using namespace std::chrono_literals;

static_assert(!std::is_copy_constructible_v<Connection<int>>);
static_assert(!std::is_copy_assignable_v<Connection<int>>);
static_assert(std::is_nothrow_move_constructible_v<Connection<int>>);

struct Row {
  int number = 0;
  std::string text;
  MSGPACK_DEFINE(number, text)
  friend bool operator==(const Row&, const Row&) = default;
};

struct Point {
  double x;
  double y;
};

const std::string kEmpty =
    ": it is empty: it was moved, or never connected, or is an end that this process was not given";

TEST(Pipe, CarriesValuesBothWays) {
  auto [near, far] = pipe<std::string>();
  near.send("there");
  near.send("");
  far.send("and back");
  EXPECT_EQ(far.recv(), "there");
  EXPECT_EQ(far.recv(), "");
  EXPECT_EQ(near.recv(), "and back");
}

TEST(Pipe, CarriesWhateverCanTravel) {
  auto [near, far] = pipe<Row>();
  near.send({7, "seven"});
  EXPECT_EQ(far.recv(), (Row{7, "seven"}));

  auto [in, out] = pipe<std::map<std::string, std::vector<int>>>();
  in.send({{"a", {1, 2}}});
  EXPECT_EQ(out.recv(), (std::map<std::string, std::vector<int>>{{"a", {1, 2}}}));

  auto [here, there] = pipe<Point>();
  here.send({1.5, -2});
  EXPECT_EQ(there.recv().y, -2);

  auto [any, thing] = pipe<Value>();
  any.send(Value(Value::List{1, "two", 3.5}));
  EXPECT_EQ(thing.recv(), Value(Value::List{1, "two", 3.5}));
}

TEST(Pipe, CarriesBytesBesideValues) {
  auto [near, far] = pipe<int>();
  near.send_bytes(std::string("\0\xff", 2));
  near.send(4);
  EXPECT_EQ(far.recv_bytes(), std::string("\0\xff", 2));
  EXPECT_EQ(far.recv(), 4);
}

TEST(Pipe, SimplexGoesFromTheSecondToTheFirst) {
  auto [in, out] = pipe<int>(false);
  out.send(4);
  EXPECT_EQ(in.recv(), 4);
  EXPECT_EQ(detail::test::refusal([&in = in] { in.send(1); }),
            "Connection.send: this end only receives");
  EXPECT_EQ(detail::test::refusal([&out = out] { out.recv(); }),
            "Connection.recv: this end only sends");
}

TEST(Pipe, TryingAndTimedFormsSayThatNothingCame) {
  auto [near, far] = pipe<int>();
  EXPECT_EQ(far.try_recv(), std::nullopt);
  EXPECT_EQ(far.recv_for(2ms), std::nullopt);
  EXPECT_EQ(far.recv_for(-1s), std::nullopt);
  EXPECT_FALSE(far.poll());
  EXPECT_FALSE(far.poll(2ms));
  near.send(4);
  EXPECT_TRUE(far.poll());
  EXPECT_TRUE(far.poll(std::chrono::hours::max()));
  EXPECT_EQ(far.try_recv(), 4);
  near.send(5);
  EXPECT_EQ(far.recv_for(1h), 5);
}

TEST(Pipe, ClosingEndsTheOtherSideOnceItHasEverything) {
  auto [near, far] = pipe<int>();
  near.send(4);
  near.close();
  EXPECT_TRUE(near.closed());
  near.close();
  EXPECT_EQ(far.recv(), 4);
  EXPECT_TRUE(far.poll());
  EXPECT_THROW(far.recv(), Closed);
  EXPECT_THROW(far.try_recv(), Closed);
  EXPECT_THROW(far.recv_for(1h), Closed);
  EXPECT_THROW(far.send(1), Closed);
}

TEST(Pipe, AClosedEndSaysSo) {
  auto [near, far] = pipe<int>();
  near.close();
  EXPECT_THROW(near.send(1), Closed);
  EXPECT_THROW(near.recv(), Closed);
  EXPECT_THROW(near.poll(), Closed);
  EXPECT_THROW(near.fileno(), Closed);
}

TEST(Pipe, AnEndThatWasMovedFromIsEmpty) {
  auto [near, far] = pipe<int>();
  Connection<int> moved = std::move(near);
  EXPECT_EQ(detail::test::refusal([&near = near] { near.send(1); }),
            "Connection.send" + kEmpty);
  EXPECT_EQ(detail::test::refusal([] { Connection<int>().close(); }),
            "Connection.close" + kEmpty);
  moved.send(4);
  EXPECT_EQ(far.recv(), 4);
  near = std::move(moved);
  far.send(5);
  EXPECT_EQ(near.recv(), 5);
}

TEST(Pipe, WhatIsNoTIsRefusedAndGone) {
  auto [near, far] = pipe<int>();
  near.send_bytes("\xa3two");
  near.send_bytes(std::string(1, '\x01') + "more");
  near.send_bytes("");
  near.send(4);
  EXPECT_EQ(detail::test::refusal([&far = far] { far.recv(); }).substr(0, 17), "Connection.recv: ");
  EXPECT_THROW(far.recv(), BadCall);
  EXPECT_THROW(far.recv(), BadCall);
  EXPECT_EQ(far.recv(), 4);
}

TEST(Pipe, TheLimitOfAMessageCanBeChanged) {
  auto [near, far] = pipe<std::string>();
  near.set_message_limit(10);
  EXPECT_THROW(near.send(std::string(10, 'x')), Overloaded) << "with its head it has 11 bytes";
  near.send(std::string(9, 'x'));
  EXPECT_EQ(far.recv().size(), 9U);
  EXPECT_EQ(
      detail::test::refusal([&near = near] { near.set_message_limit(std::size_t{1} << 31U); }),
      "Connection.set_message_limit: at most 2147483647 bytes");
}

TEST(Pipe, ItsDescriptorTellsOfMessages) {
  auto [near, far] = pipe<int>();
  pollfd entry{far.fileno(), POLLIN, 0};
  EXPECT_EQ(::poll(&entry, 1, 0), 0);
  near.send(4);
  EXPECT_EQ(::poll(&entry, 1, 0), 1);
  far.recv();
  EXPECT_EQ(::poll(&entry, 1, 0), 0);
}

// ---- With another process: a plain fork, in which each side closes the end of the other ----

TEST(Pipe, TalksWithAnotherProcess) {
  auto [near, far] = pipe<std::string>();
  detail::test::Forked child([&, &near = near, &far = far](int) {
    near.close();
    for (;;) {
      const std::string word = far.recv();
      if (word.empty()) return 0;
      far.send(word + word);
    }
  });
  far.close();
  for (int i = 0; i < 1000; ++i) {
    near.send(std::to_string(i));
    ASSERT_EQ(near.recv(), std::to_string(i) + std::to_string(i));
  }
  near.send("");
  EXPECT_EQ(child.join(), 0);
}

TEST(Pipe, AKilledProcessIsTheEnd) {
  auto [near, far] = pipe<int>();
  detail::test::Forked child([&, &near = near, &far = far](int) {
    near.close();
    far.send(4);
    return far.recv();  // never
  });
  far.close();
  EXPECT_EQ(near.recv(), 4);
  child.kill();
  EXPECT_THROW(near.recv(), Closed);
  EXPECT_THROW(near.send(1), Closed);
}

TEST(Pipe, AProcessKilledInTheMiddleOfAMessageIsTheEndToo) {
  auto [near, far] = pipe<std::string>();
  detail::test::Forked child([&, &near = near, &far = far](int) {
    near.close();
    const std::string begun{"\0\0\x4\0and not all of it", 4 + 17};  // 1,024 bytes are to come
    return ::write(far.fileno(), begun.data(), begun.size()) < 0 || !far.recv().empty();  // never
  });
  far.close();
  EXPECT_FALSE(near.recv_for(50ms)) << "the rest has not come";
  child.kill();
  EXPECT_THROW(near.recv(), Closed);
}

TEST(Pipe, ACopyInAForkedChildDoesNotCutTheParentOff) {
  auto [near, far] = pipe<int>();
  {
    detail::test::Forked child([&, &near = near, &far = far](int) {
      near.close();
      far.close();
      return 0;
    });
    EXPECT_EQ(child.join(), 0);
  }
  near.send(4);
  EXPECT_EQ(far.recv(), 4);
}

TEST(Pipe, ManyMessagesBothWaysAtOnce) {
  constexpr int kMessages = 20'000;
  auto [near, far] = pipe<std::uint64_t>();
  const auto run = [](Connection<std::uint64_t>& end) {
    std::thread sender([&] {
      for (std::uint64_t i = 0; i < kMessages; ++i) end.send(i * i);
    });
    bool right = true;
    for (std::uint64_t i = 0; i < kMessages; ++i) right = right && end.recv() == i * i;
    sender.join();
    return right;
  };
  detail::test::Forked child([&, &near = near, &far = far](int) {
    near.close();
    return run(far) ? 0 : 1;
  });
  far.close();
  EXPECT_TRUE(run(near));
  EXPECT_EQ(child.join(), 0);
}

}  // namespace
}  // namespace steward
