#include <steward/tests/cli/shell.hpp>

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <filesystem>
#include <fstream>
#include <optional>
#include <utility>

#include <steward/tests/examples/spawn.hpp>

namespace steward::detail::test {
namespace {

namespace fs = std::filesystem;

int code_of(pid_t pid) {
  int status = 0;
  if (::waitpid(pid, &status, 0) != pid) throw_errno("waitpid");
  return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

}  // namespace

ShellTest::ShellTest() {
  std::string name = (fs::temp_directory_path() / "cli-XXXXXX").string();
  if (::mkdtemp(name.data()) == nullptr) throw_errno("no directory for the test");
  directory_ = name;
}

ShellTest::~ShellTest() {
  std::error_code ignored;
  fs::remove_all(directory_, ignored);
}

std::string ShellTest::write(const std::string& name, const std::string& text, unsigned mode) {
  const std::string path = directory_ + "/" + name;
  std::ofstream(path, std::ios::binary) << text;
  if (::chmod(path.c_str(), mode) != 0) throw_errno("chmod");
  return path;
}

Ran ShellTest::steward(std::vector<std::string> arguments,
                       const std::vector<std::string>& variables, Output output) {
  arguments.insert(arguments.begin(), STEWARD_PROGRAM);
  return run(std::move(arguments), variables, output);
}

Ran ShellTest::run(std::vector<std::string> command, const std::vector<std::string>& variables,
                   Output output) {
  const std::string out = directory_ + "/out";
  const std::string err = directory_ + "/err";
  fs::remove(out);
  fs::remove(err);
  std::optional<Terminal> terminal;
  if (output == Output::terminal) terminal.emplace();
  const pid_t pid = spawn(std::move(command), environment_with(variables),
                          {"/dev/null", terminal ? terminal->path() : out, err});
  Ran ran;
  ran.code = code_of(pid);
  ran.out = terminal ? terminal->finish() : read_file(out);
  ran.err = read_file(err);
  return ran;
}

std::string ShellTest::call(std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), "call");
  const Ran ran = steward(std::move(arguments));
  EXPECT_EQ(ran.code == 0, ran.err.empty()) << ran.err;
  EXPECT_EQ(ran.code == 0, !ran.out.empty()) << ran.out;
  return ran.code == 0 ? ran.out.substr(0, ran.out.size() - 1) : ran.err;
}

Served::Served(const std::string& directory, std::vector<std::string> arguments)
    : runtime_(directory + "/run"), err_(directory + "/serve.err") {
  fs::create_directory(runtime_);
  fs::permissions(runtime_, fs::perms::owner_all);
  // Its output through a pipe, which is there to be read before it is written.
  const std::string pipe = directory + "/serve.out";
  fs::remove(pipe);
  if (::mkfifo(pipe.c_str(), 0600) != 0) throw_errno("no pipe");
  out_ = ::open(pipe.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
  if (out_ < 0) throw_errno("no pipe");
  arguments.insert(arguments.begin(), {STEWARD_PROGRAM, "serve"});
  pid_ = spawn(std::move(arguments), environment_with({"TMPDIR=" + runtime_}),
               {"/dev/null", pipe, err_});
  ::fcntl(out_, F_SETFL, 0);
  std::array<char, 512> piece;
  while (address_.find('\n') == std::string::npos) {
    const ssize_t size = ::read(out_, piece.data(), piece.size());
    if (size <= 0) break;  // it has ended: see wait()
    address_.append(piece.data(), static_cast<std::size_t>(size));
  }
  const auto end = std::min(address_.find('\n'), address_.size());
  rest_ = address_.substr(std::min(end + 1, address_.size()));
  address_.resize(end);
}

Served::~Served() {
  if (pid_ != 0) end(SIGKILL);
}

Ran Served::end(int signal) {
  ::kill(pid_, signal);
  return wait();
}

Ran Served::wait() {
  Ran ran;
  ran.code = code_of(std::exchange(pid_, 0));
  ran.out = rest_;
  std::array<char, 512> piece;
  for (ssize_t size; (size = ::read(out_, piece.data(), piece.size())) > 0;) {
    ran.out.append(piece.data(), static_cast<std::size_t>(size));
  }
  ::close(out_);
  ran.err = read_file(err_);
  return ran;
}

}  // namespace steward::detail::test
