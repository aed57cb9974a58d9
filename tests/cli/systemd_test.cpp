// The unit for systemd: what it says is understood, and the manager tells when it is up.
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cstddef>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <steward/shm/unique_fd.hpp>
#include <steward/tests/cli/shell.hpp>

namespace steward::detail::test {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

class Systemd : public ShellTest {
 protected:
  static std::string unit() {
    std::ifstream file(std::string(STEWARD_SOURCE_DIR) + "/examples/systemd/steward.service");
    return {std::istreambuf_iterator<char>(file), {}};
  }
};

TEST_F(Systemd, TheUnitIsUnderstood) {
  const std::string verify = "/usr/bin/systemd-analyze";
  if (!fs::exists(verify)) GTEST_SKIP() << "there is no " << verify;
  std::string text = unit();
  const std::string installed = "/usr/bin/steward";
  text.replace(text.find(installed), installed.size(), STEWARD_PROGRAM);
  const Ran ran = run({verify, "--user", "verify", write("steward.service", text, 0644)},
                      {"XDG_RUNTIME_DIR=" + directory()});
  EXPECT_EQ(ran.code, 0);
  EXPECT_EQ(ran.err, "");
}

// A socket of this name, where somebody waits for the word.
shm::UniqueFd supervisor(const std::string& name) {
  shm::UniqueFd socket(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, name.data(), name.size());
  if (name[0] == '@') address.sun_path[0] = '\0';
  const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name.size());
  EXPECT_EQ(::bind(socket.get(), reinterpret_cast<sockaddr*>(&address), size), 0);
  return socket;
}

// Its command, under another name.
TEST_F(Systemd, TheManagerTellsThatItIsUp) {
  EXPECT_THAT(unit(), HasSubstr("\nType=notify\nExecStart=/usr/bin/steward serve --name work\n"));
  for (const std::string& name : {directory() + "/notify", "@steward-" + directory()}) {
    const shm::UniqueFd socket = supervisor(name);
    ::setenv("NOTIFY_SOCKET", name.c_str(), 1);
    Served served(directory(), {"--name", "systemd-" + std::to_string(::getpid())});
    ::unsetenv("NOTIFY_SOCKET");
    std::array<char, 64> text{};
    const ssize_t length = ::recv(socket.get(), text.data(), text.size(), 0);
    EXPECT_EQ(std::string(text.data(), static_cast<std::size_t>(std::max<ssize_t>(length, 0))),
              "READY=1");
    EXPECT_EQ(served.end(SIGTERM).code, 0);
    EXPECT_THAT(served.address(), HasSubstr("/systemd-"));
  }
}

TEST_F(Systemd, OneWhoDoesNotListenKeepsNoManagerFromItsClients) {
  const std::string name = directory() + "/notify";
  const shm::UniqueFd socket = supervisor(name);
  const shm::UniqueFd other(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  sockaddr_un address{};
  socklen_t size = sizeof address;
  ASSERT_EQ(::getsockname(socket.get(), reinterpret_cast<sockaddr*>(&address), &size), 0);
  while (::sendto(other.get(), "x", 1, 0, reinterpret_cast<sockaddr*>(&address), size) == 1) {
  }
  ::setenv("NOTIFY_SOCKET", name.c_str(), 1);
  Served served(directory());
  ::unsetenv("NOTIFY_SOCKET");
  EXPECT_EQ(steward({"ls", served.address()}).code, 0);
}

}  // namespace
}  // namespace steward::detail::test
