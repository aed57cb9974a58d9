// A socket at a path that others know: who may have it, and what is left of it.
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <system_error>

#include <gtest/gtest.h>

#include <steward/shm/socket_path.hpp>

namespace steward::detail::shm {
namespace {

namespace fs = std::filesystem;

class SocketPathTest : public testing::Test {
 protected:
  SocketPathTest() {
    std::string name = (fs::temp_directory_path() / "path-XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) std::abort();
    base = name;
    path = base + "/a.sock";
  }
  ~SocketPathTest() override { fs::remove_all(base); }

  int error(const std::string& at) {
    try {
      const SocketPath socket(at, SOCK_SEQPACKET, 8);
      return 0;
    } catch (const std::system_error& thrown) {
      text = thrown.what();
      return thrown.code().value();
    }
  }

  std::string base;
  std::string path;
  std::string text;
};

TEST_F(SocketPathTest, IsThisUsersAndVanishes) {
  {
    const SocketPath socket(path, SOCK_SEQPACKET, 8);
    struct stat status {};
    ASSERT_EQ(::lstat(path.c_str(), &status), 0);
    EXPECT_TRUE(S_ISSOCK(status.st_mode));
    EXPECT_EQ(status.st_mode & 0777, 0600U);
    EXPECT_EQ(SocketPath::owner(path), ::getpid());
  }
  EXPECT_TRUE(fs::is_empty(base));
}

TEST_F(SocketPathTest, ALivingOnesIsRefused) {
  const SocketPath first(path, SOCK_SEQPACKET, 8);
  EXPECT_EQ(error(path), EADDRINUSE);
  EXPECT_TRUE(fs::exists(path));
}

TEST_F(SocketPathTest, AnotherProgramsLivingSocketIsRefused) {
  for (const int type : {SOCK_SEQPACKET, SOCK_STREAM, SOCK_DGRAM}) {
    const UniqueFd other(::socket(AF_UNIX, type | SOCK_CLOEXEC, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, path.data(), path.size());
    ASSERT_EQ(::bind(other.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    if (type != SOCK_DGRAM) {
      ASSERT_EQ(::listen(other.get(), 1), 0);
    }
    EXPECT_EQ(error(path), EADDRINUSE);
    EXPECT_TRUE(fs::exists(path));
    fs::remove(path);
  }
}

TEST_F(SocketPathTest, ADeadOnesIsTakenOver) {
  const pid_t child = ::fork();
  if (child == 0) {
    const SocketPath socket(path, SOCK_SEQPACKET, 8);
    ::kill(::getpid(), SIGKILL);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_TRUE(fs::exists(path));
  EXPECT_EQ(SocketPath::owner(path), child);
  {
    const SocketPath socket(path, SOCK_SEQPACKET, 8);
    EXPECT_EQ(SocketPath::owner(path), ::getpid());
  }
  EXPECT_TRUE(fs::is_empty(base));
}

TEST_F(SocketPathTest, AFileThatIsNoSocketStays) {
  std::ofstream(path) << "precious";
  EXPECT_EQ(error(path), EEXIST);
  EXPECT_NE(text.find("is no socket"), text.npos) << text;
  EXPECT_EQ(fs::file_size(path), 8U);
  EXPECT_FALSE(fs::exists(path + ".lock")) << "nothing else is left";
}

TEST_F(SocketPathTest, ALockFileThatIsNotThisUsersAloneIsRefusedAndStays) {
  const std::string lock = path + ".lock";
  const std::string dear = base + "/dear";
  const auto refused = [&](const std::string& why) {
    EXPECT_EQ(error(path), EPERM);
    EXPECT_NE(text.find(lock + why), text.npos) << text;
    EXPECT_EQ(SocketPath::owner(path), 0);
    EXPECT_TRUE(fs::is_symlink(lock) || fs::exists(lock));
    fs::remove(lock);
  };
  std::ofstream(dear) << "4711";
  fs::create_symlink(dear, lock);
  refused(" is no lock file");
  fs::create_hard_link(dear, lock);
  refused(" is no lock file");
  ASSERT_EQ(::mkfifo(lock.c_str(), 0600), 0);
  refused(" is no lock file");
  EXPECT_EQ(fs::file_size(dear), 4U);
  if (::geteuid() != 0) GTEST_SKIP() << "only root gives files away";
  std::ofstream(lock) << "4711";
  ASSERT_EQ(::chown(lock.c_str(), 65534, 65534), 0);
  refused(" belongs to user 65534");
}

TEST_F(SocketPathTest, APathThatNoSocketCanHaveIsRefused) {
  EXPECT_EQ(error(base + "/" + std::string(100, 'x')), ENAMETOOLONG);
  EXPECT_EQ(error("/nowhere/a.sock"), ENOENT);
  EXPECT_TRUE(fs::is_empty(base));
}

TEST_F(SocketPathTest, AForkedCopyLeavesItAlone) {
  const SocketPath socket(path, SOCK_SEQPACKET, 8);
  const pid_t child = ::fork();
  if (child == 0) {
    socket.~SocketPath();
    ::_exit(0);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_TRUE(fs::exists(path));
}

TEST_F(SocketPathTest, LeavesWhatSomebodyElseHasPutThereMeanwhile) {
  auto first = std::make_unique<SocketPath>(path, SOCK_SEQPACKET, 8);
  fs::remove(path);
  fs::remove(path + ".lock");
  {
    const SocketPath second(path, SOCK_SEQPACKET, 8);
    first.reset();
    EXPECT_TRUE(fs::exists(path));
    EXPECT_EQ(error(path), EADDRINUSE);
  }
  EXPECT_TRUE(fs::is_empty(base));
}

}  // namespace
}  // namespace steward::detail::shm
