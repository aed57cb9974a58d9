// Connections of a process that is forked as it stands, at every inconvenient moment.
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fcntl.h>
#include <array>
#include <atomic>
#include <chrono>
#include <string>
#include <thread>

#include <gtest/gtest.h>

#include <steward/core/auth_key.hpp>
#include <steward/core/errors.hpp>
#include <steward/pipe/listener.hpp>
#include <steward/pipe/pipe.hpp>
#include <steward/pipe/records.hpp>
#include <steward/tests/client/forked.hpp>
#include <steward/tests/crash/eventually.hpp>
#include <steward/tests/error_text.hpp>
#include <steward/tests/pipe/insider.hpp>
#include <steward/tests/pipe/placed_calls.hpp>

namespace steward {
namespace {

using namespace std::chrono_literals;
using detail::test::eventually;
using detail::test::Forked;
using detail::test::Insider;
using detail::test::sleeps;
using detail::test::text_of;

constexpr const char* kAnothers =
    "Connection.recv: another process has this end, too, and goes on with it";

// One process tells another to go on.
class Signal {
 public:
  Signal() { EXPECT_EQ(::pipe2(ends_.data(), O_CLOEXEC), 0); }
  Signal(const Signal&) = delete;
  Signal& operator=(const Signal&) = delete;
  ~Signal() {
    ::close(ends_[0]);
    ::close(ends_[1]);
  }
  void give() const { EXPECT_EQ(::write(ends_[1], "x", 1), 1); }
  void await() const {
    char letter = 0;
    EXPECT_EQ(::read(ends_[0], &letter, 1), 1);
  }

 private:
  std::array<int, 2> ends_{};
};

class ForkedWithKey : public testing::Test {
 protected:
  std::string message(const std::string& text) {
    return std::string("\0\0\0", 3) + static_cast<char>(text.size()) + text;
  }

  const std::string key = generate_key();
  Listener listener{"tcp://127.0.0.1:0", {.key = key}};
  Insider other{listener, key};
};

TEST_F(ForkedWithKey, InTheMiddleOfAMessageItBelongsToTheOneWhoGoesOn) {
  other.prove();
  auto near = listener.accept<std::string>();
  const std::string first = std::string("\0\0\x80\0", 4) + std::string(32764, 'x');
  other.says(first);
  EXPECT_FALSE(near.poll(50ms)) << "the rest is still to come";
  const Signal go;
  Forked child([&](int out) {
    go.await();
    ::dprintf(out, "%s\n", text_of<Closed>([&] { near.try_recv(); }).c_str());
    return 0;
  });
  other.says("rest");
  EXPECT_EQ(near.recv_bytes(), first.substr(4) + "rest");
  other.says(message("next"));  // there for the taking
  ASSERT_TRUE(eventually([&] {
    pollfd entry{near.fileno(), POLLIN, 0};
    return ::poll(&entry, 1, 0) == 1;
  }));
  go.give();
  EXPECT_EQ(child.line(), kAnothers);
  child.join();
  EXPECT_EQ(near.recv_bytes(), "next");
}

// Between its look and what it takes.
const Signal* looked = nullptr;
const Signal* may_take = nullptr;
void wait_after_the_look() {
  looked->give();
  may_take->await();
}

TEST_F(ForkedWithKey, WhoLooksMeanwhileTakesNothing) {
  other.prove();
  auto near = listener.accept<std::string>();
  const Signal looked_now;
  const Signal go;
  looked = &looked_now;
  may_take = &go;
  other.says(message("first"));
  ASSERT_TRUE(eventually([&] {
    pollfd entry{near.fileno(), POLLIN, 0};
    return ::poll(&entry, 1, 0) == 1;
  }));
  Forked child([&](int out) {
    detail::test::at_recv = wait_after_the_look;
    ::dprintf(out, "%s\n", text_of<Closed>([&] { near.recv(); }).c_str());
    return 0;
  });
  looked_now.await();
  EXPECT_EQ(near.recv_bytes(), "first");
  other.says(message("second"));
  ASSERT_TRUE(eventually([&] {
    pollfd entry{near.fileno(), POLLIN, 0};
    return ::poll(&entry, 1, 0) == 1;
  }));
  go.give();
  EXPECT_EQ(child.line(), kAnothers);
  EXPECT_EQ(near.recv_bytes(), "second");
}

TEST_F(ForkedWithKey, WhoSleepsIsToldThatAnotherProcessGoesOn) {
  other.prove();
  auto near = listener.accept<std::string>();
  Forked child([&](int out) {
    ::dprintf(out, "begins\n");
    ::dprintf(out, "%s\n", text_of<Closed>([&] { near.recv(); }).c_str());
    return 0;
  });
  ASSERT_EQ(child.line(), "begins");
  ASSERT_TRUE(eventually([&] { return sleeps(std::to_string(child.pid())); }));
  ::kill(child.pid(), SIGSTOP);
  int status = 0;
  ASSERT_EQ(::waitpid(child.pid(), &status, WUNTRACED), child.pid());
  other.says(message("first"));
  EXPECT_EQ(near.recv_bytes(), "first");
  ::kill(child.pid(), SIGCONT);
  EXPECT_EQ(child.line(), kAnothers);
}

// ---- While another thread uses it ----

// Runs `body` on a thread, and returns once that sleeps.
std::thread sleeping(const std::function<void()>& body) {
  std::atomic<pid_t> id = 0;
  std::thread thread([&id, body] {
    id = ::gettid();
    body();
  });
  EXPECT_TRUE(eventually(
      [&] { return id != 0 && sleeps("self/task/" + std::to_string(id.load())); }));
  return thread;
}

TEST(ForkedBesideThreads, ACopyReceivesAlthoughAnotherThreadWaitedInRecv) {
  auto [near, far] = pipe<int>();
  std::thread waits = sleeping([&near = near] { EXPECT_EQ(near.recv(), 1); });
  const Signal go;
  Forked child([&, &near = near](int) {
    go.await();
    return near.recv_for(20s).value_or(99) + near.recv();
  });
  far.send(1);
  waits.join();
  far.send(2);
  far.send(3);
  go.give();
  EXPECT_EQ(child.join(), 5);
}

TEST(ForkedBesideThreads, ACopyDoesNotSendIntoTheMessageOfAnotherThread) {
  auto [near, far] = pipe<std::string>();
  std::thread sends = sleeping([&near = near] { near.send_bytes(std::string(2'000'000, 'x')); });
  Forked child([&near = near](int out) {
    ::dprintf(out, "%s\n", text_of<Closed>([&] { near.send("x"); }).c_str());
    return 0;
  });
  EXPECT_EQ(child.line(), "Connection.send: this process was forked while another thread sent");
  EXPECT_EQ(far.recv_bytes(), std::string(2'000'000, 'x'));
  sends.join();
}

TEST(ForkedBesideThreads, ACopyThatWasMadeInTheMiddleOfARecvSaysSo) {
  auto [near, far] = pipe<int>();
  const Signal looked_now;
  const Signal go;
  looked = &looked_now;
  may_take = &go;
  std::thread receives([&near = near] {
    detail::test::at_recv = wait_after_the_look;
    EXPECT_EQ(near.recv(), 1);
  });
  looked_now.await();
  Forked child([&near = near](int out) {
    ::dprintf(out, "%s\n", text_of<Closed>([&] { near.recv(); }).c_str());
    return 0;
  });
  EXPECT_EQ(child.line(), "Connection.recv: this process was forked while another thread received");
  far.send(1);
  go.give();
  receives.join();
}

}  // namespace
}  // namespace steward
