// What holds for every Connection, whatever it goes over: one suite for all kinds.
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <map>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include <steward/core/auth_key.hpp>
#include <steward/core/errors.hpp>
#include <steward/pipe/listener.hpp>
#include <steward/pipe/pipe.hpp>
#include <steward/process/process.hpp>
#include <steward/tests/client/forked.hpp>
#include <steward/tests/error_text.hpp>
#include <steward/tests/manager/scratch.hpp>
#include <steward/tests/pipe/placed_calls.hpp>
#include <steward/tests/process/support.hpp>
#include <steward/tests/shm/failing_new.hpp>

namespace steward {
namespace {

using namespace std::chrono_literals;
using detail::test::text_of;

template <class T>
using Ends = std::pair<Connection<T>, Connection<T>>;

struct Pipe {
  static constexpr const char* kName = "Pipe";
  template <class T>
  Ends<T> connected() {
    return pipe<T>();
  }
};
template <class Place>
struct Listened : Place {
  Listener listener{Place::address, {.key = Place::key}};
  template <class T>
  Ends<T> connected() {
    auto near = Connection<T>::connect(listener.address(), {.key = Place::key});
    return {std::move(near), listener.template accept<T>()};
  }
};
struct AtPath {
  static constexpr const char* kName = "Ipc";
  detail::test::Scratch scratch;
  std::string address = "ipc://" + scratch.file("socket");
  std::string key;
};
struct AtPort {
  static constexpr const char* kName = "Tcp";
  std::string address = "tcp://127.0.0.1:0";
  std::string key;
};
struct AtPortWithKey {
  static constexpr const char* kName = "TcpWithKey";
  std::string address = "tcp://127.0.0.1:0";
  std::string key = generate_key();
};
struct Names {
  template <class Kind>
  static std::string GetName(int) {
    return Kind::kName;
  }
};

template <class Kind>
class AnyConnection : public testing::Test {
 protected:
  template <class T>
  Ends<T> connected() {
    return kind_.template connected<T>();
  }

  Kind kind_;
};
using Kinds = testing::Types<Pipe, Listened<AtPath>, Listened<AtPort>, Listened<AtPortWithKey>>;
TYPED_TEST_SUITE(AnyConnection, Kinds, Names);

constexpr std::array kMethods{StartMethod::fork_server, StartMethod::spawn, StartMethod::fork};

TYPED_TEST(AnyConnection, CarriesValuesAndBytesBothWaysInOrder) {
  auto [near, far] = this->template connected<std::map<std::string, std::vector<int>>>();
  near.send({{"a", {1, 2}}});
  near.send_bytes(std::string("\0\xff", 2));
  near.send({});
  near.send_bytes("");
  EXPECT_EQ(far.recv(), (std::map<std::string, std::vector<int>>{{"a", {1, 2}}}));
  EXPECT_EQ(far.recv_bytes(), std::string("\0\xff", 2));
  EXPECT_TRUE(far.recv().empty());
  EXPECT_EQ(far.recv_bytes(), "");
  far.send({{"b", {3}}});
  EXPECT_EQ(near.recv().at("b"), std::vector<int>{3});
}

TYPED_TEST(AnyConnection, TryingAndTimedFormsSayThatNothingCame) {
  auto [near, far] = this->template connected<int>();
  EXPECT_EQ(far.try_recv(), std::nullopt);
  EXPECT_EQ(far.recv_for(2ms), std::nullopt);
  EXPECT_EQ(far.recv_for(-1s), std::nullopt);
  EXPECT_FALSE(far.poll());
  EXPECT_FALSE(far.poll(2ms));
  near.send(4);
  EXPECT_TRUE(far.poll(1h));
  EXPECT_TRUE(far.poll()) << "it stays there";
  EXPECT_EQ(far.try_recv(), 4);
  near.send(5);
  EXPECT_EQ(far.recv_for(1h), 5);
}

TYPED_TEST(AnyConnection, AMessageThatFindsNoMemoryForItsValueStays) {
  using Words = std::map<std::string, std::vector<std::string>>;
  auto [near, far] = this->template connected<Words>();
  const Words words{{std::string(100, 'k'), {std::string(100, 'a'), "b", std::string(100, 'c')}}};
  detail::test::at_each_allocation([&, &near = near, &far = far](std::size_t n) {
    near.send(words);
    near.send_bytes("next");
    EXPECT_TRUE(far.poll(10s));
    bool failed = false;
    {
      const detail::test::FailingNew failing(n);
      try {
        far.recv();
      } catch (const std::bad_alloc&) {
        failed = true;
      }
    }
    if (failed) {
      EXPECT_TRUE(far.poll());
      EXPECT_EQ(far.recv(), words) << n;
    }
    EXPECT_EQ(far.recv_bytes(), "next");
    return failed && n < 100;
  });
}

TYPED_TEST(AnyConnection, AMessageForWhichThereIsNeverMemoryGivesWayToTheNext) {
  using Words = std::map<std::string, std::vector<std::string>>;
  auto [near, far] = this->template connected<Words>();
  near.send({{std::string(100, 'k'), {std::string(100, 'a'), std::string(100, 'b')}}});
  near.send({});
  int failures = 0;
  while (failures < 10) {
    const detail::test::FailingNew failing(4);  // in the midst of decoding
    try {
      EXPECT_EQ(far.recv(), Words());
      break;
    } catch (const std::bad_alloc&) {
      ++failures;
    }
  }
  EXPECT_EQ(failures, 2);
}

// Once a message is begun. What is sealed has to be sent.
TYPED_TEST(AnyConnection, AMessageIsNotCutWhereTheSystemHasNoMemoryForAPart) {
  auto [near, far] = this->template connected<std::string>();
  const std::string message(10'000'000, 'x');
  std::thread sender([&near = near, &message] {
    detail::test::send_without_memory = 2;
    near.send_bytes(message);
    EXPECT_EQ(detail::test::send_without_memory, 0);
    detail::test::send_without_memory = 1;
    try {
      near.send_bytes("small");
    } catch (const Overloaded&) {
      near.send_bytes("small");
    }
  });
  EXPECT_TRUE(far.recv_bytes() == message);
  EXPECT_EQ(far.recv_bytes(), "small");
  sender.join();
}

TYPED_TEST(AnyConnection, ItsDescriptorTellsOfEachMessage) {
  auto [near, far] = this->template connected<std::string>();
  pollfd entry{far.fileno(), POLLIN, 0};
  EXPECT_EQ(::poll(&entry, 1, 0), 0);
  const std::vector<std::string> words{"a", std::string(100'000, 'b'), "", "d"};
  for (const std::string& word : words) near.send(word);
  for (const std::string& word : words) {
    EXPECT_EQ(::poll(&entry, 1, 10'000), 1);
    EXPECT_EQ(far.recv(), word);
  }
  EXPECT_EQ(::poll(&entry, 1, 0), 0) << "nothing was taken that was not given";
  near.close();
  EXPECT_EQ(::poll(&entry, 1, 10'000), 1);
}

TYPED_TEST(AnyConnection, AllSizesArrive) {
  auto [near, far] = this->template connected<int>();
  far.set_message_limit(200'000'000);
  near.set_message_limit(200'000'000);
  for (const std::size_t size : {1U, 16'383U, 32'763U, 32'764U, 32'765U, 32'768U, 65'532U, 65'537U,
                                 3'000'000U, 100'000'000U}) {
    std::string message(size, '\0');
    for (std::size_t i = 0; i < size; i += 97) message[i] = static_cast<char>(i * 7 + size);
    std::thread sender([&, &near = near] { near.send_bytes(message); });
    EXPECT_TRUE(far.recv_bytes() == message) << size;
    sender.join();
  }
}

TYPED_TEST(AnyConnection, BothDirectionsMayBeFullAtOnce) {
  auto [near, far] = this->template connected<int>();
  constexpr int kMessages = 20;
  const std::string large(3'000'000, 'x');
  const auto talk = [&](Connection<int>& end) {
    std::thread sender([&] {
      for (int i = 0; i < kMessages; ++i) end.send_bytes(large);
    });
    for (int i = 0; i < kMessages; ++i) EXPECT_EQ(end.recv_bytes().size(), large.size());
    sender.join();
  };
  std::thread other([&, &far = far] { talk(far); });
  talk(near);
  other.join();
}

TYPED_TEST(AnyConnection, ManySmallMessagesFromSeveralThreadsArriveWhole) {
  auto [near, far] = this->template connected<std::string>();
  constexpr int kThreads = 4;
  constexpr int kEach = 2000;
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, &near = near, t] {
      for (int i = 0; i < kEach; ++i) near.send(std::to_string(t) + ":" + std::to_string(i));
    });
  }
  std::atomic<int> sum = 0;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, &far = far] {
      for (int i = 0; i < kEach; ++i) sum += std::stoi(far.recv().substr(2));
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(sum, kThreads * (kEach * (kEach - 1) / 2));
}

TYPED_TEST(AnyConnection, AfterTheCloseTheRestArrivesAndThenAllThrows) {
  auto [near, far] = this->template connected<int>();
  near.send(4);
  near.close();
  EXPECT_THROW(near.send(1), Closed);
  EXPECT_THROW(near.fileno(), Closed);
  EXPECT_EQ(far.recv(), 4);
  EXPECT_TRUE(far.poll(1h));
  EXPECT_EQ(text_of<Closed>([&far = far] { far.recv(); }),
            "Connection.recv: the other side has closed, or ended");
  EXPECT_THROW(far.try_recv(), Closed);
  EXPECT_THROW(far.recv_for(1h), Closed);
  EXPECT_THROW(far.send(1), Closed);
}

TYPED_TEST(AnyConnection, WhatWasSentArrivesAlthoughItsSenderDidNotReadAll) {
  auto [near, far] = this->template connected<std::string>();
  const std::string large(100'000, 'x');
  far.send("never read");
  std::thread closer([&, &near = near] {
    for (int i = 0; i < 3; ++i) near.send(large);
    near.close();
  });
  for (int i = 0; i < 3; ++i) EXPECT_EQ(far.recv(), large);
  EXPECT_THROW(far.recv(), Closed);
  closer.join();
}

TYPED_TEST(AnyConnection, ASendToOneThatHasClosedIsAnErrorAndNoSignal) {
  auto [near, far] = this->template connected<int>();
  far.close();
  EXPECT_TRUE(near.poll(1h));
  EXPECT_THROW(near.send(1), Closed) << "although nothing was received";
}

TYPED_TEST(AnyConnection, MessagesBeyondTheLimitAreRefusedOnBothSides) {
  auto [near, far] = this->template connected<std::string>();
  near.set_message_limit(10);
  EXPECT_THROW(near.send(std::string(10, 'x')), Overloaded);
  near.send("next");
  EXPECT_EQ(far.recv(), "next");
  near.set_message_limit(100'000);
  far.set_message_limit(1000);
  near.send(std::string(50'000, 'x'));
  EXPECT_THROW(far.recv(), Overloaded);
  EXPECT_THROW(far.recv(), Closed);
}

TYPED_TEST(AnyConnection, WhatIsNoTIsRefusedAndGone) {
  auto [near, far] = this->template connected<int>();
  near.send_bytes("\xa3two");
  near.send(4);
  EXPECT_THROW(far.recv(), BadCall);
  EXPECT_EQ(far.recv(), 4);
}

TYPED_TEST(AnyConnection, AMovedEndGoesOn) {
  auto [near, far] = this->template connected<int>();
  near.send(1);
  Connection<int> moved = std::move(near);
  moved.send(2);
  EXPECT_EQ(far.recv() + far.recv(), 3);
  EXPECT_THROW(near.send(3), BadCall);
  moved = Connection<int>();
  EXPECT_THROW(far.recv(), Closed) << "it was closed where another took its place";
}

// ---- Signals and deaths ----

TYPED_TEST(AnyConnection, SignalsInterruptNothing) {
  struct sigaction action{};
  action.sa_handler = [](int) {};  // without SA_RESTART: every wait is interrupted
  struct sigaction before{};
  ::sigaction(SIGUSR1, &action, &before);
  auto [near, far] = this->template connected<std::string>();
  std::atomic<bool> over = false;
  constexpr int kMessages = 60;
  std::thread receiver([&, &far = far] {
    for (int i = 0; i < kMessages; ++i) EXPECT_EQ(far.recv().size(), 300'000U);
    for (int i = 0; i < kMessages; ++i) EXPECT_EQ(far.recv(), "small");
    over = true;
  });
  std::thread signals([&, sender = ::pthread_self()] {
    while (!over) {
      ::pthread_kill(receiver.native_handle(), SIGUSR1);
      ::pthread_kill(sender, SIGUSR1);
      ::poll(nullptr, 0, 0);
    }
  });
  for (int i = 0; i < kMessages; ++i) near.send(std::string(300'000, 'x'));
  for (int i = 0; i < kMessages; ++i) near.send("small");
  signals.join();
  receiver.join();
  ::sigaction(SIGUSR1, &before, nullptr);
}

// More than is ever under way: who sends it waits for who reads.
constexpr std::size_t kEndless = 60'000'000;

void await_bytes(int fd) {
  pollfd entry{fd, POLLIN, 0};
  EXPECT_EQ(::poll(&entry, 1, 60'000), 1);
}

TYPED_TEST(AnyConnection, AProcessKilledInTheMiddleOfAMessageIsTheEnd) {
  auto [near, far] = this->template connected<std::string>();
  detail::test::Forked child([&, &near = near, &far = far](int) {
    near.close();
    far.send("whole");
    far.send(std::string(kEndless, 'x'));
    return 0;
  });
  far.close();
  EXPECT_EQ(near.recv(), "whole");
  await_bytes(near.fileno());
  child.kill();
  EXPECT_EQ(text_of<Closed>([&near = near] { near.recv(); }),
            "Connection.recv: the other side ended in the middle of a message");
  EXPECT_THROW(near.send("x"), Closed);
}

TYPED_TEST(AnyConnection, AfterAForkAChildMayGoOnWithItsEnd) {
  auto [near, far] = this->template connected<int>();
  near.send(1);
  EXPECT_EQ(far.recv(), 1);
  detail::test::Forked child([&, &near = near, &far = far](int) {
    near.close();
    for (int i = 0; i < 100; ++i) far.send(far.recv() + 1);
    return 0;
  });
  far.close();
  for (int i = 0; i < 100; ++i) {
    near.send(i);
    EXPECT_EQ(near.recv(), i + 1);
  }
  EXPECT_EQ(child.join(), 0);
  EXPECT_THROW(near.recv(), Closed);
}

// ---- In other processes ----

void answer(Connection<int> end) {
  for (;;) {
    const int number = end.recv();
    end.send(number + 1);
    if (number == 0) return;
  }
}

void pass_on(Connection<int> end) {
  end.send(end.recv() + 10);
  Process grandchild(answer, std::move(end));
  grandchild.start();
  grandchild.join();
}

TYPED_TEST(AnyConnection, GoesToAProcessInTheMiddleOfAConversation) {
  for (const StartMethod method : kMethods) {
    auto [near, far] = this->template connected<int>();
    near.send(1);
    EXPECT_EQ(far.recv(), 1);
    far.send(2);
    EXPECT_EQ(near.recv(), 2);
    near.send(3);  // under way while it goes
    Process child({.start_method = method}, answer, std::move(far));
    child.start();
    EXPECT_EQ(near.recv(), 4);
    near.send(0);
    EXPECT_EQ(near.recv(), 1);
    EXPECT_THROW(near.recv(), Closed) << "the process had it alone";
    child.join();
    EXPECT_EQ(child.exitcode(), 0);
  }
}

TYPED_TEST(AnyConnection, GoesOnToAProcessOfTheProcess) {
  auto [near, far] = this->template connected<int>();
  Process child(pass_on, std::move(far));
  child.start();
  for (const int number : {1, 2, 0}) near.send(number);
  EXPECT_EQ(near.recv(), 11);
  EXPECT_EQ(near.recv(), 3);
  EXPECT_EQ(near.recv(), 1);
  EXPECT_THROW(near.recv(), Closed);
}

TYPED_TEST(AnyConnection, GoesAlongInATargetThatHasCapturedIt) {
  auto [near, far] = this->template connected<int>();
  Process child({.start_method = StartMethod::fork},
                [end = std::move(far)]() mutable { end.send(end.recv() + 1); });
  child.start();
  near.send(4);
  EXPECT_EQ(near.recv(), 5);
  EXPECT_THROW(near.recv(), Closed);
}

struct Unreadable {
  template <class Packer>
  void msgpack_pack(Packer& packer) const {
    packer.pack(1);
  }
  void msgpack_unpack(const msgpack::object&) { throw BadCall("never read"); }
};
void take_both(Connection<int> end, Unreadable) { answer(std::move(end)); }

TYPED_TEST(AnyConnection, AStartThatFailsLeavesTheEndWithItsProcess) {
  auto [near, far] = this->template connected<int>();
  {
    Process child(take_both, std::move(far), Unreadable{});
    EXPECT_THROW(child.start(), BadCall);
    EXPECT_FALSE(near.poll(20ms)) << "it is still open, in the argument";
  }
  EXPECT_THROW(near.recv(), Closed);
}

TYPED_TEST(AnyConnection, DoesNotGoInTheMiddleOfAMessage) {
  auto [near, far] = this->template connected<int>();
  detail::test::Forked sender([&, &near = near, &far = far](int) {
    far.close();
    near.send_bytes(std::string(kEndless, 'x'));
    return 0;
  });
  await_bytes(far.fileno());
  ::kill(sender.pid(), SIGSTOP);
  int status = 0;
  ASSERT_EQ(::waitpid(sender.pid(), &status, WUNTRACED), sender.pid());
  EXPECT_FALSE(far.poll()) << "it takes what is there";
  Process child(answer, std::move(far));
  EXPECT_EQ(text_of<BadCall>([&] { child.start(); }),
            "Connection as an argument: it goes to another process between messages, and has begun "
            "to receive one: call recv() first");
}

TYPED_TEST(AnyConnection, AKilledProcessIsTheEnd) {
  for (const StartMethod method : kMethods) {
    auto [near, far] = this->template connected<int>();
    Process child({.start_method = method}, answer, std::move(far));
    child.start();
    near.send(1);
    EXPECT_EQ(near.recv(), 2);
    EXPECT_FALSE(near.poll());
    child.kill();
    EXPECT_THROW(near.recv(), Closed);
    EXPECT_THROW(near.send(1), Closed);
    child.join();
  }
}

}  // namespace
}  // namespace steward
