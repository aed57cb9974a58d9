// Sessions over real sockets: control socket, ZeroMQ, their ends.
#include <gtest/gtest.h>

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <future>
#include <thread>

#include <steward/client/address.hpp>
#include <steward/client/control_socket.hpp>
#include <steward/client/reference.hpp>
#include <steward/client/unix_socket.hpp>
#include <steward/core/auth.hpp>
#include <steward/core/errors.hpp>
#include <steward/core/handle_codec.hpp>
#include <steward/core/ipc_address.hpp>
#include <steward/tests/client/fake_house.hpp>
#include <steward/tests/client/forked.hpp>
#include <steward/tests/client/programs.hpp>
#include <steward/tests/client/tcp_house.hpp>
#include <steward/tests/crash/eventually.hpp>
#include <steward/tests/sanitized.hpp>

namespace steward::detail::test {
namespace {

using namespace std::chrono_literals;

constexpr core::ObjectId kList{3};

std::int64_t add(const client::SessionPtr& session, std::int64_t number) {
  return integer_of(session->call(kList, "add", arguments({encoded(number)}), {}).value());
}

template <class Exception, class F>
std::string thrown(F&& what) {
  try {
    what();
  } catch (const Exception& exception) {
    return exception.what();
  }
  ADD_FAILURE() << "nothing was thrown";
  return {};
}

class ConnectTest : public testing::Test {
 protected:
  ~ConnectTest() override { client::end_all_sessions(5s); }
};

TEST_F(ConnectTest, CallsGoThroughTheSockets) {
  FakeHouse house;
  const client::SessionPtr session = client::connect(house.address());
  EXPECT_EQ(session->incarnation(), house.manager().incarnation());
  EXPECT_EQ(session->server_pid(), ::getpid());
  EXPECT_EQ(session->addresses(), std::vector<std::string>{house.address()});
  for (int i = 1; i <= 100; ++i) EXPECT_EQ(add(session, 1), i);
  client::end_all_sessions(5s);
  EXPECT_EQ(house.manager().byes(), 1U);
}

TEST_F(ConnectTest, OneProcessHasOneSessionWithAManager) {
  FakeHouse house;
  std::vector<std::future<client::SessionPtr>> connecting;
  for (int i = 0; i < 8; ++i) {
    connecting.push_back(
        std::async(std::launch::async, [&] { return client::connect(house.address()); }));
  }
  const client::SessionPtr session = client::connect(house.address());
  for (auto& other : connecting) EXPECT_EQ(other.get(), session);
  EXPECT_EQ(client::connect(house.address() + "?boot=" + core::boot_id()), session);
  EXPECT_EQ(house.manager().sessions(), 1U);
}

TEST_F(ConnectTest, AnEndedSessionIsReplacedByAnother) {
  FakeHouse house;
  const client::SessionPtr first = client::connect(house.address());
  first->end(5s);
  const client::SessionPtr second = client::connect(house.address());
  EXPECT_NE(first, second);
  EXPECT_EQ(add(second, 1), 1);
}

TEST_F(ConnectTest, ATokenIsOpenedWhereItsAddressesSay) {
  FakeHouse house;
  core::Token token;
  token.incarnation = house.manager().incarnation();
  token.object = kList;
  token.type = "list";
  token.addresses = {"ipc:///nowhere/at/all/manager.sock", house.address()};
  const core::ReferencePtr reference = client::open_token(token);
  EXPECT_EQ(house.manager().grants().at(3), 1U);
  EXPECT_EQ(add(client::session_of(reference), 1), 1);
  // A token that was merely decoded is claimed at its first use, once.
  const core::ReferencePtr decoded = client::unclaimed(reference->outgoing());
  EXPECT_EQ(house.manager().grants().at(3), 1U);
  EXPECT_EQ(add(client::session_of(decoded), 1), 2);
  EXPECT_EQ(add(client::session_of(decoded), 1), 3);
  EXPECT_EQ(house.manager().grants().at(3), 2U);
}

TEST_F(ConnectTest, AForeignHandleInAResultIsDialledWhenItIsUsedAndByTheDeadline) {
  FakeHouse house;
  const client::SessionPtr session = client::connect(house.address());
  FakeHouse elsewhere(Control::mute);
  core::Token token;
  token.incarnation = core::random_id<core::Incarnation>();
  token.object = kList;
  token.type = "list";
  token.addresses = {elsewhere.address()};
  const core::ReferencePtr decoded = session->codec().incoming(token);
  EXPECT_EQ(elsewhere.peers(), 0U);
  const auto before = std::chrono::steady_clock::now();
  EXPECT_THROW(client::session_of(decoded, core::deadline_after(20ms)), Disconnected);
  EXPECT_LT(std::chrono::steady_clock::now() - before, 9s) << "not the timeout of connecting";
  EXPECT_EQ(elsewhere.peers(), 1U);
}

TEST_F(ConnectTest, SessionsThatNobodyUsesAnyMoreEnd) {
  std::vector<std::unique_ptr<FakeHouse>> houses;
  for (int i = 0; i < 10; ++i) {
    houses.push_back(std::make_unique<FakeHouse>());
    core::Token token = list_token(houses.back()->manager().incarnation(), 3);
    token.addresses = {houses.back()->address()};
    add(client::session_of(client::open_token(token)), 1);
  }
  // The oldest ones say goodbye; a few stay, for those who come back.
  houses.front()->manager().wait_until([](const FakeManager& seen) { return seen.byes() == 1; });
  EXPECT_EQ(houses.back()->manager().sessions(), 1U);
}

// While its manager is away the session's own thread is at it nearly always. That is no use of it.
TEST_F(ConnectTest, ASessionThatIsLeftEndsAlsoWhileItsManagerIsAway) {
  auto house = std::make_unique<TcpHouse>();
  client::SessionPtr session = client::connect(house->address(), {.timeout = 1h});
  const std::weak_ptr<client::Session> alive = session->weak_from_this();
  house.reset();
  EXPECT_THROW(session->call(kList, "add", arguments({encoded(1)}),
                             {.deadline = core::deadline_after(200ms)}),
               TimeoutError);
  constexpr long kAtRest = 3;  // who knows it by its address and by its manager, and this test
  while (alive.use_count() == kAtRest) std::this_thread::yield();
  client::leave(std::move(session));
  while (!alive.expired()) std::this_thread::yield();
}

TEST_F(ConnectTest, IdleSessionsEndAlsoWhileTheirManagersAreAway) {
  std::weak_ptr<client::Session> first;
  for (int i = 0; i < 5; ++i) {
    TcpHouse house;
    core::Token token = list_token(house.manager().incarnation(), 3);
    token.addresses = {house.address()};
    const core::ReferencePtr reference = client::open_token(token);
    if (i == 0) first = client::session_of(reference)->weak_from_this();
  }
  while (!first.expired()) std::this_thread::yield();
  client::end_all_sessions(0s);  // nobody is there
}

TEST_F(ConnectTest, ASessionStaysWhileAnotherOneUsesIt) {
  FakeHouse house;
  const client::SessionPtr session = client::connect(house.address());
  client::leave(client::connect(house.address()));
  EXPECT_EQ(add(session, 1), 1);
  core::ReferencePtr reference = session->claim(list_token(house.manager().incarnation(), 3));
  client::leave(session);
  EXPECT_EQ(add(client::session_of(reference), 1), 2);
}

// Nobody has looked since.
TEST_F(ConnectTest, AManagerOverTcpThatWasReplacedIsNotGivenAgain) {
  auto house = std::make_unique<TcpHouse>();
  const std::string address = house->address();
  const client::SessionPtr session = client::connect(address);
  house.reset();
  EXPECT_THROW(client::connect(address), Disconnected) << "at once: the host refuses";
  house = std::make_unique<TcpHouse>(core::random_id<core::Incarnation>(), "", address);
  const client::SessionPtr next = client::connect(address);
  EXPECT_EQ(next->incarnation(), house->manager().incarnation());
  EXPECT_EQ(add(next, 1), 1);
  EXPECT_EQ(client::connect(address), next);
  client::end_all_sessions(5s);
}

// What a post has met is for the next call of its thread, and no answer to who connects.
TEST_F(ConnectTest, ToLookForAManagerTakesNobodysError) {
  TcpHouse house;
  const client::SessionPtr session = client::connect(house.address());
  session->post(kList, "fail", arguments({encoded("no")}));
  EXPECT_EQ(client::connect(house.address()), session);
  EXPECT_THROW(add(session, 1), BadCall);
  client::end_all_sessions(5s);
}

TEST_F(ConnectTest, ATokenOfAnotherLifeOfTheManagerIsDisconnected) {
  FakeHouse house;
  core::Token token;
  token.incarnation = core::random_id<core::Incarnation>();
  token.addresses = {house.address()};
  const std::string text = thrown<Disconnected>([&] { client::open_token(token); });
  EXPECT_NE(text.find("another manager is at " + house.address()), text.npos) << text;
}

TEST_F(ConnectTest, AnEmptyProxyIsStale) {
  EXPECT_THROW(client::session_of(nullptr), StaleHandle);
}

TEST_F(ConnectTest, NobodyAtTheAddressIsSaidAtOnce) {
  const std::string text =
      thrown<Disconnected>([] { client::connect("ipc:///nowhere/at/all/manager.sock"); });
  EXPECT_EQ(text, "no manager answers at ipc:///nowhere/at/all/manager.sock: No such file or "
                  "directory");
  EXPECT_THROW(client::connect("http://nowhere"), BadCall);
  EXPECT_THROW(client::connect("ipc://nowhere"), BadCall);
}

TEST_F(ConnectTest, AnAddressOfAnotherBootIsNotDialled) {
  FakeHouse house;
  const std::string text =
      thrown<Disconnected>([&] { client::connect(house.address() + "?boot=another"); });
  EXPECT_NE(text.find("it ran on another host"), text.npos) << text;
  EXPECT_EQ(house.manager().sessions(), 0U);
}

// Nor can it read which boot this is.
TEST_F(ConnectTest, WithoutDescriptorsItIsSaidSo) {
  if (kSanitized) GTEST_SKIP() << "the sanitizer needs descriptors itself";
  FakeHouse house;
  const std::string address = house.address() + "?boot=" + core::boot_id();
  const int next = ::dup(0);
  ::close(next);
  rlimit usual{};
  ::getrlimit(RLIMIT_NOFILE, &usual);
  const rlimit full{static_cast<rlim_t>(next), usual.rlim_max};
  ::setrlimit(RLIMIT_NOFILE, &full);
  std::string text = "connected";
  try {
    client::connect(address);
  } catch (const std::exception& error) {
    text = error.what();
  }
  ::setrlimit(RLIMIT_NOFILE, &usual);
  EXPECT_NE(text.find("Too many open files"), text.npos) << text;
}

TEST_F(ConnectTest, ARefusalIsTold) {
  FakeHouse house(Control::refuses);
  const std::string text = thrown<Disconnected>([&] { client::connect(house.address()); });
  EXPECT_NE(text.find("refused: it is closed today"), text.npos) << text;
}

TEST_F(ConnectTest, ARefusalIsToldAlsoByAControlSocketThatDidNotListen) {
  FakeHouse house(Control::refuses_unheard);
  const std::string text = thrown<Disconnected>([&] { client::connect(house.address()); });
  EXPECT_NE(text.find("refused: it is full"), text.npos) << text;
}

// It accepts nobody, and more would have to wait there than may: nobody says whose it is.
TEST_F(ConnectTest, AFullSocketOfAnotherUserHoldsNobodyUp) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root can be another user";
  std::string directory = "/tmp/steward-squat-XXXXXX";
  ASSERT_NE(::mkdtemp(directory.data()), nullptr);
  ::chmod(directory.c_str(), 0777);
  const std::string path = directory + "/socket";
  Forked squatter([&](int out) {
    if (::setgid(4001) != 0 || ::setuid(4001) != 0) return 1;
    const auto address = client::unix_address(path);
    const auto* any = reinterpret_cast<const sockaddr*>(&*address);
    const int listening = ::socket(AF_UNIX, SOCK_SEQPACKET, 0);
    if (::bind(listening, any, sizeof *address) != 0 || ::chmod(path.c_str(), 0777) != 0 ||
        ::listen(listening, 0) != 0) {
      return 2;
    }
    const auto come = [&] {
      const int socket = ::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0);
      return ::connect(socket, any, sizeof *address) == 0;
    };
    while (come()) {
    }
    if (::write(out, "full\n", 5) != 5) return 3;
    return ::poll(nullptr, 0, -1);
  });
  ASSERT_EQ(squatter.line(), "full");
  const auto begin = std::chrono::steady_clock::now();
  const std::string text =
      thrown<AuthenticationError>([&] { client::connect("ipc://" + path, {.timeout = 60s}); });
  EXPECT_LT(std::chrono::steady_clock::now() - begin, 30s);
  EXPECT_NE(text.find("user 4001"), text.npos) << text;
  std::filesystem::remove_all(directory);
}

TEST_F(ConnectTest, AMuteControlSocketIsGivenUp) {
  FakeHouse house(Control::mute);
  EXPECT_THROW(client::connect(house.address(), {.timeout = 20ms}), Disconnected);
}

TEST_F(ConnectTest, AForeignPidfdIsNotBelieved) {
  FakeHouse house(Control::shows_foreign_pidfd);
  EXPECT_THROW(client::connect(house.address()), AuthenticationError);
}

TEST_F(ConnectTest, ABrokenConnectionIsResumed) {
  FakeHouse house;
  const client::SessionPtr session = client::connect(house.address());
  for (int i = 1; i <= 5; ++i) {
    EXPECT_EQ(add(session, 1), i);
    house.restart_router();
  }
  EXPECT_EQ(add(session, 1), 6);
  EXPECT_EQ(house.manager().runs("add"), 6U);
  EXPECT_EQ(house.manager().sessions(), 1U);
}

TEST_F(ConnectTest, AHangUpMeansANewSession) {
  FakeHouse house;
  const client::SessionPtr session = client::connect(house.address());
  const core::ReferencePtr kept =
      session->claim(list_token(house.manager().incarnation(), 3));
  house.manager().forget_sessions();
  house.hang_up();
  client::CallOptions reading;
  reading.effect = client::Effect::read;
  EXPECT_EQ(integer_of(session->call(kList, "echo", arguments({encoded(5)}), reading).value()), 5);
  EXPECT_EQ(add(session, 1), 1);
  EXPECT_EQ(house.manager().sessions(), 1U);
  EXPECT_EQ(house.manager().grants().at(3), 1U);
}

// Or one that speaks without end would keep us listening.
TEST_F(ConnectTest, AWordThatNobodyHasAskedForIsAHangUp) {
  FakeHouse house;
  const client::SessionPtr session = client::connect(house.address());
  house.speak_unasked();
  EXPECT_TRUE(eventually([&] {
    session->call(kList, "echo", arguments({encoded(5)}), {.effect = client::Effect::read});
    return house.peers() == 2;
  }));
}

// A manager in a process of its own, which a test may kill.
class DeathTest : public ConnectTest {
 protected:
  DeathTest()
      : child([](int out) {
          FakeHouse house;
          const std::string address = house.address() + "\n";
          if (::write(out, address.data(), address.size()) < 0) return 1;
          for (;;) ::pause();
        }),
        address(child.line()) {}
  ~DeathTest() override {
    child.kill();
    std::filesystem::remove_all(
        std::filesystem::path(client::parse_ipc(address)->control).parent_path());
  }

  Forked child;
  const std::string address;
};

TEST_F(DeathTest, AManagersDeathEndsAllCallsAtOnce) {
  const client::SessionPtr session = client::connect(address);
  EXPECT_EQ(session->server_pid(), child.pid());
  client::CallOptions options;
  options.object_type = "list";
  std::vector<std::future<void>> calls;
  for (const auto effect : {client::Effect::change, client::Effect::read, client::Effect::take}) {
    calls.push_back(std::async(std::launch::async, [=, this] {
      client::CallOptions mine = options;
      mine.effect = effect;
      const std::string text = thrown<Disconnected>(
          [&] { session->call(kList, "park", arguments({}), mine); });
      EXPECT_EQ(text, "list#3.park: the manager at " + address + " (pid " +
                          std::to_string(child.pid()) + ") has ended");
    }));
  }
  add(session, 1);
  child.kill();
  for (auto& call : calls) call.get();
  EXPECT_THROW(add(session, 1), Disconnected);
  EXPECT_THROW(client::connect(address), Disconnected);
}

TEST_F(DeathTest, ADeathWhileNobodyLooksIsSeenByWhoConnects) {
  const client::SessionPtr session = client::connect(address);
  child.kill();
  EXPECT_THROW(client::connect(address), Disconnected);
}

TEST_F(DeathTest, ADeathWhileNobodyLooksIsSeenByTheNextCall) {
  const client::SessionPtr session = client::connect(address);
  add(session, 1);
  child.kill();
  EXPECT_THROW(add(session, 1), Disconnected);
}

// The end of an ordinary program, seen from its manager: see main.cpp.
TEST(ExitTest, AProgramThatEndsSaysThatItDoesSoInOrder) {
  FakeHouse house;
  std::string program = "/proc/self/exe";
  std::string mode = kPostAndEnd;
  std::string address = house.address();
  char* argv[] = {program.data(), mode.data(), address.data(), nullptr};
  pid_t pid = 0;
  ASSERT_EQ(::posix_spawn(&pid, program.c_str(), nullptr, nullptr, argv, environ), 0);
  int status = 0;
  ASSERT_EQ(::waitpid(pid, &status, 0), pid);
  EXPECT_EQ(status, 0);
  EXPECT_EQ(house.manager().ends_announced(), 1U);
  // What was posted before is done.
  EXPECT_EQ(house.manager().sum(), 7);
}

// An exception in a thread that nobody joins would be the end of a program that has ended well.
TEST(ExitTest, AProgramThatEndsLeavesWaitingThreadsAsleep) {
  FakeHouse house;
  std::string program = "/proc/self/exe";
  std::string mode = kWaitAndEnd;
  std::string address = house.address();
  char* argv[] = {program.data(), mode.data(), address.data(), nullptr};
  int input[2];
  ASSERT_EQ(::pipe2(input, O_CLOEXEC), 0);
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_adddup2(&actions, input[0], STDIN_FILENO);
  pid_t pid = 0;
  ASSERT_EQ(::posix_spawn(&pid, program.c_str(), &actions, nullptr, argv, environ), 0);
  ::posix_spawn_file_actions_destroy(&actions);
  ::close(input[0]);
  house.manager().wait_until([](const FakeManager& seen) { return seen.runs("park") == 1; });
  ::close(input[1]);
  int status = 0;
  ASSERT_EQ(::waitpid(pid, &status, 0), pid);
  EXPECT_EQ(status, 0);
  EXPECT_EQ(house.manager().ends_announced(), 1U);
  EXPECT_EQ(house.manager().sum(), 1) << "until its end it may call";
}

}  // namespace
}  // namespace steward::detail::test
