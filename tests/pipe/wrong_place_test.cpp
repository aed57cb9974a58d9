// Connecting to what is no Listener.
#include <sys/resource.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include <steward/core/auth_key.hpp>
#include <steward/core/errors.hpp>
#include <steward/pipe/greeting.hpp>
#include <steward/pipe/listener.hpp>
#include <steward/tests/client/forked.hpp>
#include <steward/tests/error_text.hpp>
#include <steward/tests/pipe/placed_calls.hpp>
#include <steward/tests/pipe/raw_tcp.hpp>
#include <steward/tests/sanitized.hpp>

namespace steward {
namespace {

using namespace std::chrono_literals;
using detail::test::RawTcp;
using detail::test::text_of;

// A port where every peer is told these bytes, which then hangs up, or waits for him to.
class Stranger {
 public:
  explicit Stranger(std::string says, bool waits = true)
      : thread_([this, says, waits] {
          for (;;) {
            RawTcp visitor = port_.accept();
            if (over_) return;
            visitor.says(says);
            if (waits) visitor.hears_all();
          }
        }) {}
  Stranger(const Stranger&) = delete;
  Stranger& operator=(const Stranger&) = delete;
  ~Stranger() {
    over_ = true;
    const RawTcp last(port_.address());
    thread_.join();
  }
  const std::string& address() const { return port_.address(); }

 private:
  detail::test::RawPort port_;
  std::atomic<bool> over_ = false;
  std::thread thread_;
};

std::string refusal_of(const Stranger& stranger, const std::string& key = {},
                       std::chrono::milliseconds timeout = 10s) {
  return text_of<Disconnected>([&] {
    Connection<int>::connect(stranger.address(), {.key = key, .timeout = timeout});
  });
}

TEST(WrongPlace, AWebServerIsNoListener) {
  const Stranger server("HTTP/1.1 400 Bad Request\r\n\r\n");
  EXPECT_EQ(refusal_of(server), "what answers at " + server.address() +
                                    " is no Listener, or one of another version");
}

TEST(WrongPlace, AZeroMqSocketIsNamedAsOne) {
  const Stranger socket(std::string("\xff\0\0\0\0\0\0\0\1\x7f", 10));
  for (const std::string& key : {std::string(), generate_key()}) {
    EXPECT_EQ(refusal_of(socket, key), "what answers at " + socket.address() +
                                           " is a manager, or another ZeroMQ socket, and no "
                                           "Listener");
  }
}

TEST(WrongPlace, AnotherVersionIsNamedAsOne) {
  const Stranger listener("steward listens 2\n");
  EXPECT_EQ(refusal_of(listener), "what answers at " + listener.address() +
                                      " is no Listener, or one of another version");
}

TEST(WrongPlace, WhoSaysNothingIsWaitedForAsLongAsTheTimeout) {
  const Stranger silent("");
  EXPECT_EQ(refusal_of(silent, {}, 300ms),
            "no Listener answers at " + silent.address() + " in time");
  const Stranger slow("steward lis");
  EXPECT_EQ(refusal_of(slow, {}, 300ms), "no Listener answers at " + slow.address() + " in time");
}

TEST(WrongPlace, WhoHangsUpIsAskedAgainAsLongAsTheTimeout) {
  const Stranger brief("", false);
  EXPECT_EQ(refusal_of(brief, {}, 300ms),
            "no Listener answers at " + brief.address() + " in time: the other side hangs up");
}

TEST(WrongPlace, WhereNobodyListensIsSaidAtOnce) {
  std::string address;
  { address = Listener("tcp://127.0.0.1:0").address(); }
  EXPECT_EQ(text_of<Disconnected>([&] { Connection<int>::connect(address, {.timeout = 1h}); }),
            "nobody listens at " + address + ": Connection refused");
}

// What a stranger says does not go into the program's log as if it were ours.
TEST(WrongPlace, TheWordsOfAStrangerAreNotRepeated) {
  const std::string reply =
      "steward listens 1\nn" + std::string(detail::pipe::kReplyBytes - 19, '\0');
  const Stranger liar(reply + std::string("\0\0\0\5\x1b[2Jx", 9));
  EXPECT_EQ(refusal_of(liar), "the Listener at " + liar.address() +
                                  " refused the connection, for a reason that this version does "
                                  "not know");
}

TEST(WrongPlace, WithoutADescriptorThereIsNoSayingWhoListens) {
  if (detail::test::kSanitized) GTEST_SKIP() << "the sanitizer needs descriptors itself";
  const Stranger silent("");
  detail::test::Forked child([&](int out) {
    const rlimit few{60, 60};
    ::setrlimit(RLIMIT_NOFILE, &few);
    std::vector<detail::shm::UniqueFd> all;
    while (all.empty() || all.back()) all.emplace_back(::dup(0));
    const std::string text =
        text_of<Overloaded>([&] { Connection<int>::connect("tcp://127.0.0.1:1"); });
    ::dprintf(out, "%s\n", text.c_str());
    return 0;
  });
  EXPECT_EQ(child.line(), "cannot open a socket: Too many open files");
}

// A port where nobody is let in any more: the kernel leaves it without an answer.
class Deaf {
 public:
  Deaf() : socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address = detail::test::loopback(0);
    socklen_t size = sizeof address;
    auto* name = reinterpret_cast<sockaddr*>(&address);
    EXPECT_EQ(::bind(socket_.get(), name, size), 0);
    EXPECT_EQ(::listen(socket_.get(), 0), 0);
    EXPECT_EQ(::getsockname(socket_.get(), name, &size), 0);
    address_ = "127.0.0.1:" + std::to_string(ntohs(address.sin_port));
    waiting_.emplace_back("tcp://" + address_);
  }
  const std::string& address() const { return address_; }

 private:
  detail::shm::UniqueFd socket_;
  std::string address_;
  std::vector<RawTcp> waiting_;
};

TEST(WrongPlace, AnAddressThatDoesNotAnswerLeavesTimeForTheNextOne) {
  const Deaf deaf;
  Listener listener("tcp://127.0.0.1:0");
  detail::test::two_addresses = {deaf.address(), listener.address().substr(6)};
  auto near = Connection<int>::connect("tcp://two.test:1", {.timeout = 2s});
  near.send(4);
  EXPECT_EQ(listener.accept<int>().recv(), 4);
}

TEST(WrongPlace, WhoHoldsNoKeyCannotPassForAListener) {
  const std::string key = generate_key();
  const auto reply_as = [](char letter, char rest) {
    return std::string("steward listens 1\n") + letter +
           std::string(detail::pipe::kReplyBytes - 19, rest);
  };
  const auto refusal = [&](const Stranger& stranger) {
    const std::string text = text_of<AuthenticationError>(
        [&] { Connection<int>::connect(stranger.address(), {.key = key}); });
    return text.substr(text.rfind(": ") + 2);
  };
  // It claims to have no key itself, so that nothing would be encrypted.
  EXPECT_EQ(refusal(Stranger(reply_as('n', '\0') + std::string(4, '\0'))),
            "connect without one");
  // Or to have the same.
  EXPECT_EQ(refusal(Stranger(reply_as('k', 'x') + std::string("\0\x15", 2) +
                             std::string(21, 'x'))),
            "it has shown no proof that it holds this key");
  EXPECT_EQ(refusal(Stranger(reply_as('k', '\0'))), "it was started with another one");
}

}  // namespace
}  // namespace steward
