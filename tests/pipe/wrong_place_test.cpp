// Connecting to what is no Listener.
#include <atomic>
#include <chrono>
#include <string>
#include <thread>

#include <gtest/gtest.h>

#include <steward/core/auth_key.hpp>
#include <steward/core/errors.hpp>
#include <steward/pipe/greeting.hpp>
#include <steward/pipe/listener.hpp>
#include <steward/tests/error_text.hpp>
#include <steward/tests/pipe/raw_tcp.hpp>

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
