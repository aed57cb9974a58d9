// Managers that stand by themselves: started in the background, found by name or path, listed and
// stopped from a shell.
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <steward/shm/pidfd.hpp>
#include <steward/shm/poll.hpp>
#include <steward/tests/cli/shell.hpp>

namespace steward::detail::test {
namespace {

namespace fs = std::filesystem;
using testing::ContainsRegex;
using testing::HasSubstr;
using testing::MatchesRegex;
using testing::Not;
using testing::StartsWith;

// A pid that nobody else has makes a name that nobody else uses.
std::string own_name(const std::string& text) { return text + "-" + std::to_string(::getpid()); }

class Standing : public ShellTest {
 protected:
  Standing() : runtime(directory() + "/run") {
    fs::create_directory(runtime);
    fs::permissions(runtime, fs::perms::owner_all);
    variables = {"TMPDIR=" + runtime};
  }
  ~Standing() override {
    for (const std::string& address : started) steward({"stop", address}, variables);
  }

  // `steward serve --background` with these further arguments; returns what it prints.
  std::string start(std::vector<std::string> arguments = {}) {
    arguments.insert(arguments.begin(), {"serve", "--background"});
    const Ran ran = steward(std::move(arguments), variables);
    EXPECT_EQ(ran.code, 0) << ran.err;
    EXPECT_THAT(ran.out, MatchesRegex("[^\n]+\n"));
    started.push_back(ran.out.substr(0, ran.out.size() - 1));
    return started.back();
  }

  // What it says on standard error, without the program's name; it must fail with this code.
  std::string refusal(std::vector<std::string> arguments, int code = 1) {
    const Ran ran = steward(std::move(arguments), variables);
    EXPECT_EQ(ran.code, code) << ran.out << ran.err;
    EXPECT_EQ(ran.out, "");
    EXPECT_THAT(ran.err, MatchesRegex("steward: [^\n]+\n")) << "one line";
    return ran.err.substr(std::min<std::size_t>(9, ran.err.size()));
  }

  const std::string runtime;
  std::vector<std::string> variables;
  std::vector<std::string> started;
};

TEST_F(Standing, InTheBackgroundItIsUpWhenItsAddressIsPrinted) {
  const std::string address = start();
  EXPECT_THAT(address, StartsWith("ipc://" + runtime + "/steward-"));
  const Manager manager = Manager::connect(address);
  const pid_t pid = manager.pid();
  EXPECT_EQ(::getsid(pid), pid) << "a session of its own";
  EXPECT_EQ(::getpgid(pid), pid) << "no Ctrl-C of the shell reaches it";
  EXPECT_EQ(manager.list<int>({1}).size(), 1U);
}

TEST_F(Standing, InTheBackgroundItKeepsNothingOfItsStarter) {
  const std::string held = write("held", "");
  const Ran ran = run({"/bin/bash", "-c",
                       "exec 7<" + held + "; cd '" + directory() + "'; " STEWARD_PROGRAM
                       " serve --background"},
                      variables);
  ASSERT_EQ(ran.code, 0) << ran.err;
  started.push_back(ran.out.substr(0, ran.out.size() - 1));
  const std::string process = "/proc/" + std::to_string(Manager::connect(started[0]).pid());
  EXPECT_EQ(fs::read_symlink(process + "/cwd"), "/");
  for (const char* stream : {"0", "1", "2"}) {
    EXPECT_EQ(fs::read_symlink(process + "/fd/" + stream), "/dev/null");
  }
  for (const auto& fd : fs::directory_iterator(process + "/fd")) {
    std::error_code closed_meanwhile;
    EXPECT_NE(fs::read_symlink(fd.path(), closed_meanwhile), held);
  }
}

TEST_F(Standing, InTheBackgroundItEndsAgainIfItsAddressCannotBeTold) {
  const Ran ran = run({"/bin/sh", "-c", STEWARD_PROGRAM " serve --background >&-"}, variables);
  EXPECT_EQ(ran.code, 1);
  EXPECT_EQ(ran.err, "steward: cannot write the address, so the manager was ended again\n");
}

TEST_F(Standing, InTheBackgroundItSurvivesAHangUp) {
  const std::string address = start();
  const Manager manager = Manager::connect(address);
  ASSERT_EQ(::kill(manager.pid(), SIGHUP), 0);
  EXPECT_EQ(manager.list<int>({1}).size(), 1U);
}

// Where a login ends, its runtime directory goes.
TEST_F(Standing, ItOutlivesTheRuntimeDirectoryOfItsLogin) {
  variables = {"XDG_RUNTIME_DIR=" + runtime, "TMPDIR"};
  const std::string name = own_name("lasting");
  const std::string addresses[] = {start(), start({"--name", name}),
                                   start({"--address", "ipc://" + directory() + "/my.sock"})};
  EXPECT_TRUE(fs::is_empty(runtime));
  fs::remove_all(runtime);
  for (const std::string& address : addresses) {
    EXPECT_EQ(address.find("ipc:///run/"), address.npos) << address;
    EXPECT_EQ(steward({"create", address, "list", "--name", "l"}).out, "l\n");
  }
}

TEST_F(Standing, InTheBackgroundItLogsWhereItIsTold) {
  const std::string log = directory() + "/log";
  const std::string address = start({"--log-file", log});
  EXPECT_EQ(steward({"stop", address}, variables).code, 0);
  std::ifstream file(log);
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  EXPECT_THAT(text, HasSubstr("serving at " + address));
  EXPECT_THAT(text, HasSubstr("ended"));
}

TEST_F(Standing, AStartThatFailsSaysWhyAndLeavesNothing) {
  const std::vector<std::string> serve{"serve", "--background"};
  const auto with = [&](const std::vector<std::string>& more) {
    std::vector<std::string> all = serve;
    all.insert(all.end(), more.begin(), more.end());
    return all;
  };
  EXPECT_THAT(refusal(with({"--address", "carrier pigeon"}), 2), HasSubstr("carrier pigeon"));
  EXPECT_THAT(refusal(with({"--address", "tcp://0.0.0.0:0"}), 2), HasSubstr("without a key"));
  EXPECT_THAT(refusal(with({"--name", "a b"}), 2), HasSubstr("'a b' is no name for a manager"));
  EXPECT_THAT(refusal(with({"--name", ""}), 2), HasSubstr("'' is no name for a manager"));
  EXPECT_THAT(refusal(with({"--name", ".."}), 2), HasSubstr("the first a letter or digit"));
  EXPECT_THAT(refusal(with({"--name", "a", "--address", "tcp://127.0.0.1:0"}), 2),
              HasSubstr("excludes"));
  EXPECT_THAT(refusal({"serve", "--log-file", "x"}, 2), HasSubstr("requires --background"));
  EXPECT_THAT(refusal(with({"--log-file", "/nowhere/log"})),
              HasSubstr("cannot open /nowhere/log: No such file or directory"));
  const std::string pipe = directory() + "/pipe";
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  EXPECT_THAT(refusal(with({"--log-file", pipe})), HasSubstr("cannot open " + pipe));
  const std::string file = write("file", "precious");
  EXPECT_THAT(refusal(with({"--address", "ipc://" + file})),
              HasSubstr("cannot listen at ipc://" + file + ", which is no socket"));
  EXPECT_THAT(refusal(with({"--address", "ipc:///nowhere/a.sock"})),
              HasSubstr("cannot listen at ipc:///nowhere/a.sock: No such file or directory"));
  EXPECT_THAT(refusal(with({"--address", "ipc://relative.sock"}), 2), HasSubstr("absolute path"));
  EXPECT_THAT(refusal(with({"--address", "ipc://" + directory() + "/manager.sock"}), 2),
              HasSubstr("sockets of that name"));
  EXPECT_TRUE(fs::is_empty(runtime)) << "no directory";
}

TEST_F(Standing, StopWaitsForTheEnd) {
  const std::string address = start();
  const pid_t pid = Manager::connect(address).pid();
  const shm::UniqueFd process = shm::pidfd_of(pid);
  const Ran ran = steward({"stop", address}, variables);
  EXPECT_EQ(ran.code, 0) << ran.err;
  EXPECT_EQ(ran.out + ran.err, "");
  EXPECT_TRUE(shm::has_ended(process.get()));
  EXPECT_TRUE(fs::is_empty(runtime));
  EXPECT_THAT(refusal({"stop", address}), HasSubstr("no manager answers at ipc://"));
}

TEST_F(Standing, StopWaitsForTheEndOfARemoteOneToo) {
  const std::string key = write("key", steward({"keygen"}).out);
  variables.push_back("STEWARD_KEY_FILE=" + key);
  const std::string address = start({"--address", "tcp://127.0.0.1:0"});
  const Ran ran = steward({"stop", address}, variables);
  EXPECT_EQ(ran.code, 0) << ran.err;
  EXPECT_EQ(refusal({"ls", address}), "cannot reach " + address + ": Connection refused\n");
}

TEST_F(Standing, StopSaysThatItCannot) {
  const std::string address = start();
  const pid_t pid = Manager::connect(address).pid();
  ::kill(pid, SIGSTOP);
  EXPECT_THAT(refusal({"stop", address, "--timeout", "0.2"}),
              HasSubstr("does not answer, pid " + std::to_string(pid)));
  ::kill(pid, SIGCONT);
}

TEST_F(Standing, AManagerIsFoundByItsNameWhateverTheEnvironmentSays) {
  const std::string name = own_name("work");
  const std::string address = start({"--name", name});
  const std::vector<std::string> elsewhere{"XDG_RUNTIME_DIR", "TMPDIR=/var/tmp"};
  EXPECT_EQ(steward({"create", name, "list", "--name", "l", "[1]"}, elsewhere).out, "l\n");
  EXPECT_EQ(steward({"call", address, "l", "copy"}, elsewhere).out, "[1]\n");
  const Manager manager = Manager::connect(name);
  EXPECT_EQ(manager.address(), name);
  EXPECT_EQ(manager.list<int>(named("l")).size(), 1U);
  const Queue<int> queue = manager.queue<int>();
  queue.put(1);
  EXPECT_EQ(queue.transport(), "shm");
  const std::string token = manager.list<int>(named("l")).handle().str();
  EXPECT_EQ(open<List<int>>(token).size(), 1U);
}

TEST_F(Standing, ASecondOneOfTheSameNameIsRefused) {
  const std::string name = own_name("once");
  start({"--name", name});
  const std::string pid = std::to_string(Manager::connect(name).pid());
  const std::string said =
      "a manager named '" + name + "' is running already, pid " + pid + "\n";
  EXPECT_EQ(refusal({"serve", "--name", name, "--background"}), said);
  EXPECT_EQ(refusal({"serve", "--name", name}), said);
}

TEST_F(Standing, ADeadOnesNameIsTakenOver) {
  const std::string name = own_name("dead");
  const std::string address = start({"--name", name});
  const pid_t pid = Manager::connect(name).pid();
  const shm::UniqueFd process = shm::pidfd_of(pid);
  ::kill(pid, SIGKILL);
  shm::poll_until(process.get(), POLLIN, std::nullopt);
  const std::string path = address.substr(6);
  ASSERT_TRUE(fs::exists(path));
  EXPECT_EQ(refusal({"ls", name}), "no manager named '" + name + "' is running\n");
  start({"--name", name});
  EXPECT_NE(Manager::connect(name).pid(), pid);
  EXPECT_EQ(steward({"stop", name}, variables).code, 0);
  EXPECT_FALSE(fs::exists(path));
  EXPECT_FALSE(fs::exists(path + ".lock"));
  EXPECT_EQ(refusal({"ls", name}), "no manager named '" + name + "' is running\n");
}

TEST_F(Standing, AtAPathItIsServedAndReached) {
  const std::string path = directory() + "/my ?boot #1%20.sock";
  const std::string address = "ipc://" + path;
  EXPECT_EQ(start({"--address", address}), address);
  struct stat status {};
  ASSERT_EQ(::lstat(path.c_str(), &status), 0);
  EXPECT_TRUE(S_ISSOCK(status.st_mode));
  EXPECT_EQ(status.st_mode & 0777, 0600U);
  EXPECT_EQ(steward({"create", address, "list", "--name", "l", "[1]"}).out, "l\n");
  EXPECT_EQ(Manager::connect(address).list<int>(named("l")).size(), 1U);
  const std::string pid = std::to_string(Manager::connect(address).pid());
  EXPECT_EQ(refusal({"serve", "--address", address}),
            "a manager is running already at " + address + ", pid " + pid + "\n");
  EXPECT_EQ(steward({"stop", address}).code, 0);
  EXPECT_FALSE(fs::exists(path));
  EXPECT_EQ(refusal({"ls", address}),
            "no manager answers at " + address + ": No such file or directory\n");
}

TEST_F(Standing, APrivateManagerMayListenAtAPathToo) {
  const std::string path = directory() + "/own.sock";
  {
    const Manager manager(ManagerOptions{.address = "ipc://" + path});
    EXPECT_EQ(manager.address(), "ipc://" + path);
    manager.list<int>(named("l"), {1, 2});
    EXPECT_EQ(steward({"call", "ipc://" + path, "l", "copy"}).out, "[1, 2]\n");
  }
  EXPECT_FALSE(fs::exists(path));
}

TEST_F(Standing, ListShowsTheManagersOfThisUserByTheAddressesThatTheyWereGiven) {
  const std::string name = own_name("listed");
  const std::string by_name = start({"--name", name});
  const std::string at_path = start({"--address", "ipc://" + directory() + "/my.sock"});
  const std::string at_port = start({"--address", "tcp://127.0.0.1:0"});
  const Manager own;
  own.list(named("a"));
  own.list(named("b"));
  // Another program's TMPDIR is found as well.
  fs::create_directory(directory() + "/elsewhere");
  variables = {"XDG_RUNTIME_DIR", "TMPDIR=" + directory() + "/elsewhere"};
  const std::string elsewhere = start();
  const Ran ran = steward({"list"}, {"TMPDIR=" + runtime});
  // Another program's may be silent.
  EXPECT_EQ(ran.code, ran.err.empty() ? 0 : 1) << ran.err;
  const std::string since = "\t[0-9]+-[0-9]+-[0-9]+ [0-9]+:[0-9]+:[0-9]+\t";
  const auto line = [&](const std::string& address, const std::string& pid,
                        const std::string& rest) {
    return "(^|\n)" + address.substr(0, address.find("?boot=")) + "\t" + pid + since + rest;
  };
  const auto pid_at = [](const std::string& address) {
    return std::to_string(Manager::connect(address).pid());
  };
  EXPECT_THAT(ran.out, ContainsRegex(line(own.address(), std::to_string(own.pid()), "2\t\n")));
  EXPECT_THAT(ran.out, ContainsRegex(line(elsewhere, pid_at(elsewhere), "0\t\n")));
  EXPECT_THAT(ran.out, ContainsRegex(line(by_name, pid_at(name), "0\t" + name + "\n")));
  EXPECT_THAT(ran.out, ContainsRegex(line(at_path, pid_at(at_path), "0\t\n")));
  EXPECT_THAT(ran.out, ContainsRegex(line(at_port, "[1-9][0-9]*", "0\t\n")));
  EXPECT_THAT(ran.out, Not(HasSubstr(runtime + "/steward-"))) << "no private one beside it";
}

TEST_F(Standing, ListBeginsNoSession) {
  const Manager own;
  const std::string before = own.debug_info();
  EXPECT_THAT(steward({"list"}).out, HasSubstr(own.address().substr(0, own.address().find('?'))));
  EXPECT_EQ(own.debug_info(), before);
}

TEST_F(Standing, WhoDoesNotAnswerIsSaidOnStandardErrorAndTheOthersAreListed) {
  const std::string name = own_name("silent");
  const std::string answering = start();
  start({"--name", name});
  const pid_t pid = Manager::connect(name).pid();
  ::kill(pid, SIGSTOP);
  const Ran ran = steward({"list"}, variables);
  ::kill(pid, SIGCONT);
  EXPECT_EQ(ran.code, 1);
  EXPECT_THAT(ran.err, HasSubstr(" does not answer, pid " + std::to_string(pid) +
                                 " (its name is '" + name + "')\n"));
  EXPECT_THAT(ran.err, ContainsRegex("\nsteward: [0-9]+ of [0-9]+ managers did not answer\n$"));
  EXPECT_THAT(ran.out, Not(HasSubstr("\t" + std::to_string(pid) + "\t")));
  EXPECT_THAT(ran.out, HasSubstr(answering.substr(0, answering.find("?boot=")) + "\t"));
}

}  // namespace
}  // namespace steward::detail::test
