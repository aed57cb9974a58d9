// What no Connection says, to Listeners that are up: over raw sockets, and over ZeroMQ.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <chrono>
#include <exception>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include <zmq.hpp>

#include <steward/client/channel.hpp>
#include <steward/client/trunk.hpp>
#include <steward/client/unix_socket.hpp>
#include <steward/core/tcp_address.hpp>
#include <steward/steward.hpp>
#include <steward/tests/client/seed.hpp>
#include <steward/tests/manager/scratch.hpp>

namespace steward {
namespace {

using namespace std::chrono_literals;
using client::FrameKind;

// A decent client gets through.
void expect_well(Listener& listener, const std::string& key = {}) {
  auto near = Connection<int>::connect(listener.address(), {.key = key});
  for (;;) {
    auto far = listener.accept<int>();
    near.send(4);
    // Those who came before it are still in the line.
    if (!far.poll(200ms)) continue;
    try {
      if (far.recv() == 4) return;
    } catch (const std::exception&) {
      continue;
    }
  }
}

shm::UniqueFd tcp_to(const Listener& listener) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(core::parse_tcp(listener.address())->port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  shm::UniqueFd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const auto* name = reinterpret_cast<const sockaddr*>(&address);
  EXPECT_EQ(::connect(socket.get(), name, sizeof address), 0);
  return socket;
}

// A peer that speaks ZeroMQ, and what it likes besides.
class Dealer {
 public:
  explicit Dealer(const Listener& listener) : socket_(context_, zmq::socket_type::dealer) {
    socket_.set(zmq::sockopt::linger, 200);
    socket_.connect(listener.address());
  }

  void says(const std::string& frame) { socket_.send(zmq::buffer(frame)); }
  void says(const client::TrunkFrame& frame) { says(client::encode_frame(frame)); }
  void says_in_parts(int parts) {
    for (int i = 0; i < parts; ++i) {
      socket_.send(zmq::str_buffer("part"),
                   i + 1 < parts ? zmq::send_flags::sndmore : zmq::send_flags::none);
    }
  }
  // The kind of the next frame; nullopt: nothing came in that time.
  std::optional<FrameKind> hears(std::chrono::milliseconds wait = 30s) {
    socket_.set(zmq::sockopt::rcvtimeo, static_cast<int>(wait.count()));
    zmq::message_t message;
    if (!socket_.recv(message)) return std::nullopt;
    const auto frame = client::decode_frame(message.to_string_view());
    return frame ? std::optional(frame->kind) : std::nullopt;
  }
  void greet() {
    says({FrameKind::hello, {}, 0});
    EXPECT_EQ(hears(), FrameKind::welcome);
  }

 private:
  zmq::context_t context_{1};
  zmq::socket_t socket_;
};

TEST(HostileListener, GarbageInsteadOfZmtpIsCutOff) {
  for (const std::string& key : {std::string(), generate_key()}) {
    Listener listener("tcp://127.0.0.1:0", {.key = key});
    std::mt19937_64 random(test::seed());
    std::vector<shm::UniqueFd> held;
    for (int i = 0; i < 20; ++i) {
      held.push_back(tcp_to(listener));
      std::string bytes(random() % 500, '\0');
      for (char& byte : bytes) byte = static_cast<char>(random());
      ::send(held.back().get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    }
    expect_well(listener, key);
  }
}

TEST(HostileListener, WhoDoesNotSayHelloIsNoConnection) {
  Listener listener("tcp://127.0.0.1:0");
  Dealer dealer(listener);
  dealer.says({FrameKind::data, "boo", 0});
  dealer.says(std::string("garbage"));
  dealer.says(std::string());
  dealer.says_in_parts(20);
  EXPECT_EQ(dealer.hears(50ms), std::nullopt);
  EXPECT_FALSE(listener.try_accept<int>());
  dealer.greet();
  EXPECT_TRUE(listener.accept_for<int>(10s));
}

TEST(HostileListener, WhatMakesNoSenseEndsTheConnectionAndNoOther) {
  Listener listener("tcp://127.0.0.1:0");
  auto good = Connection<int>::connect(listener.address());
  auto far = listener.accept<int>();
  const std::vector<client::TrunkFrame> senseless{
      {FrameKind::hello, {}, 0},
      {FrameKind::welcome, {}, 0},
      {FrameKind::taken, {}, 1U << 30U}};
  for (const client::TrunkFrame& frame : senseless) {
    Dealer dealer(listener);
    dealer.greet();
    auto bad = listener.accept<int>();
    dealer.says(frame);
    EXPECT_THROW(bad.recv(), Closed);
    EXPECT_EQ(dealer.hears(), FrameKind::end);
  }
  Dealer dealer(listener);
  dealer.greet();
  auto bad = listener.accept<int>();
  dealer.says_in_parts(3);
  EXPECT_THROW(bad.recv(), Closed);
  good.send(4);
  EXPECT_EQ(far.recv(), 4);
}

TEST(HostileListener, AFrameThatIsTooLongIsNeverTakenIn) {
  Listener listener("tcp://127.0.0.1:0");
  Dealer dealer(listener);
  dealer.greet();
  auto bad = listener.accept<int>();
  dealer.says(std::string(client::Channel::kChunk + 1000, 'x'));
  EXPECT_THROW(bad.recv(), Closed) << "ZeroMQ has cut it off";
  expect_well(listener);
}

TEST(HostileListener, WhoSendsMoreThanTheWindowIsCutOff) {
  Listener listener("tcp://127.0.0.1:0");
  Dealer dealer(listener);
  dealer.greet();
  auto bad = listener.accept<int>();
  bad.set_message_limit(100'000'000);
  const std::string chunk(client::Channel::kChunk, '\x01');
  for (int i = 0; i < 200; ++i) dealer.says({FrameKind::data, chunk, 0});
  EXPECT_THROW(bad.recv(), Closed) << "in the middle of a message of sixteen million bytes";
  expect_well(listener);
}

TEST(HostileListener, MessagesThatAreNoneAreErrorsOfTheirReceiver) {
  Listener listener("tcp://127.0.0.1:0");
  Dealer dealer(listener);
  dealer.greet();
  auto bad = listener.accept<int>();
  dealer.says({FrameKind::data, std::string("\0\0\0\2\xa1x", 6), 0});
  EXPECT_THROW(bad.recv(), BadCall);
  dealer.says({FrameKind::data, std::string("\xff\xff\xff\xff", 4), 0});
  EXPECT_THROW(bad.recv(), Overloaded);
  EXPECT_THROW(bad.recv(), Closed);
  bad.close();
}

TEST(HostileListener, AStormOfVisitorsPassesOver) {
  Listener listener("tcp://127.0.0.1:0");
  for (int i = 0; i < 30; ++i) {
    Dealer dealer(listener);
    if (i % 2 == 0) dealer.greet();
    if (i % 4 == 0) dealer.says({FrameKind::data, "unread", 0});
  }
  std::size_t accepted = 0;
  while (listener.try_accept<int>()) ++accepted;
  EXPECT_EQ(accepted, 15U);
  expect_well(listener);
}

TEST(HostileListener, RawBytesAtAPathAreErrorsOfTheirReceiver) {
  const test::Scratch scratch;
  const std::string path = scratch.file("socket");
  Listener listener("ipc://" + path);
  std::mt19937_64 random(test::seed());
  for (int i = 0; i < 100; ++i) {
    int error = 0;
    const shm::UniqueFd raw =
        client::connect_unix(path, SOCK_STREAM, core::deadline_after(10s), error);
    ASSERT_TRUE(raw);
    auto far = listener.accept<Value>();
    std::string bytes(random() % 60, '\0');
    for (char& byte : bytes) byte = static_cast<char>(random() % (i % 2 == 0 ? 256 : 8));
    if (!bytes.empty()) ::send(raw.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    ::shutdown(raw.get(), SHUT_WR);
    bool over = false;
    while (!over) {
      try {
        far.recv();
      } catch (const BadCall&) {
        // Not a value, and the next may be one.
      } catch (const std::exception&) {
        over = true;
      }
    }
    EXPECT_THROW(far.recv(), Closed);
  }
  expect_well(listener);
}

}  // namespace
}  // namespace steward
