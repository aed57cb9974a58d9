// A lack of descriptors: the server turns connections away, and goes on. Each server runs in a
// child with few of them, since the tests take them all.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <time.h>

#include <cstdint>
#include <vector>

#include <steward/core/tcp_address.hpp>
#include <steward/manager/server/accept.hpp>
#include <steward/tests/client/forked.hpp>
#include <steward/tests/server/loop/few_descriptors.hpp>
#include <steward/tests/server/loop/loop_test.hpp>

namespace steward::detail::test {
namespace {

constexpr rlim_t kDescriptors = 256;

void say(int out, const std::string& line) {
  const std::string text = line + "\n";
  if (::write(out, text.data(), text.size()) < 0) std::abort();
}

// A server until it is killed. `between` is called after each of its steps.
int serve(int out, const std::function<void(server::Server&)>& between) {
  limit_descriptors(kDescriptors);
  server::ServerOptions options;
  options.entrance.address = "tcp://127.0.0.1:0";
  server::Server server(server::builtin_classes(), std::move(options));
  say(out, server.addresses().front());
  say(out, server.addresses().back());
  for (;;) {
    server.step(10ms);
    between(server);
  }
}

shm::UniqueFd connect_raw(const std::string& directory) {
  const std::string path = directory + "/manager.sock";
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path.data(), path.size());
  shm::UniqueFd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  // Waits while the backlog is full.
  if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    throw std::system_error(errno, std::generic_category(), "connect");
  }
  return socket;
}

shm::UniqueFd connect_tcp(std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  shm::UniqueFd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    throw std::system_error(errno, std::generic_category(), "connect");
  }
  return socket;
}

bool hung_up(const shm::UniqueFd& socket) {
  pollfd entry{socket.get(), POLLRDHUP, 0};
  return ::poll(&entry, 1, 0) == 1 && (entry.revents & (POLLRDHUP | POLLHUP)) != 0;
}

class Accept : public testing::Test {
 protected:
  void start(const std::function<void(server::Server&)>& between) {
    child = std::make_unique<Forked>([&](int out) { return serve(out, between); });
    address = child->line();
    port = core::parse_tcp(child->line())->port;
    directory = server::directory_of(address);
  }
  ~Accept() override {
    child.reset();
    server::remove_dead_directory(directory);
  }

  BareClient come_in() {
    BareClient client = BareClient::come_in(address, poll_briefly);
    client.hello();
    return client;
  }

  std::chrono::nanoseconds server_cpu_time() const {
    clockid_t clock{};
    timespec used{};
    if (::clock_getcpuclockid(child->pid(), &clock) != 0) return {};
    ::clock_gettime(clock, &used);
    return std::chrono::seconds(used.tv_sec) + std::chrono::nanoseconds(used.tv_nsec);
  }
  // A thread that spins would use all of the time that passes.
  void expect_idle() const {
    const auto begin = std::chrono::steady_clock::now();
    const auto used = server_cpu_time();
    ASSERT_GT(used.count(), 0);
    while (std::chrono::steady_clock::now() - begin < 200ms) poll_briefly();
    EXPECT_LT(server_cpu_time() - used, (std::chrono::steady_clock::now() - begin) / 4);
  }

  std::unique_ptr<Forked> child;
  std::string address;
  std::string directory;
  std::uint16_t port = 0;
};

TEST_F(Accept, AFloodOfConnectionsTurnsOnlyItselfAway) {
  start([](server::Server&) {});
  BareClient before = come_in();
  const core::ObjectId list = before.create("list");

  constexpr int kFloods = 4;
  constexpr int kEach = 500;
  std::vector<std::unique_ptr<Forked>> floods;
  for (int i = 0; i < kFloods; ++i) {
    floods.push_back(std::make_unique<Forked>([this](int out) {
      limit_descriptors(kEach + 100);
      std::vector<shm::UniqueFd> held;
      while (held.size() < kEach) held.push_back(connect_raw(directory));
      say(out, "flooded");
      for (;;) ::pause();
      return 0;
    }));
  }
  for (const auto& flood : floods) ASSERT_EQ(flood->line(), "flooded");
  for (int i = 0; i < 100; ++i) before.get(list, "append", Value(i));
  expect_idle();
  EXPECT_EQ(before.get(list, "size").integer(), 100);

  floods.clear();
  const auto ended = std::chrono::steady_clock::now();
  BareClient after = come_in();
  EXPECT_EQ(after.get(after.create("list"), "size").integer(), 0);
  // In truth some milliseconds; the rest is for machines that have other things to do.
  EXPECT_LT(std::chrono::steady_clock::now() - ended, 5s);
}

TEST_F(Accept, NorDoesAFloodOverTcpTakeTheLastDescriptors) {
  start([](server::Server&) {});
  BareClient before = come_in();
  const core::ObjectId list = before.create("list");
  std::vector<shm::UniqueFd> flood;
  for (int i = 0; i < 400; ++i) flood.push_back(connect_tcp(port));
  EXPECT_TRUE(eventually(poll_briefly, [&] { return hung_up(flood.back()); }));
  expect_idle();
  EXPECT_EQ(before.get(list, "size").integer(), 0);
  // Some are left for those of this host.
  BareClient after = come_in();
  EXPECT_EQ(after.get(after.create("list"), "size").integer(), 0);
}

TEST_F(Accept, WhereTheProcessItselfTookAllDescriptorsNobodyGetsInAndNobodySpins) {
  std::vector<shm::UniqueFd> taken;
  start([&](server::Server& server) {
    if (server.core().number_of_objects() == 1 && taken.empty()) taken = take_all_descriptors();
    if (server.core().number_of_objects() == 2) taken.clear();
  });
  BareClient before = come_in();
  const core::ObjectId list = before.create("list");
  before.get(list, "size");  // by now they are gone

  std::vector<shm::UniqueFd> turned_away;
  for (int i = 0; i < 50; ++i) turned_away.push_back(connect_raw(directory));
  for (int i = 0; i < 50; ++i) turned_away.push_back(connect_tcp(port));
  for (const auto& socket : turned_away) {
    EXPECT_TRUE(eventually(poll_briefly, [&] { return hung_up(socket); }));
  }
  expect_idle();
  EXPECT_EQ(before.get(list, "size").integer(), 0);

  const core::ObjectId second = before.create("list");
  before.get(second, "size");  // and now they are back
  BareClient after = come_in();
  EXPECT_EQ(after.get(after.create("list"), "size").integer(), 0);
}

// 0: the spare descriptor is there again once there was one for anybody.
int lose_the_spare(int) {
  limit_descriptors(kDescriptors);
  server::AcceptGuard guard;
  const shm::UniqueFd listening(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  if (::bind(listening.get(), reinterpret_cast<const sockaddr*>(&address), size) != 0 ||
      ::listen(listening.get(), 10) != 0 ||
      ::getsockname(listening.get(), reinterpret_cast<sockaddr*>(&address), &size) != 0) {
    return 1;
  }
  const std::uint16_t port = ntohs(address.sin_port);
  guard.guard_port(port);
  std::vector<shm::UniqueFd> clients;
  for (int i = 0; i < 3; ++i) clients.push_back(connect_tcp(port));
  const auto accepted = [&] {
    return shm::UniqueFd(::accept4(listening.get(), nullptr, nullptr, 0));
  };

  rlimit before{};
  ::getrlimit(RLIMIT_NOFILE, &before);
  const rlimit none{0, before.rlim_max};
  ::setrlimit(RLIMIT_NOFILE, &none);
  if (accepted() || errno != ENFILE) return 2;
  ::setrlimit(RLIMIT_NOFILE, &before);
  if (!accepted()) return 3;
  const std::vector<shm::UniqueFd> taken = take_all_descriptors();
  return !accepted() && errno == ECONNABORTED ? 0 : 4;
}

TEST(AcceptGuard, TheSpareDescriptorComesBackWhereItWasLost) {
  EXPECT_EQ(Forked(lose_the_spare).join(), 0);
}

}  // namespace
}  // namespace steward::detail::test
