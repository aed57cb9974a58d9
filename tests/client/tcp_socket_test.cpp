// Reaching a host that has several addresses.
#include <gtest/gtest.h>

#include <arpa/inet.h>
#include <dlfcn.h>
#include <sys/socket.h>

#include <chrono>
#include <cstdlib>
#include <semaphore>
#include <string_view>
#include <vector>

#include <steward/client/tcp_socket.hpp>
#include <steward/client/waiting.hpp>
#include <steward/core/errors.hpp>

namespace {

constexpr const char* kHeldHost = "held.invalid";
std::binary_semaphore held_resolver{0};
std::binary_semaphore resolver_is_done{0};

}  // namespace

// The system's resolver, which takes as long as a test wants for one host.
extern "C" int getaddrinfo(const char* host, const char* port, const addrinfo* hints,
                           addrinfo** found) {
  static const auto real =
      reinterpret_cast<decltype(&::getaddrinfo)>(::dlsym(RTLD_NEXT, "getaddrinfo"));
  if (host == nullptr || std::string_view(host) != kHeldHost) {
    return real(host, port, hints, found);
  }
  static_cast<void>(held_resolver.try_acquire_for(std::chrono::seconds(10)));
  resolver_is_done.release();
  return EAI_AGAIN;
}

namespace steward::detail::test {
namespace {

using namespace std::chrono_literals;

// A port of the loopback where connections are accepted, or where nothing comes back since as many
// wait as may.
class Port {
 public:
  explicit Port(bool silent) : listener_(socket()) {
    address_.sin_family = AF_INET;
    address_.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address_;
    if (::bind(listener_.get(), generic(), size) != 0 || ::listen(listener_.get(), 0) != 0) {
      std::abort();
    }
    ::getsockname(listener_.get(), generic(), &size);
    for (int i = 0; silent && i < 4; ++i) {
      waiting_.push_back(socket());
      ::connect(waiting_.back().get(), generic(), size);
    }
    info.ai_family = AF_INET;
    info.ai_socktype = SOCK_STREAM;
    info.ai_addr = generic();
    info.ai_addrlen = size;
  }

  addrinfo info{};

 private:
  static shm::UniqueFd socket() {
    return shm::UniqueFd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  }
  sockaddr* generic() { return reinterpret_cast<sockaddr*>(&address_); }

  sockaddr_in address_{};
  shm::UniqueFd listener_;
  std::vector<shm::UniqueFd> waiting_;
};

// Who wrote a handle chooses the host, and with it who answers for its name.
TEST(TcpSocket, AResolverThatDoesNotAnswerHoldsNobodyPastADeadline) {
  int error = 0;
  const core::Time before = client::now();
  EXPECT_THROW(client::connect_tcp({kHeldHost, 7000}, core::deadline_after(50ms), error),
               Disconnected);
  EXPECT_LT(client::now() - before, 9s);
  held_resolver.release();
  resolver_is_done.acquire();
}

TEST(TcpSocket, WhatTheResolverSaysIsTold) {
  held_resolver.release();
  int error = 0;
  EXPECT_THROW(client::connect_tcp({kHeldHost, 7000}, core::deadline_after(1min), error),
               Disconnected);
  resolver_is_done.acquire();
  const shm::UniqueFd listener(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in name{};
  name.sin_family = AF_INET;
  name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof name;
  ASSERT_EQ(::bind(listener.get(), reinterpret_cast<sockaddr*>(&name), size), 0);
  ASSERT_EQ(::listen(listener.get(), 1), 0);
  ASSERT_EQ(::getsockname(listener.get(), reinterpret_cast<sockaddr*>(&name), &size), 0);
  EXPECT_TRUE(client::connect_tcp({"localhost", ntohs(name.sin_port)}, core::deadline_after(1min),
                                  error));
}

TEST(TcpSocket, ASilentAddressLeavesTimeToThoseBehindIt) {
  Port silent(true);
  Port heard(false);
  silent.info.ai_next = &heard.info;
  int error = 0;
  const core::Deadline deadline = core::deadline_after(2s);
  EXPECT_TRUE(client::connect_to_any(&silent.info, deadline, error));
  EXPECT_LT(client::now(), *deadline);
}

TEST(TcpSocket, WhereAllAreSilentItIsSaidAtTheDeadline) {
  Port silent(true);
  Port other(true);
  silent.info.ai_next = &other.info;
  int error = 0;
  const core::Deadline deadline = core::deadline_after(60ms);
  EXPECT_FALSE(client::connect_to_any(&silent.info, deadline, error));
  EXPECT_EQ(error, ETIMEDOUT);
  EXPECT_GE(client::now(), *deadline);
}

}  // namespace
}  // namespace steward::detail::test
