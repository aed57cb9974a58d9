#include <fcntl.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>

#include <steward/manager/server/directory.hpp>

namespace steward::detail::server {
namespace {

namespace fs = std::filesystem;

class DirectoryTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = (fs::temp_directory_path() / "stewtest-XXXXXX").string();
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    base = name;
  }
  void TearDown() override { fs::remove_all(base); }

  // What a killed manager leaves.
  std::string dead(const std::string& name) {
    const std::string path = base + "/" + name;
    ::mkdir(path.c_str(), 0700);
    for (const char* file : {"/lock", "/door", "/manager.sock"}) std::ofstream(path + file);
    return path;
  }

  std::string base;
};

TEST_F(DirectoryTest, IsPrivateAndVanishes) {
  std::string path;
  {
    const Directory directory(base);
    path = directory.path();
    struct stat status {};
    ASSERT_EQ(::stat(path.c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 0777, 0700U);
    EXPECT_EQ(fs::path(path).parent_path(), base);
    EXPECT_TRUE(fs::path(path).filename().string().starts_with("steward-"));
    std::ofstream(directory.socket());
    std::ofstream(directory.control());
  }
  EXPECT_FALSE(fs::exists(path));
}

TEST_F(DirectoryTest, SweepsWhatDeadManagersLeft) {
  const std::string left = dead("steward-0123456789abcdef");
  const Directory directory(base);
  EXPECT_FALSE(fs::exists(left));
}

TEST_F(DirectoryTest, LeavesLivingManagersAndStrangersAlone) {
  const Directory living(base);
  const std::string other = dead("somebody-else");
  const std::string unfinished = base + "/steward-unfinished";
  ::mkdir(unfinished.c_str(), 0700);
  const std::string open_to_all = dead("steward-opentoall");
  ::chmod(open_to_all.c_str(), 0755);
  fs::create_directory_symlink(other, base + "/steward-link");
  const Directory directory(base);
  EXPECT_TRUE(fs::exists(living.path() + "/lock"));
  EXPECT_TRUE(fs::exists(other + "/lock"));
  EXPECT_TRUE(fs::exists(unfinished));
  EXPECT_TRUE(fs::exists(open_to_all + "/lock"));
  EXPECT_TRUE(fs::is_symlink(base + "/steward-link"));
  EXPECT_FALSE(remove_dead_directory(living.path()));
}

TEST_F(DirectoryTest, DoesNotRemoveWhatItDoesNotKnow) {
  const std::string left = dead("steward-0123456789abcdef");
  std::ofstream(left + "/precious");
  EXPECT_FALSE(remove_dead_directory(left));
  EXPECT_TRUE(fs::exists(left + "/precious"));
}

TEST_F(DirectoryTest, StandsInTheRuntimeDirectoryIfThatIsPrivate) {
  const auto base_of = [](const char* runtime) {
    ::setenv("XDG_RUNTIME_DIR", runtime, 1);
    const Directory directory;
    return fs::path(directory.path()).parent_path().string();
  };
  EXPECT_EQ(base_of(base.c_str()), base);
  ::chmod(base.c_str(), 0755);
  EXPECT_EQ(base_of(base.c_str()), "/tmp");
  ::chmod(base.c_str(), 0700);
  EXPECT_EQ(base_of("/nowhere"), "/tmp");
  EXPECT_EQ(base_of(""), "/tmp");
  // No room for a socket's path behind it.
  const std::string deep = base + "/" + std::string(90, 'd');
  ::mkdir(deep.c_str(), 0700);
  EXPECT_EQ(base_of(deep.c_str()), "/tmp");
  ::unsetenv("XDG_RUNTIME_DIR");
}

TEST_F(DirectoryTest, StandsInTheFirstBaseThatCanHoldIt) {
  std::ofstream(base + "/file");
  const std::string open = base + "/open";
  const std::string good = base + "/good";
  ::mkdir(open.c_str(), 0755);
  ::mkdir(good.c_str(), 0755);
  const Directory directory({{base + "/missing", "XDG_RUNTIME_DIR", true},
                             {"relative", "TMPDIR"},
                             {base + "/file"},
                             {base + "/" + std::string(90, 'd')},
                             {base + "/two\nlines"},
                             {open, {}, true},
                             {good},
                             {base}});
  EXPECT_EQ(fs::path(directory.path()).parent_path(), good);
}

TEST_F(DirectoryTest, SaysWhatItHasTriedAndWhatHelps) {
  std::ofstream(base + "/file");
  ::chmod(base.c_str(), 0755);
  try {
    const Directory directory({{"/nowhere", "XDG_RUNTIME_DIR", true},
                               {base + "/file", "TMPDIR"},
                               {base, {}, true}});
    FAIL() << "it stands at " << directory.path();
  } catch (const std::exception& error) {
    EXPECT_EQ(std::string(error.what()),
              "no directory can hold a manager's sockets (XDG_RUNTIME_DIR=/nowhere: No such file "
              "or directory, TMPDIR=" + base + "/file: Not a directory, " + base +
              ": not this user's alone): set TMPDIR to one that this user can write to, whose path "
              "has at most 69 bytes");
  }
}

TEST_F(DirectoryTest, TriesTheVariablesFirst) {
  ::setenv("XDG_RUNTIME_DIR", "/one", 1);
  ::setenv("TMPDIR", "/tmp", 1);
  std::string order;
  for (const Base& one : usual_bases()) order += one.path + " ";
  const std::string of_user = "/run/user/" + std::to_string(::geteuid()) + " ";
  EXPECT_EQ(order, "/one /tmp /var/tmp /dev/shm " + of_user);
  order.clear();
  for (const Base& one : lasting_bases()) order += one.path + " ";
  EXPECT_EQ(order, "/tmp /var/tmp /dev/shm /one " + of_user);
  ::unsetenv("XDG_RUNTIME_DIR");
  ::unsetenv("TMPDIR");
}

TEST_F(DirectoryTest, SweepsEveryBaseThatIsTried) {
  const std::string first = base + "/first";
  const std::string second = base + "/second";
  for (const std::string& each : {first, second}) ::mkdir(each.c_str(), 0700);
  const std::string left[] = {dead("first/steward-0123456789abcdef"),
                              dead("second/steward-0123456789abcdef")};
  const Directory directory({{first}, {second}});
  for (const std::string& each : left) EXPECT_FALSE(fs::exists(each)) << each;
}

// That of the names of managers is called so in /tmp.
TEST_F(DirectoryTest, SweepsNothingThatIsNotNamedAsItNamesThem) {
  for (const std::string name : {"steward-0", "steward-0123456789abcdeg", "steward-"}) {
    const std::string other = dead(name);
    const Directory directory(base);
    EXPECT_FALSE(remove_dead_directory(other));
    EXPECT_TRUE(fs::exists(other)) << other;
  }
}

// Of four inodes that are needed the file system has less.
TEST_F(DirectoryTest, StandsWhereThereIsRoomForItsSockets) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root mounts file systems";
  const std::string full = base + "/full";
  ::mkdir(full.c_str(), 0700);
  for (const char* inodes : {"nr_inodes=1", "nr_inodes=2", "nr_inodes=3", "nr_inodes=4"}) {
    ASSERT_EQ(::mount("none", full.c_str(), "tmpfs", 0, inodes), 0) << "cannot mount";
    std::string parent;
    {
      const Directory directory({{full}, {base}});
      parent = fs::path(directory.path()).parent_path();
      EXPECT_TRUE(fs::is_empty(full)) << inodes;
    }
    ::umount2(full.c_str(), MNT_DETACH);
    EXPECT_EQ(parent, base) << inodes;
  }
}

TEST_F(DirectoryTest, AddressesHoldAnyCharacter) {
  for (const std::string name : {"a b", "what?", "a?boot=b", "50%", "#1", "x;y&z", "'\""}) {
    const std::string odd = base + "/" + name;
    ::mkdir(odd.c_str(), 0700);
    const Directory directory(odd);
    EXPECT_EQ(directory_of(ipc_address(directory)), directory.path());
  }
}

TEST_F(DirectoryTest, PathsFitIntoASocketAddress) {
  const std::string longest = base + "/" + std::string(108 - 38 - 1 - base.size() - 1, 'd');
  ::mkdir(longest.c_str(), 0700);
  const Directory directory(longest);
  EXPECT_LT(directory.socket().size(), sizeof(sockaddr_un::sun_path));
  EXPECT_THROW(Directory(longest + "dd"), std::system_error);
}

TEST_F(DirectoryTest, AddressesNameTheDirectoryAndTheBoot) {
  const Directory directory(base);
  const std::string address = ipc_address(directory);
  EXPECT_TRUE(address.starts_with("ipc://" + directory.socket() + "?boot="));
  EXPECT_EQ(directory_of(address), directory.path());
  EXPECT_EQ(directory_of("ipc://" + directory.socket()), directory.path());
  EXPECT_EQ(directory_of("tcp://localhost:1"), "");
  EXPECT_EQ(directory_of("ipc:///tmp/else.sock"), "");
}

}  // namespace
}  // namespace steward::detail::server
