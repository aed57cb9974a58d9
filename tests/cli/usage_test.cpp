// How the program is used, and what it says if it is used wrongly: one line, and the exit code 2.
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <steward/core/auth_key.hpp>
#include <steward/tests/cli/shell.hpp>

namespace steward::detail::test {
namespace {

using testing::EndsWith;
using testing::HasSubstr;
using testing::MatchesRegex;
using testing::StartsWith;

const std::vector<std::string> kCommands{"serve", "list", "stop",   "keygen", "ls",
                                         "show",  "call", "create", "remove", "stat"};
constexpr std::string_view kHint = "; --help says more\n";

class Usage : public ManagerShellTest {
 protected:
  // What it complains of, without the program's name, the usage and the hint.
  std::string complaint(std::vector<std::string> arguments,
                        const std::vector<std::string>& variables = {}) {
    const Ran ran = steward(std::move(arguments), variables);
    EXPECT_EQ(ran.code, 2) << ran.err;
    EXPECT_EQ(ran.out, "");
    EXPECT_EQ(std::count(ran.err.begin(), ran.err.end(), '\n'), 1) << ran.err;
    EXPECT_THAT(ran.err, StartsWith("steward: "));
    EXPECT_THAT(ran.err, EndsWith(std::string(kHint)));
    const std::size_t usage = ran.err.rfind("; usage: steward");
    EXPECT_NE(usage, ran.err.npos) << ran.err;
    const std::size_t begin = std::min(usage, std::string("steward: ").size());
    return ran.err.substr(begin, usage - begin);
  }
};

TEST_F(Usage, HelpHasExamplesEverywhere) {
  const Ran all = steward({"--help"});
  EXPECT_EQ(all.code, 0);
  EXPECT_EQ(all.err, "");
  for (const std::string& command : kCommands) {
    EXPECT_THAT(all.out, HasSubstr("\n  " + command + " "));
    const Ran ran = steward({command, "--help"});
    EXPECT_EQ(ran.code, 0);
    EXPECT_THAT(ran.out, HasSubstr("steward " + command + " ")) << "its usage";
    EXPECT_THAT(ran.out.substr(ran.out.find("Options:")), HasSubstr("steward " + command))
        << "an example";
  }
}

TEST_F(Usage, WrongArgumentsAreNamed) {
  EXPECT_EQ(complaint({}), "A subcommand is required");
  EXPECT_EQ(complaint({"frobnicate", address()}), "there is no command 'frobnicate'");
  EXPECT_EQ(complaint({"ls"}), "ADDRESS is required");
  EXPECT_EQ(complaint({"call", address(), "x"}), "METHOD is required");
  EXPECT_THAT(complaint({"ls", address(), "more"}), HasSubstr("more"));
  EXPECT_THAT(complaint({"ls", address(), "--loud"}), HasSubstr("--loud"));
  EXPECT_THAT(complaint({"stat", address(), "--format", "xml"}), HasSubstr("xml"));
  EXPECT_THAT(complaint({"ls", "carrier pigeon"}),
              StartsWith("not a manager's address: \"carrier pigeon\" ("));
  for (const std::string seconds : {"0", "-1", "soon", "nan", "1e300"}) {
    EXPECT_THAT(complaint({"ls", address(), "--timeout", seconds}),
                HasSubstr("'" + seconds + "' is no number of seconds above 0"));
  }
}

TEST_F(Usage, IsShownOfTheCommandThatWasMeant) {
  EXPECT_EQ(steward({"show", address()}).err,
            "steward: OBJECT is required; usage: steward show [OPTIONS] ADDRESS OBJECT" +
                std::string(kHint));
  EXPECT_THAT(steward({"call", address(), "x"}).err,
              EndsWith("; usage: steward call [OPTIONS] ADDRESS OBJECT [METHOD] [JSON...]" +
                       std::string(kHint)));
  EXPECT_THAT(steward({"frobnicate"}).err,
              EndsWith("; usage: steward [OPTIONS] SUBCOMMAND" + std::string(kHint)));
}

// Before anybody is asked.
TEST_F(Usage, OfACallIsLookedAtFirst) {
  EXPECT_EQ(complaint({"call", "ipc:///nowhere", "x"}), "METHOD is required");
}

TEST_F(Usage, TheVersionIsTold) {
  const Ran ran = steward({"--version"});
  EXPECT_EQ(ran.code, 0);
  EXPECT_THAT(ran.out, MatchesRegex("steward [0-9]+\\.[0-9]+\\.[0-9]+\n"));
}

TEST_F(Usage, JsonWithoutItsQuotesIsShownWithThem) {
  manager.list(named("l"));
  const std::string said = complaint({"call", address(), "l", "append", "ada"});
  EXPECT_THAT(said, HasSubstr("column 1"));
  EXPECT_THAT(said, EndsWith("(a text needs its own quotes: '\"ada\"')"));
  EXPECT_THAT(complaint({"call", address(), "l", "append", "[1, a b]"}),
              EndsWith("(a text needs its own quotes: '\"text\"')"));
}

TEST_F(Usage, WrongJsonIsNamed) {
  manager.list(named("l"));
  EXPECT_THAT(complaint({"call", address(), "l", "insert", "0", "ada"}),
              StartsWith("argument 2 is no JSON: "));
  EXPECT_THAT(complaint({"create", address(), "list", "[1"}),
              StartsWith("argument 1 is no JSON: "));
  EXPECT_THAT(complaint({"call", address(), "l", "append", "\"steward:1:x\""}),
              StartsWith("argument 1: "));
  EXPECT_THAT(complaint({"show", address(), "steward:1:x"}), HasSubstr("handle"));
  EXPECT_EQ(manager.list(named("l")).size(), 0U);
}

TEST_F(Usage, AManagerThatIsNotThereIsAFailure) {
  const std::string gone = Manager().address();
  const Ran ran = steward({"ls", gone});
  EXPECT_EQ(ran.code, 1);
  EXPECT_THAT(ran.err, HasSubstr("no manager"));
  EXPECT_EQ(std::count(ran.err.begin(), ran.err.end(), '\n'), 1) << ran.err;
}

TEST_F(Usage, AResultThatCannotBeWrittenIsAFailure) {
  manager.list(named("l"));
  const Ran ran = run({"/bin/sh", "-c",
                       std::string(STEWARD_PROGRAM) + " ls '" + address() + "' > /dev/full"});
  EXPECT_EQ(ran.code, 1);
  EXPECT_EQ(ran.err, "steward: cannot write the result\n");
}

TEST_F(Usage, KeygenPrintsANewKeyEachTime) {
  const Ran ran = steward({"keygen"});
  EXPECT_EQ(ran.code, 0);
  ASSERT_THAT(ran.out, EndsWith("\n"));
  EXPECT_TRUE(core::is_generated_key(ran.out.substr(0, ran.out.size() - 1))) << ran.out;
  EXPECT_NE(steward({"keygen"}).out, ran.out);
}

TEST_F(Usage, KeyFilesMustBePrivate) {
  const std::string good = write("key", "a rather long passphrase\n");
  EXPECT_EQ(steward({"ls", address(), "--key-file", good}).code, 0);
  EXPECT_EQ(steward({"ls", address()}, {"STEWARD_KEY_FILE=" + good}).code, 0);
  for (const unsigned mode : {0640U, 0604U, 0620U, 0602U, 0610U, 0601U, 0644U}) {
    const std::string path = write("open", "a rather long passphrase\n", mode);
    EXPECT_EQ(complaint({"ls", address(), "--key-file", path}),
              "the key file " + path + " is open to others: chmod 600 " + path);
  }
  const std::string open = write("open", "key", 0644);
  EXPECT_THAT(complaint({"ls", address()}, {"STEWARD_KEY_FILE=" + open}), HasSubstr("chmod 600"));
  EXPECT_THAT(complaint({"serve", "--key-file", open}), HasSubstr("chmod 600"));
  EXPECT_EQ(steward({"ls", address(), "--key-file", write("read-only", "key", 0400)}).code, 0);
}

TEST_F(Usage, KeyFilesMustBeOfThisUserOrRoot) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root gives files away";
  const std::string path = write("others", "a rather long passphrase\n");
  ASSERT_EQ(::chown(path.c_str(), 65534, 65534), 0);
  EXPECT_EQ(complaint({"ls", address(), "--key-file", path}),
            "the key file " + path + " belongs to user 65534, not to this one");
}

TEST_F(Usage, KeyFilesMustBeFilesWithAKey) {
  const auto of = [&](const std::string& path) {
    return complaint({"ls", address(), "--key-file", path});
  };
  EXPECT_EQ(of("/nowhere"), "cannot read the key file /nowhere: No such file or directory");
  EXPECT_EQ(of(directory()), "the key file " + directory() + " is no regular file");
  const std::string pipe = directory() + "/pipe";
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  EXPECT_EQ(of(pipe), "the key file " + pipe + " is no regular file");
  EXPECT_EQ(of(write("empty", "")), "the key file " + directory() + "/empty is empty");
  EXPECT_EQ(of(write("empty", "\n")), "the key file " + directory() + "/empty is empty");
  const std::string most = write("most", std::string(4096, 'k'));
  EXPECT_EQ(steward({"ls", address(), "--key-file", most}).code, 0);
  EXPECT_EQ(of(write("large", std::string(4097, 'k'))),
            "the key file " + directory() + "/large has more than 4096 bytes");
}

}  // namespace
}  // namespace steward::detail::test
