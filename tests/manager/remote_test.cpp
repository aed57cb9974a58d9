// Managers that are reached over tcp: who gets in, and what those are told who do not.
#include <chrono>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <steward/manager/private_server.hpp>
#include <steward/shm/unique_fd.hpp>
#include <steward/steward.hpp>

namespace steward::detail::test {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

constexpr const char* kLoopback = "tcp://127.0.0.1:0";
constexpr const char* kEverywhere = "tcp://0.0.0.0:0";
const std::string kPassphrase = "correct horse battery staple";

std::string reason(const std::function<void()>& attempt) {
  try {
    attempt();
  } catch (const BadCall& error) {
    return error.what();
  }
  return "nothing was wrong";
}

// What an attempt to enter ends in.
enum class End { in, authentication, disconnected };
End enter(const std::string& address, const std::string& key) {
  const auto before = std::chrono::steady_clock::now();
  End end = End::in;
  try {
    const Manager manager = Manager::connect(address, {.key = key, .timeout = 10s});
    EXPECT_EQ(manager.list<int>({1, 2}).size(), 2U);
  } catch (const AuthenticationError& error) {
    EXPECT_THAT(error.what(), HasSubstr("key"));
    EXPECT_EQ(std::string(error.what()).find(key.empty() ? "\1" : key), std::string::npos)
        << "a secret in an error text";
    end = End::authentication;
  } catch (const Disconnected&) {
    end = End::disconnected;
  }
  EXPECT_LT(std::chrono::steady_clock::now() - before, 10s) << "later than the timeout";
  return end;
}

// Address x key of the manager x key of the client. The server is started beside the client
// library, which would otherwise use the way of its own host.
TEST(Remote, OnlyTheRightKeyOpens) {
  const std::string key = generate_key();
  const std::string other = generate_key();
  for (const char* address : {kLoopback, kEverywhere}) {
    for (const std::string& servers : {std::string(), key, kPassphrase}) {
      if (servers.empty() && address == kEverywhere) continue;
      manager::PrivateServer server(manager::Types(), {.address = address, .key = servers});
      for (const std::string& clients :
           {std::string(), key, kPassphrase, other, std::string("another passphrase")}) {
        const End expected = clients == servers ? End::in : End::authentication;
        EXPECT_EQ(enter(server.addresses().back(), clients), expected)
            << address << ", server " << servers.substr(0, 14) << ", client "
            << clients.substr(0, 14);
      }
    }
  }
}

TEST(Remote, IsNotOfferedOffThisHostWithoutAKey) {
  for (const std::string address : {"tcp://0.0.0.0:0", "tcp://*:0", "tcp://[::]:0", "tcp://eth0:0",
                                    "tcp://10.1.2.3:0", "tcp://example.org:0"}) {
    for (const auto& start : std::vector<std::function<void()>>{
             [&] { Manager(ManagerOptions{.address = address}); },
             [&] { Manager::serve(ManagerOptions{.address = address}); }}) {
      EXPECT_THAT(reason(start), HasSubstr("without a key")) << address;
    }
  }
}

TEST(Remote, IsNotOfferedOffThisHostWithAShortPassphrase) {
  const std::string fifteen(15, 'x');
  EXPECT_THAT(reason([&] { Manager(ManagerOptions{.address = kEverywhere, .key = fifteen}); }),
              HasSubstr("15 bytes, and needs 16"));
  EXPECT_NO_THROW(Manager(ManagerOptions{.address = kEverywhere, .key = fifteen + "x"}));
  EXPECT_NO_THROW(Manager(ManagerOptions{.address = kLoopback, .key = "short"}));
}

TEST(Remote, ADamagedKeyIsSaidToBeOne) {
  const std::string damaged = generate_key().substr(0, 30);
  const ManagerOptions options{.address = kLoopback, .key = damaged};
  const std::string said = reason([&] { Manager{options}; });
  EXPECT_THAT(said, HasSubstr("damaged"));
  EXPECT_THAT(said, testing::Not(HasSubstr(damaged)));
}

TEST(Remote, AMalformedAddressIsSaidToBeOne) {
  for (const std::string address : {"tcp://127.0.0.1", "127.0.0.1:80", "ipc//tmp/x",
                                    "tcp://:1"}) {
    EXPECT_THAT(reason([&] { Manager(ManagerOptions{.address = address}); }),
                HasSubstr("tcp://host:port")) << address;
  }
  EXPECT_THAT(reason([] { Manager::connect("tcp://127.0.0.1:0"); }), HasSubstr("no port"));
  EXPECT_THAT(reason([] { Manager::connect("http://127.0.0.1"); }), HasSubstr("address"));
}

TEST(Remote, APortThatIsTakenIsSaidToBe) {
  const Manager first{ManagerOptions{.address = kLoopback}};
  try {
    const Manager second{ManagerOptions{.address = first.address()}};
    FAIL() << "two managers listen at " << first.address();
  } catch (const std::exception& error) {
    EXPECT_THAT(error.what(), HasSubstr(first.address()));
    EXPECT_THAT(error.what(), HasSubstr("in use"));
  }
}

TEST(Remote, WithoutAPortOneIsChosenAndTold) {
  const Manager manager{ManagerOptions{.address = "tcp://localhost:0"}};
  EXPECT_THAT(manager.address(), testing::MatchesRegex("tcp://127\\.0\\.0\\.1:[1-9][0-9]*"));
  const Manager everywhere{ManagerOptions{.address = "tcp://*:0", .key = generate_key()}};
  EXPECT_THAT(everywhere.address(), testing::Not(HasSubstr("0.0.0.0")));
}

// A timeout that no test run would live to see.
TEST(Remote, WhereNobodyListensAConnectionFailsAtOnce) {
  const auto connecting = [](const std::string& address) -> std::string {
    try {
      Manager::connect(address, {.timeout = 24h});
    } catch (const Disconnected& error) {
      return error.what();
    }
    return "connected";
  };
  EXPECT_EQ(connecting("tcp://127.0.0.1:1"), "cannot reach tcp://127.0.0.1:1: Connection refused");
  EXPECT_EQ(connecting("tcp://[::1]:1").substr(0, 32), "cannot reach tcp://[::1]:1: Conn");
  EXPECT_THAT(connecting("tcp://no-such-host.invalid:5000"),
              HasSubstr("cannot reach tcp://no-such-host.invalid:5000: the host is unknown"));
}

// Its backlog is full: the kernel drops what connects, and nothing comes back.
TEST(Remote, WhereNothingComesBackAConnectionEndsAtItsTimeout) {
  const shm::UniqueFd listener(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  ASSERT_EQ(::bind(listener.get(), reinterpret_cast<sockaddr*>(&address), size), 0);
  ASSERT_EQ(::listen(listener.get(), 0), 0);
  ::getsockname(listener.get(), reinterpret_cast<sockaddr*>(&address), &size);
  std::vector<shm::UniqueFd> others;
  for (int i = 0; i < 4; ++i) {
    others.emplace_back(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    ::connect(others.back().get(), reinterpret_cast<sockaddr*>(&address), size);
  }
  const std::string where = "tcp://127.0.0.1:" + std::to_string(ntohs(address.sin_port));
  const auto before = std::chrono::steady_clock::now();
  EXPECT_THROW(Manager::connect(where, {.timeout = 200ms}), Disconnected);
  EXPECT_GE(std::chrono::steady_clock::now() - before, 200ms);
}

// Somebody else's service, which says something that is not ZeroMQ's.
TEST(Remote, WhatIsNoManagerIsSaidToBeNone) {
  const shm::UniqueFd listener(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  ASSERT_EQ(::bind(listener.get(), reinterpret_cast<sockaddr*>(&address), size), 0);
  ASSERT_EQ(::listen(listener.get(), 16), 0);
  ::getsockname(listener.get(), reinterpret_cast<sockaddr*>(&address), &size);
  std::thread service([&] {
    for (;;) {
      const shm::UniqueFd peer(::accept(listener.get(), nullptr, nullptr));
      if (!peer) return;
      const std::string words = "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n" +
                                std::string(100, ' ');
      ::send(peer.get(), words.data(), words.size(), MSG_NOSIGNAL);
    }
  });
  const std::string where = "tcp://127.0.0.1:" + std::to_string(ntohs(address.sin_port));
  try {
    Manager::connect(where, {.timeout = 10s});
    ADD_FAILURE() << "connected to a web server";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr(where));
  }
  ::shutdown(listener.get(), SHUT_RDWR);
  service.join();
}

TEST(Remote, AHandleLeadsToItsManagerFromAnywhere) {
  const std::string key = generate_key();
  manager::PrivateServer server(manager::Types(), {.address = kLoopback, .key = key});
  const Manager manager = Manager::connect(server.addresses().back(), {.key = key});
  const List<int> numbers = manager.list<int>({1, 2, 3});
  // On the manager's own host its own socket is nearer than tcp, and asks for no key.
  Process child([](const std::string& token) { open<List<int>>(token).append(4); },
                numbers.handle().str());
  child.start();
  child.join();
  EXPECT_EQ(child.exitcode(), 0);
  EXPECT_EQ(numbers.copy(), (std::vector<int>{1, 2, 3, 4}));
}

// As a manager without descriptors does: it closes connections before anybody could show a key.
TEST(Remote, WhereConnectionsAreTurnedAwayNoKeyIsSaidToBeWrong) {
  const shm::UniqueFd listening(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in name{};
  name.sin_family = AF_INET;
  name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof name;
  auto* any = reinterpret_cast<sockaddr*>(&name);
  ASSERT_EQ(::bind(listening.get(), any, size), 0);
  ASSERT_EQ(::listen(listening.get(), 10), 0);
  ASSERT_EQ(::getsockname(listening.get(), any, &size), 0);
  std::thread turns_away([&] {
    for (int socket; (socket = ::accept(listening.get(), nullptr, nullptr)) >= 0;) ::close(socket);
  });
  const std::string address = "tcp://127.0.0.1:" + std::to_string(ntohs(name.sin_port));
  std::string text = "connected";
  try {
    Manager::connect(address, {.key = generate_key(), .timeout = 30s});
  } catch (const Disconnected& error) {
    text = error.what();
  } catch (const AuthenticationError& error) {
    text = std::string("AuthenticationError: ") + error.what();
  }
  ::shutdown(listening.get(), SHUT_RDWR);
  turns_away.join();
  EXPECT_THAT(text, HasSubstr("turns connections away"));
}

}  // namespace
}  // namespace steward::detail::test
