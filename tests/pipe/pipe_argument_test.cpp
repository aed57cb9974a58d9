// Ends of pipes as arguments of processes: each has one owner, and its death is the end.
#include <steward/pipe/pipe.hpp>

#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include <steward/core/errors.hpp>
#include <steward/process/process.hpp>
#include <steward/tests/process/methods.hpp>
#include <steward/tests/process/support.hpp>

namespace steward {
namespace {

using namespace std::chrono_literals;
using detail::test::Pipe;

class PipeArgument : public detail::test::ByMethod {};
INSTANTIATE_TEST_SUITE_P(Every, PipeArgument, detail::test::every_method(),
                         detail::test::method_name);

void echo(Connection<std::string> end) {
  try {
    for (;;) end.send("echo " + end.recv());
  } catch (const Closed&) {
    // That is how the other side says that it is done.
  }
}

void say_and_wait(Connection<int> end, const std::string& gate) {
  end.send(4);
  detail::test::hear(gate);
}

void say_and_throw(Connection<int> end) {
  end.send(4);
  throw std::runtime_error("as planned");
}

TEST_P(PipeArgument, TalksWithAProcess) {
  auto [near, far] = pipe<std::string>();
  Process child(echo, std::move(far));
  child.start();
  near.send("one");
  near.send("two");
  EXPECT_EQ(near.recv(), "echo one");
  EXPECT_EQ(near.recv(), "echo two");
  near.close();
  child.join();
  EXPECT_EQ(child.exitcode(), 0);
}

TEST_P(PipeArgument, AKilledOwnerIsTheEnd) {
  const Pipe gate;
  auto [near, far] = pipe<int>();
  Process child(say_and_wait, std::move(far), gate.reader());
  child.start();
  EXPECT_EQ(near.recv(), 4);
  EXPECT_FALSE(near.poll());
  child.kill();
  EXPECT_THROW(near.recv(), Closed);
  EXPECT_THROW(near.send(1), Closed);
  child.join();
}

TEST_P(PipeArgument, AnOwnerThatThrowsIsTheEnd) {
  const Pipe err;
  auto [near, far] = pipe<int>();
  {
    const detail::test::Redirected quiet(2, err.writer_fd());
    Process child(say_and_throw, std::move(far));
    child.start();
    child.join();
    EXPECT_EQ(child.exitcode(), 1);
  }
  EXPECT_EQ(near.recv(), 4);
  EXPECT_THROW(near.recv(), Closed);
}

TEST_P(PipeArgument, OtherProcessesDoNotKeepAnEndOpen) {
  const Pipe gate;
  auto [near_a, far_a] = pipe<int>();
  auto [near_b, far_b] = pipe<int>();
  Process a(say_and_wait, std::move(far_a), gate.reader());
  Process b(say_and_wait, std::move(far_b), gate.reader());
  a.start();
  b.start();
  EXPECT_EQ(near_a.recv(), 4);
  EXPECT_EQ(near_b.recv(), 4);
  a.kill();
  EXPECT_THROW(near_a.recv(), Closed) << "b was started while it was open";
  EXPECT_FALSE(near_b.poll());
  gate.write("x");
  EXPECT_THROW(near_b.recv(), Closed);
}

struct Unreadable {
  template <class Packer>
  void msgpack_pack(Packer& packer) const {
    packer.pack(1);
  }
  void msgpack_unpack(const msgpack::object&) { throw BadCall("never read"); }
};

void take_both(Connection<std::string> end, Unreadable) { echo(std::move(end)); }

TEST_P(PipeArgument, AStartThatFailsLeavesTheEndWithItsProcess) {
  auto [near, far] = pipe<std::string>();
  {
    Process child(take_both, std::move(far), Unreadable{});
    EXPECT_THROW(child.start(), BadCall);
    EXPECT_FALSE(near.poll(20ms)) << "it is still open, in the argument";
  }
  EXPECT_THROW(near.recv(), Closed);
}

struct Worker {
  std::string name;
  Connection<std::string> end;
  MSGPACK_DEFINE(name, end)
};

void work(std::vector<Worker> workers, Connection<int> done) {
  for (Worker& worker : workers) worker.end.send(worker.name);
  done.send(static_cast<int>(workers.size()));
}

TEST_P(PipeArgument, EndsTravelAnywhereInAnArgument) {
  auto [near_a, far_a] = pipe<std::string>();
  auto [near_b, far_b] = pipe<std::string>();
  auto [in, out] = pipe<int>(false);
  std::vector<Worker> workers;
  workers.push_back({"a", std::move(far_a)});
  workers.push_back({"b", std::move(far_b)});
  Process child(work, std::move(workers), std::move(out));
  child.start();
  EXPECT_EQ(near_a.recv(), "a");
  EXPECT_EQ(near_b.recv(), "b");
  EXPECT_EQ(in.recv(), 2);
  EXPECT_THROW(near_a.recv(), Closed);
}

void report_what_it_is(Connection<std::string> end) {
  std::string report;
  try {
    end.recv();
  } catch (const BadCall& error) {
    report = error.what();
  }
  try {
    end.send(std::string(100, 'x'));
  } catch (const Overloaded&) {
    report += ", short";
  }
  end.send(report);
}

TEST_P(PipeArgument, DirectionAndLimitTravelAlong) {
  auto [in, out] = pipe<std::string>(false);
  out.set_message_limit(80);
  Process child(report_what_it_is, std::move(out));
  child.start();
  EXPECT_EQ(in.recv(), "Connection.recv: this end only sends, short");
}

void pass_on(Connection<std::string> end) {
  Process grandchild(echo, std::move(end));
  grandchild.start();
  grandchild.join();
}

TEST_P(PipeArgument, GoesOnToAProcessOfTheProcess) {
  auto [near, far] = pipe<std::string>();
  Process child(pass_on, std::move(far));
  child.start();
  near.send("far");
  EXPECT_EQ(near.recv(), "echo far");
  near.close();
  child.join();
  EXPECT_EQ(child.exitcode(), 0);
}

TEST_P(PipeArgument, DoesNotGoInTheMiddleOfAMessage) {
  auto [near, far] = pipe<std::string>();
  ASSERT_EQ(::send(near.fileno(), "\0\0\0\5\xa4tw", 7, 0), 7);
  EXPECT_EQ(far.try_recv(), std::nullopt);
  Process child(echo, std::move(far));
  try {
    child.start();
    ADD_FAILURE() << "it started";
  } catch (const BadCall& error) {
    EXPECT_STREQ(error.what(), "Connection as an argument: it goes to another process between "
                               "messages, and has begun to receive one: call recv() first");
  }
}

TEST_P(PipeArgument, DoesNotGoThroughAConnection) {
  auto [near, far] = pipe<Connection<int>>();
  auto [a, b] = pipe<int>();
  EXPECT_THROW(near.send(a), BadCall);
  b.send(4);
  EXPECT_EQ(a.recv(), 4) << "it is still here";
}

TEST_P(PipeArgument, AnEndThatWasClosedDoesNotStart) {
  auto [near, far] = pipe<std::string>();
  far.close();
  Process child(echo, std::move(far));
  EXPECT_THROW(child.start(), Closed);
}

std::uint64_t sum_of(Connection<std::uint64_t>& end, std::uint64_t count) {
  std::uint64_t sum = 0;
  for (std::uint64_t i = 0; i < count; ++i) sum += end.recv();
  return sum;
}

void add_up(Connection<std::uint64_t> end, std::uint64_t count) { end.send(sum_of(end, count)); }

TEST_P(PipeArgument, ManyMessagesArriveInAProcess) {
  constexpr std::uint64_t kCount = 50'000;
  auto [near, far] = pipe<std::uint64_t>();
  Process child(add_up, std::move(far), kCount);
  child.start();
  for (std::uint64_t i = 1; i <= kCount; ++i) near.send(i);
  EXPECT_EQ(near.recv(), kCount * (kCount + 1) / 2);
}

TEST(PipeCapture, AnEndThatWasMovedIntoTheTargetIsItsAlone) {
  auto [near, far] = pipe<int>();
  Process child({.start_method = StartMethod::fork},
                [end = std::move(far)]() mutable { end.send(end.recv() + 1); });
  child.start();
  near.send(4);
  EXPECT_EQ(near.recv(), 5);
  EXPECT_THROW(near.recv(), Closed);
}

class Answerer : public Process {
 public:
  explicit Answerer(Connection<int> end) : end_(std::move(end)) {}
  void run() override { end_.send(end_.recv() + 1); }
  void close_here() { end_.close(); }

 private:
  Connection<int> end_;
};

TEST(PipeCapture, AMemberOfASubclassIsOnBothSidesUntilItIsClosedHere) {
  auto [near, far] = pipe<int>();
  Answerer child(std::move(far));
  child.start();
  near.send(4);
  EXPECT_EQ(near.recv(), 5);
  child.join();
  EXPECT_FALSE(near.poll());
  child.close_here();
  EXPECT_THROW(near.recv(), Closed);
}

}  // namespace
}  // namespace steward
