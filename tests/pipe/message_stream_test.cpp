// The framing, on real sockets: what is on the wire, and what a stranger may put there.
#include <steward/pipe/message_stream.hpp>

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <functional>
#include <map>
#include <optional>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include <steward/core/errors.hpp>
#include <steward/shm/fd_passing.hpp>
#include <steward/tests/client/seed.hpp>
#include <steward/tests/error_text.hpp>
#include <steward/tests/pipe/placed_calls.hpp>

namespace steward::detail::pipe {
namespace {

using namespace std::chrono_literals;
using test::text_of;

core::Deadline now() { return std::chrono::steady_clock::now(); }

using shm::SocketPair;
using shm::UniqueFd;

SocketPair stream_pair() {
  std::array<int, 2> fds{};
  EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds.data()), 0);
  return {UniqueFd(fds[0]), UniqueFd(fds[1])};
}

// A stream with its socket.
struct End {
  UniqueFd fd;
  MessageStream stream;

  explicit End(UniqueFd socket, Direction direction = Direction::both)
      : fd(std::move(socket)), stream(direction) {}
  void send(std::string_view message) { stream.send(fd.get(), message); }
  std::optional<std::string> receive(core::Deadline deadline) {
    return stream.receive(fd.get(), deadline);
  }
  bool poll(core::Deadline deadline) { return stream.poll(fd.get(), deadline); }
};

// One, and the bare other end of it.
struct Half {
  UniqueFd other;
  End socket;

  explicit Half(std::size_t limit = core::Limits().message_bytes) : Half(stream_pair(), limit) {}
  Half(SocketPair pair, std::size_t limit)
      : other(std::move(pair.b)), socket(std::move(pair.a)) {
    socket.stream.limit(limit);
  }

  void write(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t count = ::send(other.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
      ASSERT_GT(count, 0);
      bytes.remove_prefix(static_cast<std::size_t>(count));
    }
  }
  std::string read(std::size_t size) {
    std::string bytes(size, '\0');
    EXPECT_EQ(::recv(other.get(), bytes.data(), size, MSG_WAITALL), static_cast<ssize_t>(size));
    return bytes;
  }
};

struct Whole {
  SocketPair pair = stream_pair();
  End a{std::move(pair.a)};
  End b{std::move(pair.b)};
};

constexpr const char* kEnded = "Connection.recv: the other side has closed, or ended";

TEST(MessageStream, AMessageIsItsLengthAndItsBytes) {
  Half half;
  half.socket.send("ab");
  half.socket.send("");
  EXPECT_EQ(half.read(10), std::string("\0\0\0\2ab\0\0\0\0", 10));
  half.write(std::string("\0\0\0\3xyz\0\0\0\0", 11));
  EXPECT_EQ(half.socket.receive(std::nullopt), "xyz");
  EXPECT_EQ(half.socket.receive(std::nullopt), "");
}

TEST(MessageStream, AllBytesAndLengthsArrive) {
  Whole ends;
  for (const std::size_t size : {1U, 255U, 256U, 65'535U, 65'536U, 65'537U, 3'000'000U}) {
    std::string message(size, '\0');
    for (std::size_t i = 0; i < size; ++i) message[i] = static_cast<char>(i * 7 + size);
    std::thread sender([&] { ends.a.send(message); });
    EXPECT_EQ(ends.b.receive(std::nullopt), message) << size;
    sender.join();
  }
}

TEST(MessageStream, WhatComesInPiecesIsOneMessage) {
  Half half;
  const std::string frame("\0\0\0\4wxyz", 8);
  for (std::size_t cut = 1; cut < frame.size(); ++cut) {
    half.write(frame.substr(0, cut));
    EXPECT_FALSE(half.socket.poll(now()));
    EXPECT_EQ(half.socket.receive(now()), std::nullopt) << cut;
    half.write(frame.substr(cut));
    EXPECT_TRUE(half.socket.poll(now()));
    EXPECT_EQ(half.socket.receive(now()), "wxyz") << cut;
  }
}

TEST(MessageStream, NothingIsReadBeyondTheMessage) {
  Half half;
  half.write(std::string("\0\0\0\1a\0\0\0\1b", 10));
  EXPECT_EQ(half.socket.receive(std::nullopt), "a");
  pollfd rest{half.socket.fd.get(), POLLIN, 0};
  EXPECT_EQ(::poll(&rest, 1, 0), 1);
  EXPECT_EQ(half.socket.receive(std::nullopt), "b");
  EXPECT_EQ(::poll(&rest, 1, 0), 0);
}

TEST(MessageStream, ADeadlineEndsTheWait) {
  Half half;
  EXPECT_FALSE(half.socket.poll(core::deadline_after(5ms)));
  EXPECT_EQ(half.socket.receive(core::deadline_after(5ms)), std::nullopt);
  half.write(std::string("\0\0\0\1a", 5));
  EXPECT_EQ(half.socket.receive(core::deadline_after(1h)), "a");
}

// However fast the pieces come.
TEST(MessageStream, ADeadlineEndsTheTakingOfAMessageThatComesInPieces) {
  Half half;
  half.write(std::string("\0\0\3\xe8", 4) + std::string(1000, 'x'));
  test::recv_most = 1;
  int tries = 1;
  std::optional<std::string> message;
  while (!(message = half.socket.receive(now())) && tries < 1000) ++tries;
  test::recv_most = ~std::size_t{0};
  EXPECT_GT(tries, 10);
  EXPECT_EQ(message, std::string(1000, 'x'));
}

TEST(MessageStream, ADeadlineEndsTheWaitForAnotherReceiver) {
  Half half;
  std::atomic<bool> begun = false;
  std::thread other([&] {
    begun = true;
    EXPECT_EQ(half.socket.receive(std::nullopt), "a");
  });
  while (!begun) std::this_thread::yield();
  EXPECT_FALSE(half.socket.poll(core::deadline_after(5ms)));
  EXPECT_EQ(half.socket.receive(core::deadline_after(5ms)), std::nullopt);
  half.write(std::string("\0\0\0\1a", 5));
  other.join();
}

TEST(MessageStream, TheEndComesAfterWhatWasSent) {
  Half half;
  half.write(std::string("\0\0\0\1a\0\0\0\1b", 10));
  half.other.reset();
  EXPECT_TRUE(half.socket.poll(now()));
  EXPECT_EQ(half.socket.receive(std::nullopt), "a");
  EXPECT_EQ(half.socket.receive(std::nullopt), "b");
  for (int i = 0; i < 2; ++i) {
    EXPECT_TRUE(half.socket.poll(now()));
    EXPECT_EQ(text_of<Closed>([&] { half.socket.receive(std::nullopt); }), kEnded);
  }
}

TEST(MessageStream, LastWordsArriveAlthoughTheirSpeakerDidNotListen) {
  Half half;
  half.socket.send("never read");
  half.write(std::string("\0\0\0\1a", 5));
  half.other.reset();
  EXPECT_EQ(half.socket.receive(std::nullopt), "a");
  EXPECT_EQ(text_of<Closed>([&] { half.socket.receive(std::nullopt); }), kEnded);
}

TEST(MessageStream, AnEndInTheMiddleIsSaidToBeOne) {
  for (const std::size_t cut : {1U, 4U, 6U}) {
    Half half;
    half.write(std::string("\0\0\0\4wxyz", cut));
    half.other.reset();
    EXPECT_EQ(text_of<Closed>([&] { half.socket.receive(std::nullopt); }),
              "Connection.recv: the other side ended in the middle of a message");
  }
}

TEST(MessageStream, SendingToNobodyIsAnErrorAndNoSignal) {
  Half half;
  half.other.reset();
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(text_of<Closed>([&] { half.socket.send("x"); }),
              "Connection.send: the other side has closed, or ended");
  }
}

TEST(MessageStream, ASenderThatWaitsHearsOfTheEnd) {
  Half half;
  std::thread other([&] {
    half.read(4);  // it has begun
    half.other.reset();
  });
  EXPECT_THROW(half.socket.send(std::string(10'000'000, 'x')), Closed);
  other.join();
  EXPECT_THROW(half.socket.send("x"), Closed);
}

TEST(MessageStream, MessagesUpToTheLimitGoAndNoLongerOnes) {
  Half half(1000);
  half.socket.send(std::string(1000, 'x'));
  EXPECT_EQ(text_of<Overloaded>([&] { half.socket.send(std::string(1001, 'x')); }),
            "Connection.send: a message of 1001 bytes, 1000 are allowed");
  half.socket.send("next");
  half.read(4 + 1000);
  EXPECT_EQ(half.read(8), std::string("\0\0\0\4next", 8)) << "nothing of the refused one";
}

TEST(MessageStream, MessagesUpToTheLimitComeAndALongerOneIsTheEnd) {
  Half half(1000);
  half.write(std::string("\0\0\3\xe8", 4) + std::string(1000, 'x'));
  EXPECT_EQ(half.socket.receive(std::nullopt)->size(), 1000U);
  half.write(std::string("\0\0\3\xe9", 4) + std::string(1001, 'x'));
  EXPECT_TRUE(half.socket.poll(now()));
  EXPECT_EQ(text_of<Overloaded>([&] { half.socket.receive(std::nullopt); }),
            "Connection.recv: the other side sends a message of 1001 bytes, 1000 are allowed");
  EXPECT_THROW(half.socket.receive(std::nullopt), Closed);
}

TEST(MessageStream, AnAnnouncementTakesNoMemory) {
  Half half(MessageStream::kBytesMost);
  half.write(std::string("\x7f\xff\xff\xff", 4) + "only this");
  EXPECT_EQ(half.socket.receive(now()), std::nullopt);
  half.other.reset();
  EXPECT_THROW(half.socket.receive(std::nullopt), Closed);
}

TEST(MessageStream, WhatOthersMeanByAnEndlessLengthIsRefused) {
  for (const char* head : {"\xff\xff\xff\xff", "\x80\x00\x00\x00"}) {
    Half half(MessageStream::kBytesMost);
    half.write(std::string(head, 4));
    EXPECT_THROW(half.socket.receive(std::nullopt), Overloaded);
  }
}

TEST(MessageStream, RandomBytesEndInAnErrorAndNothingElse) {
  std::mt19937_64 random(test::seed());
  for (int round = 0; round < 300; ++round) {
    Half half(5000);
    std::string bytes(random() % 300, '\0');
    for (char& byte : bytes) byte = static_cast<char>(random() % (round % 2 == 0 ? 256 : 3));
    half.write(bytes);
    half.other.reset();
    std::size_t received = 0;
    try {
      for (;;) received += half.socket.receive(std::nullopt)->size() + 4;
    } catch (const Closed&) {
    } catch (const Overloaded&) {
    }
    EXPECT_LE(received, bytes.size());
  }
}

TEST(MessageStream, OneWayIsOneWay) {
  SocketPair pair = stream_pair();
  End in(std::move(pair.a), Direction::receive);
  End out(std::move(pair.b), Direction::send);
  out.send("x");
  EXPECT_EQ(in.receive(std::nullopt), "x");
  EXPECT_EQ(text_of<BadCall>([&] { in.send("x"); }), "Connection.send: this end only receives");
  EXPECT_EQ(text_of<BadCall>([&] { out.receive(now()); }), "Connection.recv: this end only sends");
  EXPECT_EQ(text_of<BadCall>([&] { out.poll(now()); }), "Connection.poll: this end only sends");
}

TEST(MessageStream, AnotherCanGoOnBetweenMessages) {
  Half half;
  EXPECT_TRUE(half.socket.stream.between_messages());
  half.write(std::string("\0\0\0\2a", 5));
  EXPECT_FALSE(half.socket.poll(now()));
  EXPECT_FALSE(half.socket.stream.between_messages());
  half.write(std::string("b\0\0\0\1c", 6));
  EXPECT_TRUE(half.socket.poll(now()));
  EXPECT_FALSE(half.socket.stream.between_messages());
  EXPECT_EQ(half.socket.receive(now()), "ab");
  EXPECT_TRUE(half.socket.stream.between_messages());
  End other(std::move(half.socket.fd));
  EXPECT_EQ(other.receive(now()), "c");
}

TEST(MessageStream, ManySendersAndReceiversGetWholeMessages) {
  constexpr int kThreads = 4;
  constexpr int kEach = 400;
  Whole ends;
  const auto message = [](int sender, int i) {
    const std::size_t size = i % 50 == 0 ? 300'000 : static_cast<std::size_t>(i) * 13 % 997;
    return std::to_string(sender) + ":" + std::to_string(i) + ":" +
           std::string(size, static_cast<char>('a' + i % 26));
  };
  std::vector<std::thread> threads;
  for (int sender = 0; sender < kThreads; ++sender) {
    threads.emplace_back([&, sender] {
      for (int i = 0; i < kEach; ++i) ends.a.send(message(sender, i));
    });
  }
  std::array<std::vector<std::string>, kThreads> received;
  for (auto& mine : received) {
    threads.emplace_back([&] {
      for (int i = 0; i < kEach; ++i) mine.push_back(*ends.b.receive(std::nullopt));
    });
  }
  for (std::thread& thread : threads) thread.join();
  std::multimap<std::string, int> all;
  for (const auto& mine : received) {
    for (const std::string& text : mine) all.emplace(text, 0);
  }
  for (int sender = 0; sender < kThreads; ++sender) {
    for (int i = 0; i < kEach; ++i) EXPECT_EQ(all.count(message(sender, i)), 1U);
  }
}

TEST(MessageStream, SignalsInterruptNothing) {
  struct sigaction action{};
  action.sa_handler = [](int) {};  // without SA_RESTART: every wait is interrupted
  struct sigaction before{};
  ::sigaction(SIGUSR1, &action, &before);
  Whole ends;
  std::atomic<bool> over = false;
  std::thread receiver([&] {
    for (int i = 0; i < 30; ++i) EXPECT_EQ(ends.b.receive(std::nullopt)->size(), 500'000U);
    over = true;
  });
  const pthread_t main_thread = ::pthread_self();
  std::thread signals([&] {
    while (!over) {
      ::pthread_kill(receiver.native_handle(), SIGUSR1);
      ::pthread_kill(main_thread, SIGUSR1);
      std::this_thread::yield();
    }
  });
  for (int i = 0; i < 30; ++i) ends.a.send(std::string(500'000, 'x'));
  signals.join();
  receiver.join();
  ::sigaction(SIGUSR1, &before, nullptr);
}

}  // namespace
}  // namespace steward::detail::pipe
