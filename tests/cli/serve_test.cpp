// The stand-alone server: its first line is its address, signals end it, and nothing stays behind.
#include <signal.h>

#include <filesystem>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <steward/tests/cli/shell.hpp>

namespace steward::detail::test {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

class Serve : public ShellTest {
 protected:
  void expect_no_files(const std::string& runtime) {
    EXPECT_TRUE(std::filesystem::is_empty(runtime)) << "it left files behind";
  }
};

TEST_F(Serve, ServesUntilASignal) {
  for (const int signal : {SIGTERM, SIGINT}) {
    Served served(directory());
    ASSERT_THAT(served.address(), StartsWith("ipc://" + served.runtime() + "/steward-"));
    const std::vector<std::string> runtime{"TMPDIR=" + served.runtime()};
    EXPECT_EQ(steward({"create", served.address(), "list", "--name", "l", "[1]"}, runtime).out,
              "l\n");
    EXPECT_EQ(steward({"call", served.address(), "l", "copy"}, runtime).out, "[1]\n");
    const Ran ran = served.end(signal);
    EXPECT_EQ(ran.code, 0) << ran.err;
    EXPECT_EQ(ran.out, "") << "nothing but the address";
    EXPECT_THAT(ran.err, HasSubstr("serving at ipc://"));
    EXPECT_THAT(ran.err, HasSubstr("ended"));
    expect_no_files(served.runtime());
  }
}

TEST_F(Serve, EndsWhenSomebodySaysShutdown) {
  Served served(directory());
  Manager::connect(served.address()).shutdown();
  const Ran ran = served.wait();
  EXPECT_EQ(ran.code, 0) << ran.err;
  expect_no_files(served.runtime());
}

TEST_F(Serve, RefusesAnAddressThatItCannotListenAt) {
  const Ran ran = steward({"serve", "--address", "carrier pigeon"});
  EXPECT_EQ(ran.code, 2);
  EXPECT_EQ(ran.out, "");
  EXPECT_THAT(ran.err, HasSubstr("carrier pigeon"));
}

TEST_F(Serve, AtATcpAddressOnlyTheKeyFileOpens) {
  const std::string key = write("key", steward({"keygen"}).out);
  const std::string other = write("other", steward({"keygen"}).out);
  Served served(directory(), {"--address", "tcp://127.0.0.1:0", "--key-file", key});
  ASSERT_THAT(served.address(), StartsWith("tcp://127.0.0.1:"));
  const Ran made =
      steward({"create", served.address(), "dict", "--name", "ages", "--key-file", key});
  EXPECT_EQ(made.out, "ages\n") << made.err;
  // By the environment too.
  EXPECT_EQ(steward({"call", served.address(), "ages", "add", "\"ada\"", "36"},
                    {"STEWARD_KEY_FILE=" + key}).out, "36\n");

  const Ran wrong = steward({"ls", served.address(), "--key-file", other});
  EXPECT_EQ(wrong.code, 1);
  EXPECT_THAT(wrong.err, HasSubstr("does not accept this key"));
  EXPECT_THAT(wrong.err, HasSubstr("(the key is from " + other + ")"));
  const Ran none = steward({"ls", served.address()});
  EXPECT_EQ(none.code, 1);
  EXPECT_THAT(none.err, HasSubstr("--key-file"));

  const Ran ran = served.end(SIGTERM);
  EXPECT_EQ(ran.code, 0);
  EXPECT_EQ(ran.err.find("steward-key:"), std::string::npos) << "a secret in the log";
  expect_no_files(served.runtime());
}

TEST_F(Serve, AtALoopbackPortWithoutAKeyItSaysWhoMayComeIn) {
  Served own(directory());
  EXPECT_EQ(own.end(SIGTERM).err.find("every user"), std::string::npos);
  Served open(directory(), {"--address", "tcp://127.0.0.1:0"});
  EXPECT_THAT(open.address(), StartsWith("tcp://127.0.0.1:"));
  EXPECT_THAT(open.end(SIGTERM).err,
              HasSubstr("steward: every user of this host may use this manager"));
}

TEST_F(Serve, WithoutAKeyItDoesNotListenOffThisHost) {
  const Ran ran = steward({"serve", "--address", "tcp://0.0.0.0:0"});
  EXPECT_EQ(ran.code, 2);
  EXPECT_THAT(ran.err, HasSubstr("steward keygen"));
}

}  // namespace
}  // namespace steward::detail::test
