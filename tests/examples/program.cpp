#include <steward/tests/examples/program.hpp>

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <sstream>
#include <string_view>
#include <system_error>
#include <thread>

namespace steward::test {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

// Far more than servers need to notice that their owner is gone; only a hang meets it.
constexpr auto kLeftoverTime = std::chrono::seconds(20);

[[noreturn]] void fail(const char* what) {
  throw std::system_error(errno, std::generic_category(), what);
}

std::string read_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

sigset_t child_signal() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGCHLD);
  return set;
}

std::vector<std::string> environment(const std::string& runtime) {
  std::vector<std::string> entries;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    if (!std::string_view(*entry).starts_with("XDG_RUNTIME_DIR=")) entries.emplace_back(*entry);
  }
  entries.push_back("XDG_RUNTIME_DIR=" + runtime);
  return entries;
}

std::vector<char*> pointers(std::vector<std::string>& strings) {
  std::vector<char*> out;
  for (std::string& text : strings) out.push_back(text.data());
  out.push_back(nullptr);
  return out;
}

pid_t spawn(std::vector<std::string> arguments, std::vector<std::string> variables,
            const std::array<std::string, 3>& streams) {
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  for (int fd = 0; fd < 3; ++fd) {
    const std::string& path = streams[static_cast<std::size_t>(fd)];
    const int flags = fd == 0 ? O_RDONLY : O_WRONLY | O_CREAT | O_APPEND | O_NOCTTY;
    posix_spawn_file_actions_addopen(&actions, fd, path.c_str(), flags, 0600);
  }
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  sigset_t none;
  sigemptyset(&none);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
  pid_t pid = 0;
  errno = ::posix_spawn(&pid, arguments.front().c_str(), &actions, &attributes,
                        pointers(arguments).data(), pointers(variables).data());
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&actions);
  if (errno != 0) fail(arguments.front().c_str());
  return pid;
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

// The near end of a terminal, and what has been written to its far end.
class Terminal {
 public:
  Terminal() : fd_(::posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC)) {
    if (fd_ < 0 || ::grantpt(fd_) != 0 || ::unlockpt(fd_) != 0) fail("no terminal");
    std::array<char, 128> name{};
    if (::ptsname_r(fd_, name.data(), name.size()) != 0) fail("no terminal");
    path_ = name.data();
    // Held open, so that the reader does not end before the program has opened it.
    holder_ = ::open(path_.c_str(), O_RDWR | O_NOCTTY | O_CLOEXEC);
    reader_ = std::thread([this] {
      std::array<char, 4096> piece;
      for (ssize_t size; (size = ::read(fd_, piece.data(), piece.size())) > 0;) {
        text_.append(piece.data(), static_cast<std::size_t>(size));
      }
    });
  }
  Terminal(const Terminal&) = delete;
  Terminal& operator=(const Terminal&) = delete;
  ~Terminal() {
    if (reader_.joinable()) finish();
    ::close(fd_);
  }

  const std::string& path() const { return path_; }
  // All that was written; nobody may have the far end open any more.
  const std::string& finish() {
    ::close(holder_);
    reader_.join();
    return text_;
  }

 private:
  int fd_;
  int holder_ = -1;
  std::string path_;
  std::string text_;
  std::thread reader_;
};

}  // namespace

ExampleTest::ExampleTest() {
  std::string name = (fs::temp_directory_path() / "examples-XXXXXX").string();
  if (::mkdtemp(name.data()) == nullptr) fail("no directory for the test");
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
  const std::string runtime = directory_ + "/run";
  fs::create_directory(runtime);
  fs::permissions(runtime, fs::perms::owner_all);
  const std::string out = directory_ + "/out";
  const std::string err = directory_ + "/err";
  fs::remove(out);
  fs::remove(err);
  std::optional<Terminal> terminal;
  if (output == Output::terminal) terminal.emplace();

  arguments.insert(arguments.begin(), std::string(STEWARD_EXAMPLES) + "/" + program);
  const auto start = Clock::now();
  const pid_t pid = spawn(std::move(arguments), environment(runtime),
                          {"/dev/null", terminal ? terminal->path() : out, err});
  int status = 0;
  if (::waitpid(pid, &status, 0) != pid) fail("waitpid");
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

}  // namespace steward::test
