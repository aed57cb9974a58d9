// TCP by hand, for tests: what strangers say, and what others say to us.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <string>
#include <string_view>

#include <gtest/gtest.h>

#include <steward/core/tcp_address.hpp>
#include <steward/shm/unique_fd.hpp>

namespace steward::detail::test {

inline sockaddr_in loopback(std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

// One end of a connection.
class RawTcp {
 public:
  explicit RawTcp(shm::UniqueFd socket) : socket_(std::move(socket)) {}
  // To a Listener's address.
  explicit RawTcp(const std::string& where)
      : socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    const sockaddr_in address = loopback(core::parse_tcp(where)->port);
    const auto* name = reinterpret_cast<const sockaddr*>(&address);
    EXPECT_EQ(::connect(socket_.get(), name, sizeof address), 0);
  }

  int fd() const { return socket_.get(); }
  void close() { socket_.reset(); }

  // The other side may hang up meanwhile.
  void says(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t count = ::send(fd(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (count <= 0) return;
      bytes.remove_prefix(static_cast<std::size_t>(count));
    }
  }
  // As many bytes; fewer at the end.
  std::string hears(std::size_t size) {
    std::string heard(size, '\0');
    std::size_t have = 0;
    while (have < size) {
      const ssize_t count = ::recv(fd(), heard.data() + have, size - have, 0);
      if (count <= 0) break;
      have += static_cast<std::size_t>(count);
    }
    heard.resize(have);
    return heard;
  }
  std::string hears_all() {
    std::string all;
    for (std::string piece; !(piece = hears(1)).empty();) all += piece;
    return all;
  }
  bool is_silent() const {
    pollfd entry{fd(), POLLIN, 0};
    return ::poll(&entry, 1, 0) == 0;
  }

 private:
  shm::UniqueFd socket_;
};

// A port of one's own.
class RawPort {
 public:
  RawPort() : socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address = loopback(0);
    socklen_t size = sizeof address;
    auto* name = reinterpret_cast<sockaddr*>(&address);
    EXPECT_EQ(::bind(socket_.get(), name, size), 0);
    EXPECT_EQ(::listen(socket_.get(), 10), 0);
    EXPECT_EQ(::getsockname(socket_.get(), name, &size), 0);
    address_ = "tcp://127.0.0.1:" + std::to_string(ntohs(address.sin_port));
  }
  const std::string& address() const { return address_; }
  RawTcp accept() { return RawTcp(shm::UniqueFd(::accept(socket_.get(), nullptr, nullptr))); }

 private:
  shm::UniqueFd socket_;
  std::string address_;
};

}  // namespace steward::detail::test
