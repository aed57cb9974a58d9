// A message that never ends: ZeroMQ keeps every part of it, and the server is never told.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <atomic>
#include <fstream>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include <steward/core/tcp_address.hpp>
#include <steward/manager/private_server.hpp>
#include <steward/steward.hpp>
#include <steward/tests/hostile/hostile_test.hpp>

namespace steward::detail::test {
namespace {

std::size_t peak_bytes(pid_t pid) {
  std::ifstream status("/proc/" + std::to_string(pid) + "/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("VmHWM:")) return std::stoul(line.substr(6)) * 1024;
  }
  return 0;
}

void send_all(int fd, std::string_view bytes, bool& alive) {
  while (alive && !bytes.empty()) {
    const ssize_t sent = ::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    alive = sent > 0;
    if (alive) bytes.remove_prefix(static_cast<std::size_t>(sent));
  }
}

// ZeroMQ's own protocol (ZMTP 3.0, its RFC 23), since no socket of ZeroMQ sends the parts of a
// message before its end: a greeting, that we are a DEALER, and parts with more to follow. Comes
// again when it is cut, which it counts, until so many bytes are out.
void send_without_end(int port, std::size_t bytes, std::atomic<int>& cuts) {
  using namespace std::string_literals;
  const std::string hello = "\xff\0\0\0\0\0\0\0\x01\x7f\x03\0NULL"s + std::string(48, '\0') +
                            "\x04\x1c\x05READY\x0bSocket-Type\0\0\0\x06" "DEALER"s;
  const std::string part = "\x03\0\0\0\0\0\x01\0\0"s + std::string(64U << 10U, 'x');
  std::size_t sent = 0;
  while (sent < bytes) {
    const shm::UniqueFd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<std::uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    bool alive = ::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address),
                           sizeof address) == 0;
    send_all(socket.get(), hello, alive);
    const std::size_t before = sent;
    for (; alive && sent < bytes; sent += part.size()) send_all(socket.get(), part, alive);
    if (alive) continue;
    constexpr std::size_t kMuch = 1U << 20U;
    if (sent - before > kMuch) ++cuts;
    poll_briefly();
  }
}

TEST(Endless, AMessageWithoutEndIsCutAndOthersGoOn) {
  manager::PrivateServer server(manager::Types(), {.address = "tcp://127.0.0.1:0"});
  const std::string address = server.addresses().back();
  const int port = core::parse_tcp(address)->port;
  const Manager manager = Manager::connect(address);
  const List<int> numbers = manager.list<int>();
  numbers.append(0);

  constexpr std::size_t kBytes = 500U << 20U;
  std::vector<std::thread> strangers;
  std::atomic<int> cuts = 0;
  for (int i = 0; i < 2; ++i) {
    strangers.emplace_back([&] { send_without_end(port, kBytes, cuts); });
  }
  for (int i = 1; i < 500; ++i) {
    numbers.append(i);
    EXPECT_EQ(numbers.at(-1), i);
  }
  for (std::thread& stranger : strangers) stranger.join();
  numbers.append(500);
  EXPECT_EQ(numbers.size(), 501U);

  // What the guard lets pass, and what comes in between two of its looks on a busy machine: less
  // than half of what was sent.
  const std::size_t allowance = std::size_t{kSanitized ? 1024U : 160U} << 20U;
  EXPECT_GT(cuts, 0);
  EXPECT_LT(peak_bytes(server.pid()), (std::size_t{256} << 20U) + allowance);
  std::printf("the server's peak: %zu MiB\n", peak_bytes(server.pid()) >> 20U);
}

}  // namespace
}  // namespace steward::detail::test
