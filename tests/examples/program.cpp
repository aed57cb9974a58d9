#include <steward/tests/examples/program.hpp>

#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <optional>
#include <sstream>
#include <system_error>
#include <utility>

#include <steward/tests/examples/spawn.hpp>

namespace steward::detail::test {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

// Far more than servers need to notice that their owner is gone; only a hang meets it.
constexpr auto kLeftoverTime = std::chrono::seconds(20);

sigset_t child_signal() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGCHLD);
  return set;
}

// This process is the reaper of its descendants' orphans: nobody escapes. False: some still run.
bool all_descendants_end() {
  const auto deadline = Clock::now() + kLeftoverTime;
  const sigset_t child = child_signal();
  for (;;) {
    const pid_t pid = ::waitpid(-1, nullptr, WNOHANG);
    if (pid < 0 && errno == ECHILD) return true;
    if (pid != 0) continue;
    const auto left = std::chrono::duration_cast<std::chrono::nanoseconds>(deadline - Clock::now());
    if (left.count() <= 0) return false;
    const timespec time{static_cast<time_t>(left.count() / 1'000'000'000),
                        static_cast<long>(left.count() % 1'000'000'000)};
    ::sigtimedwait(&child, nullptr, &time);
  }
}

std::vector<std::string> entries(const fs::path& directory) {
  std::vector<std::string> names;
  for (const auto& entry : fs::recursive_directory_iterator(directory)) {
    names.push_back(entry.path().string());
  }
  return names;
}

}  // namespace

ExampleTest::ExampleTest() {
  std::string name = (fs::temp_directory_path() / "examples-XXXXXX").string();
  if (::mkdtemp(name.data()) == nullptr) throw_errno("no directory for the test");
  directory_ = name;
  ::prctl(PR_SET_CHILD_SUBREAPER, 1);
  const sigset_t child = child_signal();
  ::pthread_sigmask(SIG_BLOCK, &child, nullptr);
}

ExampleTest::~ExampleTest() {
  std::error_code ignored;
  fs::remove_all(directory_, ignored);
}

std::string ExampleTest::write(const std::string& name, const std::string& text) const {
  const std::string path = directory_ + "/" + name;
  std::ofstream(path, std::ios::binary) << text;
  return path;
}

Ran ExampleTest::run(const std::string& program, std::vector<std::string> arguments,
                     Output output) {
  arguments.insert(arguments.begin(), std::string(STEWARD_EXAMPLES) + "/" + program);
  return run_command(std::move(arguments), output);
}

Ran ExampleTest::run_python(const std::string& path, std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), {STEWARD_PYTHON, path});
  return run_command(std::move(arguments), Output::file);
}

Ran ExampleTest::run_command(std::vector<std::string> words, Output output) {
  const std::string program = words.front();
  const std::string runtime = directory_ + "/run";
  fs::create_directory(runtime);
  fs::permissions(runtime, fs::perms::owner_all);
  const std::string out = directory_ + "/out";
  const std::string err = directory_ + "/err";
  fs::remove(out);
  fs::remove(err);
  std::optional<Terminal> terminal;
  if (output == Output::terminal) terminal.emplace();

  const auto start = Clock::now();
  const pid_t pid = spawn(std::move(words), environment_with({"XDG_RUNTIME_DIR=" + runtime}),
                          {"/dev/null", terminal ? terminal->path() : out, err});
  int status = 0;
  if (::waitpid(pid, &status, 0) != pid) throw_errno("waitpid");
  Ran ran;
  ran.time = Clock::now() - start;
  ran.code = WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
  EXPECT_TRUE(all_descendants_end()) << program << " left processes behind";
  ran.out = terminal ? terminal->finish() : read_file(out);
  ran.err = read_file(err);
  EXPECT_EQ(entries(runtime), std::vector<std::string>()) << program << " left files behind";
  return ran;
}

std::vector<std::string> lines(const std::string& text) {
  std::vector<std::string> all;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) all.push_back(line);
  return all;
}

}  // namespace steward::detail::test
