// Names of managers: what is one, and whose directories are trusted with them.
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <steward/client/names.hpp>
#include <steward/core/errors.hpp>

namespace steward::detail::client {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Pair;

class Names : public testing::Test {
 protected:
  Names() {
    std::string name = (fs::temp_directory_path() / "names-XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) std::abort();
    base = name;
  }
  ~Names() override { fs::remove_all(base); }

  std::string made(const std::string& name, mode_t mode = 0700) const {
    const std::string path = base + "/" + name;
    ::mkdir(path.c_str(), mode);
    return path;
  }

  std::string base;
};

template <class Expected, class F>
std::string thrown(F f) {
  try {
    f();
  } catch (const Expected& error) {
    return error.what();
  }
  return "nothing";
}

TEST_F(Names, AreLettersDigitsAndThreeSigns) {
  const std::string longest(64, 'x');
  for (const std::string& good : {std::string("work"), std::string("A.b_c-9"), longest}) {
    EXPECT_TRUE(is_manager_name(good)) << good;
  }
  EXPECT_FALSE(is_manager_name(longest + "x"));
  for (const std::string bad : {"", "a b", "a/b", "a:1", "tcp://h:1", "\xc3\xa4", "a\n", ".", "..",
                                ".a", "-a", "_a"}) {
    EXPECT_FALSE(is_manager_name(bad)) << bad;
  }
}

TEST_F(Names, StandInTheFirstDirectoryThatCanBeMade) {
  std::ofstream(base + "/file");
  const std::vector<std::string> places{base + "/missing/steward", base + "/file/steward",
                                        base + "/names"};
  EXPECT_EQ(new_address_of_name("work", places), "ipc://" + base + "/names/work.sock");
  struct stat status {};
  ASSERT_EQ(::stat((base + "/names").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0700U);
  EXPECT_EQ(new_address_of_name("work", places), "ipc://" + base + "/names/work.sock");
  EXPECT_THAT(thrown<core::Failure>([&] { new_address_of_name("work", {places[0], places[1]}); }),
              HasSubstr(places[0] + ": No such file or directory, " + places[1] +
                        ": Not a directory"));
}

TEST_F(Names, AreFoundInAnyOfTheDirectories) {
  const std::vector<std::string> places{made("one"), base + "/missing", made("two")};
  std::ofstream(places[2] + "/work.sock");
  EXPECT_EQ(address_of_name("work", places), "ipc://" + places[2] + "/work.sock");
  EXPECT_EQ(thrown<Disconnected>([&] { address_of_name("play", places); }),
            "no manager named 'play' is running");
  // A second one must meet the first.
  EXPECT_EQ(new_address_of_name("work", places), "ipc://" + places[2] + "/work.sock");
  EXPECT_EQ(new_address_of_name("play", places), "ipc://" + places[0] + "/play.sock");
  std::ofstream(places[0] + "/play.sock");
  std::ofstream(places[0] + "/play.sock.lock");
  EXPECT_THAT(named_addresses(places),
              ElementsAre(Pair("play", "ipc://" + places[0] + "/play.sock"),
                          Pair("work", "ipc://" + places[2] + "/work.sock")));
}

TEST_F(Names, ADirectoryThatIsNotThisUsersAloneIsPassedOver) {
  const std::string open = made("open");
  ::chmod(open.c_str(), 0755);
  const std::string good = made("good");
  const std::string link = base + "/link";
  fs::create_directory_symlink(made("elsewhere"), link);
  std::ofstream(base + "/file");
  for (const auto& one : {std::pair(open, "is open to others"), std::pair(link, "is no directory"),
                          std::pair(base + "/file", "is no directory")}) {
    const std::string& place = one.first;
    const std::string why = one.second;
    if (place != base + "/file") std::ofstream(place + "/work.sock");
    EXPECT_EQ(new_address_of_name("work", {place, good}), "ipc://" + good + "/work.sock");
    EXPECT_THAT(named_addresses({place, good}), testing::IsEmpty());
    EXPECT_EQ(thrown<Disconnected>([&] { address_of_name("work", {place, good}); }),
              "no manager named 'work' is running (passed over: " + place + ' ' + why + ')');
    EXPECT_THAT(thrown<core::Failure>([&] { new_address_of_name("work", {place}); }),
                HasSubstr("no directory can hold the names of managers: " + place + ' ' + why));
  }
  std::ofstream(good + "/work.sock");
  EXPECT_EQ(address_of_name("work", {open, good}), "ipc://" + good + "/work.sock");
}

TEST_F(Names, ADirectoryOfAnotherUserDeniesNobodyNames) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root gives directories away";
  const std::string squatted = made("squatted");
  ASSERT_EQ(::chown(squatted.c_str(), 65534, 65534), 0);
  EXPECT_EQ(new_address_of_name("work", {squatted, base + "/next"}),
            "ipc://" + base + "/next/work.sock");
  EXPECT_THAT(thrown<core::Failure>([&] { new_address_of_name("work", {squatted}); }),
              HasSubstr(squatted + " belongs to user 65534"));
  EXPECT_THAT(named_addresses({squatted}), testing::IsEmpty());
}

TEST_F(Names, AreReadBackFromAddresses) {
  const std::string directory = name_directories().front();
  EXPECT_EQ(name_in("ipc://" + directory + "/work.sock"), "work");
  EXPECT_EQ(name_in("ipc://" + directory + "/a/work.sock"), "");
  EXPECT_EQ(name_in("ipc:///elsewhere/work.sock"), "");
}

}  // namespace
}  // namespace steward::detail::client
