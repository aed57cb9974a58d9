// A server in a process of its own, a good client that is served all the while, and strangers.
#pragma once

#include <sys/socket.h>
#include <sys/un.h>

#include <csignal>
#include <fstream>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include <steward/core/wire.hpp>
#include <steward/manager/manager.hpp>
#include <steward/tests/hostile/frames.hpp>
#include <steward/tests/sanitized.hpp>
#include <steward/tests/server/loop/bare_client.hpp>

namespace steward::detail::test {

class HostileTest : public testing::Test {
 protected:
  HostileTest() : HostileTest(core::Limits{}) {}
  explicit HostileTest(const core::Limits& limits)
      : manager(ManagerOptions{.limits = limits}), numbers(manager.list<int>()) {}

  // Whatever has happened: the server lives, the good client's objects are there, and strangers
  // leave nothing behind.
  void TearDown() override {
    is_served();
    EXPECT_TRUE(eventually([&] { return manager.number_of_objects() == 1; }));
    EXPECT_EQ(manager.list<int>({1}).copy(), std::vector{1});
    EXPECT_EQ(::kill(manager.pid(), 0), 0);
    EXPECT_EQ(served, static_cast<int>(numbers.size()));
  }

  void is_served() {
    numbers.append(served);
    EXPECT_EQ(numbers.at(-1), served);
    ++served;
  }

  template <class Done>
  bool eventually(Done&& done) {
    return test::eventually(poll_briefly, done);
  }

  std::string directory() const { return server::directory_of(manager.address()); }
  std::unique_ptr<ZmqWire> new_wire() const { return std::make_unique<ZmqWire>(manager.address()); }
  // A stranger with a session.
  BareClient stranger() const {
    BareClient client = BareClient::come_in(manager.address(), poll_briefly);
    client.hello();
    return client;
  }
  // The reason of the unknown_session that comes next; empty if something else comes.
  static std::string refusal(BareClient& client) {
    client.last_frame = client.receive();
    core::OpenEnvelope envelope = core::open_envelope(client.last_frame);
    if (envelope.kind != core::Envelope::unknown_session) return {};
    return core::decode_text(envelope);
  }
  // True once the server has closed this socket.
  static bool is_closed(const shm::UniqueFd& socket) {
    char byte = 0;
    return ::recv(socket.get(), &byte, 1, MSG_DONTWAIT | MSG_PEEK) == 0 || errno == ECONNRESET;
  }
  // "VmRSS" or "VmHWM" of the server, in bytes.
  std::size_t memory(const std::string& field) const {
    std::ifstream status("/proc/" + std::to_string(manager.pid()) + "/status");
    for (std::string line; std::getline(status, line);) {
      if (line.starts_with(field + ":")) return std::stoull(line.substr(field.size() + 1)) * 1024;
    }
    return 0;
  }

  // The most that the server has ever had. What a sanitizer keeps comes on top.
  void expect_memory_below(std::size_t bytes) const {
    constexpr std::size_t kSanitizers = kSanitized ? 1U << 30U : 0;
    EXPECT_LT(memory("VmHWM"), bytes + kSanitizers);
  }

  // The server's stream socket, without ZeroMQ around it.
  shm::UniqueFd connect_raw() const {
    shm::UniqueFd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    const std::string path = directory() + "/manager.sock";
    path.copy(address.sun_path, sizeof address.sun_path - 1);
    if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
      throw std::system_error(errno, std::generic_category(), "connect");
    }
    return socket;
  }
  static void send_raw(const shm::UniqueFd& socket, std::string_view bytes) {
    // The server may have hung up already: that is an answer too.
    [[maybe_unused]] const ssize_t sent =
        ::send(socket.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
  }

  Manager manager;
  List<int> numbers;
  int served = 0;
};

}  // namespace steward::detail::test
