// Reaching a host that has several addresses.
#include <gtest/gtest.h>

#include <arpa/inet.h>
#include <sys/socket.h>

#include <chrono>
#include <cstdlib>
#include <vector>

#include <steward/client/tcp_socket.hpp>
#include <steward/client/waiting.hpp>

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
