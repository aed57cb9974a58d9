// Where a Listener may stand, whom it lets in, and what becomes of its path.
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <string>

#include <gtest/gtest.h>

#include <steward/client/unix_socket.hpp>
#include <steward/core/tcp_address.hpp>
#include <steward/core/auth_key.hpp>
#include <steward/core/errors.hpp>
#include <steward/pipe/listener.hpp>
#include <steward/process/process.hpp>
#include <steward/tests/client/forked.hpp>
#include <steward/tests/error_text.hpp>
#include <steward/tests/manager/scratch.hpp>
#include <steward/tests/refused_call.hpp>

namespace steward {
namespace {

using namespace std::chrono_literals;
using detail::test::Scratch;
using detail::test::text_of;

// ---- Addresses and keys ----

TEST(ListenerAddress, OtherThanIpcAndTcpIsRefused) {
  for (const char* address : {"", "work.sock", "inproc://x", "ipc://", "tcp://", "tcp://host"}) {
    EXPECT_THROW(Listener{address}, BadCall) << address;
    EXPECT_THROW(Connection<int>::connect(address), BadCall) << address;
  }
  EXPECT_THROW(Connection<int>::connect("tcp://127.0.0.1:0"), BadCall);
  EXPECT_THROW(Listener(std::string("ipc://\0name", 11)), BadCall);
  EXPECT_THROW(Listener("ipc:///tmp/" + std::string(103, 'x')), BadCall);
  EXPECT_THROW(Listener("tcp://127.0.0.1:0", {.backlog = 0}), BadCall);
}

TEST(ListenerAddress, OffThisHostItNeedsAKeyThatIsHardToGuess) {
  EXPECT_EQ(text_of<BadCall>([] { Listener("tcp://*:0"); }),
            "a Listener does not listen at tcp://*:0 without a key, where everybody could call it: "
            "give it one (`steward keygen` makes them), or listen at tcp://127.0.0.1:0");
  EXPECT_EQ(text_of<BadCall>([] { Listener("tcp://0.0.0.0:0", {.key = "short"}); }),
            "the passphrase for tcp://0.0.0.0:0 has 5 bytes, and needs 16: who listens on the "
            "network may try many (`steward keygen` makes good keys)");
  const std::string key = generate_key();
  Listener listener("tcp://*:0", {.key = key});
  const auto address = detail::core::parse_tcp(listener.address());
  ASSERT_TRUE(address);
  EXPECT_EQ(address->host, "*");
  auto near = Connection<int>::connect("tcp://127.0.0.1:" + std::to_string(address->port),
                                       {.key = key});
  near.send(4);
  EXPECT_EQ(listener.accept<int>().recv(), 4);
}

TEST(ListenerAddress, OnlyTheRightKeyOpens) {
  const std::string key = generate_key();
  struct Case {
    std::string listeners;
    std::string callers;
    std::string refusal;
  };
  const std::array cases{
      Case{key, generate_key(), "it does not accept this key: it was started with another one"},
      Case{key, "", "it wants a key: give the one it was started with (ConnectOptions::key, or "
                    "--key-file)"},
      Case{"", key, "it has no key: connect without one"}};
  for (const Case& one : cases) {
    Listener listener("tcp://127.0.0.1:0", {.key = one.listeners});
    const std::string text = text_of<AuthenticationError>([&] {
      Connection<int>::connect(listener.address(), {.key = one.callers, .timeout = 20s});
    });
    const std::string begin = "the Listener at " + listener.address() + " refused the connection: ";
    EXPECT_EQ(text, begin + one.refusal);
    EXPECT_FALSE(listener.try_accept<int>());
  }
}

TEST(ListenerAddress, APassphraseWillDo) {
  Listener listener("tcp://127.0.0.1:0", {.key = "correct horse battery"});
  auto near = Connection<int>::connect(listener.address(), {.key = "correct horse battery"});
  near.send(4);
  EXPECT_EQ(listener.accept<int>().recv(), 4);
}

TEST(ListenerAddress, AHostThatIsUnknownCannotBeListenedAt) {
  EXPECT_THROW(Listener("tcp://no.such.host.invalid:0", {.key = generate_key()}), SystemError);
}

TEST(ListenerAddress, AsManyAsItsBacklogMayWaitToBeAccepted) {
  Listener listener("tcp://127.0.0.1:0", {.backlog = 2});
  const std::string address = listener.address();
  auto first = Connection<int>::connect(address);
  auto second = Connection<int>::connect(address);
  EXPECT_EQ(text_of<Disconnected>([&] { Connection<int>::connect(address, {.timeout = 300ms}); }),
            "no Listener answers at " + address + " in time: too many wait to be accepted");
  auto accepted = listener.accept<int>();
  auto third = Connection<int>::connect(address);
  third.send(3);
  first.send(1);
  EXPECT_EQ(accepted.recv(), 1);
  listener.accept<int>();
  EXPECT_EQ(listener.accept<int>().recv(), 3);
}

// ---- Paths ----

TEST(ListenerPath, IsForThisUserAlone) {
  const Scratch scratch;
  const mode_t before = ::umask(0);
  const Listener listener("ipc://" + scratch.file("socket"));
  ::umask(before);
  for (const char* name : {"socket", "socket.lock"}) {
    struct stat status{};
    ASSERT_EQ(::stat(scratch.file(name).c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 0777U, 0600U) << name;
  }
}

TEST(ListenerPath, NothingIsLeftBehind) {
  const Scratch scratch;
  { const Listener listener("ipc://" + scratch.file("socket")); }
  EXPECT_TRUE(std::filesystem::is_empty(scratch.file("")));
}

TEST(ListenerPath, AKilledOnesIsTakenOver) {
  const Scratch scratch;
  const std::string address = "ipc://" + scratch.file("socket");
  detail::test::Forked child([&](int out) {
    const Listener listener(address);
    ::dprintf(out, "up\n");
    ::poll(nullptr, 0, -1);
    return 0;
  });
  ASSERT_EQ(child.line(), "up");
  EXPECT_THROW(Listener{address}, std::system_error) << "it lives";
  child.kill();
  EXPECT_TRUE(std::filesystem::exists(scratch.file("socket")));
  Listener listener(address);
  auto near = Connection<int>::connect(address);
  near.send(4);
  EXPECT_EQ(listener.accept<int>().recv(), 4);
}

TEST(ListenerPath, AFileThatIsNoSocketStays) {
  const Scratch scratch;
  std::ofstream(scratch.file("socket")) << "precious";
  EXPECT_THROW(Listener("ipc://" + scratch.file("socket")), std::system_error);
  EXPECT_TRUE(std::filesystem::exists(scratch.file("socket")));
  EXPECT_FALSE(std::filesystem::exists(scratch.file("socket.lock")));
}

TEST(ListenerPath, AStrangersListeningSocketStays) {
  const Scratch scratch;
  const detail::shm::UniqueFd stranger(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const auto name = detail::client::unix_address(scratch.file("socket"));
  ASSERT_EQ(::bind(stranger.get(), reinterpret_cast<const sockaddr*>(&*name), sizeof *name), 0);
  ASSERT_EQ(::listen(stranger.get(), 5), 0);
  EXPECT_THROW(Listener("ipc://" + scratch.file("socket")), std::system_error);
  EXPECT_TRUE(std::filesystem::exists(scratch.file("socket")));
}

TEST(ListenerPath, APathIntoNowhereIsRefused) {
  const Scratch scratch;
  EXPECT_THROW(Listener("ipc://" + scratch.file("none/socket")), std::system_error);
}

TEST(ListenerPath, AnyOneOfSeveralProcessesMayAccept) {
  const Scratch scratch;
  const std::string address = "ipc://" + scratch.file("socket");
  Listener listener(address);
  const auto serve = [&](int) {
    for (;;) {
      Connection<int> far = listener.accept<int>();
      far.send(::getpid());
    }
    return 0;
  };
  const detail::test::Forked a(serve);
  const detail::test::Forked b(serve);
  for (int i = 0; i < 20; ++i) {
    const int who = Connection<int>::connect(address).recv();
    EXPECT_TRUE(who == a.pid() || who == b.pid());
  }
}

TEST(ListenerPath, ACopyInAForkedChildLeavesThePathAlone) {
  const Scratch scratch;
  const std::string address = "ipc://" + scratch.file("socket");
  Listener listener(address);
  detail::test::Forked child([&](int) {
    listener.close();
    return 0;
  });
  EXPECT_EQ(child.join(), 0);
  auto near = Connection<int>::connect(address);
  near.send(4);
  EXPECT_EQ(listener.accept<int>().recv(), 4);
}

TEST(ListenerAddress, WithoutADescriptorItIsSaidSo) {
  detail::test::Forked child([](int) {
    detail::test::refuse_call(SYS_socket, EMFILE);
    try {
      const Listener listener("tcp://127.0.0.1:0");
    } catch (const SystemError& error) {
      return error.code().value();
    }
    return 0;
  });
  EXPECT_EQ(child.join(), EMFILE);
}

}  // namespace
}  // namespace steward
