// The completion for bash, asked as bash asks it.
#include <signal.h>
#include <unistd.h>

#include <filesystem>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <steward/tests/cli/shell.hpp>

namespace steward::detail::test {
namespace {

class Completion : public ManagerShellTest {
 protected:
  // What is offered behind this line, one blank between two; `steward` is the program under test.
  std::string offered(const std::string& rest) {
    const std::string script = write("complete.bash", R"sh(
      source "$1"
      COMP_LINE="$2 $3"
      COMP_POINT=${#COMP_LINE}
      _steward
      printf '%s' "${COMPREPLY[*]}"
    )sh");
    const Ran ran = run({"/bin/bash", "--norc", script,
                         std::string(STEWARD_SOURCE_DIR) + "/cli/completion/steward.bash",
                         STEWARD_PROGRAM, rest});
    EXPECT_EQ(ran.code, 0) << ran.err;
    EXPECT_EQ(ran.err, "");
    return ran.out;
  }
};

TEST_F(Completion, OffersCommandsAndOptions) {
  EXPECT_EQ(offered(""), "serve list stop keygen ls show call create remove stat");
  EXPECT_EQ(offered("s"), "serve stop show stat");
  EXPECT_EQ(offered("-"), "--help --help-all --version");
  EXPECT_EQ(offered("serve --"), "--address --name --background --log-file --key-file --help");
  EXPECT_EQ(offered("serve "), "");
  EXPECT_EQ(offered("keygen "), "--help");
  EXPECT_EQ(offered("list "), "--help");
  EXPECT_EQ(offered("stop --t"), "--timeout");
  EXPECT_EQ(offered("ls --t"), "--timeout");
  EXPECT_EQ(offered("create --n"), "--name");
  EXPECT_EQ(offered("stat x --format "), "table json prometheus");
  EXPECT_EQ(offered("create x "), "list dict queue lock rlock");
  EXPECT_EQ(offered("ls --timeout "), "");
}

// Names are anybody's: they are neither torn apart nor run.
TEST_F(Completion, QuotesNames) {
  const std::string trap = "$(touch " + directory() + "/trap)";
  manager.list(named("two words"));
  manager.list(named(trap));
  EXPECT_EQ(offered("show " + address() + " two"), "two\\ words");
  EXPECT_THAT(offered("show " + address() + " "), testing::HasSubstr("touch"));
  EXPECT_FALSE(std::filesystem::exists(directory() + "/trap"));
}

TEST_F(Completion, OffersFilesForKeys) {
  write("team.key", "key");
  EXPECT_EQ(offered("ls --key-file " + directory() + "/tea"), directory() + "/team.key");
}

TEST_F(Completion, OffersObjectsOfTheManager) {
  manager.list(named("scores"));
  manager.dict(named("ages"));
  const Lock lock = manager.lock();
  EXPECT_EQ(offered("call " + address() + " "), "scores ages lock#3");
  EXPECT_EQ(offered("show --timeout 3 " + address() + " sc"), "scores");
  EXPECT_EQ(offered("remove " + address() + " "), "scores ages");
  EXPECT_EQ(offered("call " + address() + " scores "), "");
  EXPECT_EQ(offered("call ipc:///nowhere "), "") << "and says nothing of it";
}

// Readline replaces only what stands behind the last ":" or "=".
TEST_F(Completion, OffersAddressesOfThisHost) {
  Served served(directory());
  const std::string socket =
      served.address().substr(std::string("ipc:").size(), served.address().find('?') - 4);
  const std::string program = STEWARD_PROGRAM;
  const Ran ran = run({"/bin/bash", "-c",
                       "source " + std::string(STEWARD_SOURCE_DIR) +
                           "/cli/completion/steward.bash; COMP_LINE='" +
                           program + " ls ipc:'; "
                           "COMP_POINT=${#COMP_LINE}; _steward; printf '%s' \"${COMPREPLY[*]}\""},
                      {"TMPDIR=" + served.runtime()});
  // Other managers may run here too.
  EXPECT_THAT(" " + ran.out + " ", testing::HasSubstr(" " + socket + " "));
  EXPECT_EQ(steward({"ls", "ipc:" + socket}).code, 0);
}

TEST_F(Completion, OffersNamesOfManagers) {
  const std::string name = "completion-" + std::to_string(::getpid());
  Served served(directory(), {"--name", name});
  EXPECT_EQ(offered("ls comple"), name);
  EXPECT_EQ(offered("stop comple"), name);
  EXPECT_EQ(served.end(SIGTERM).code, 0);
}

}  // namespace
}  // namespace steward::detail::test
