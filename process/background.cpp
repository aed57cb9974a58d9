#include <steward/process/background.hpp>

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <exception>
#include <string_view>
#include <system_error>
#include <utility>

#include <steward/core/errors.hpp>
#include <steward/process/child.hpp>
#include <steward/process/descriptors.hpp>
#include <steward/process/streams.hpp>
#include <steward/shm/fd_passing.hpp>
#include <steward/shm/poll.hpp>

namespace steward::detail::process {
namespace {

constexpr std::size_t kWordsBytes = 16U << 10U;
constexpr std::string_view kWhat = "the process in the background";
constexpr int kLookAgainMs = 2;

// Not waiting for the reader of a pipe, or for a terminal's line. (What is written waits.)
shm::UniqueFd opened(const std::string& path, int flags) {
  shm::UniqueFd file(::open(path.c_str(), flags | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0600));
  if (!file || ::fcntl(file.get(), F_SETFL, flags & O_APPEND) != 0) {
    throw SystemError(errno, "cannot open " + path);
  }
  return lifted(std::move(file));
}

void detach(int nowhere, int log, int keep) {
  ::setsid();
  for (const int number : {SIGHUP, SIGXFSZ}) ::signal(number, SIG_IGN);
  ::dup2(nowhere, STDIN_FILENO);
  ::dup2(nowhere, STDOUT_FILENO);
  ::dup2(log, STDERR_FILENO);
  renew_streams();
  close_all_except({STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO, keep});
  [[maybe_unused]] const int stays = ::chdir("/");  // and keeps no file system in use
}

// In the new process.
[[noreturn]] void work_detached(int socket, const std::function<void(const Say& say)>& work) {
  const auto say = [socket](const std::string& words) {
    try {
      shm::send_with_fds(socket, std::string_view(words).substr(0, kWordsBytes));
      ::shutdown(socket, SHUT_RDWR);
      return true;
    } catch (const std::system_error&) {
      return false;
    }
  };
  try {
    work(say);
  } catch (const std::exception& error) {
    write_error(error.what());
    std::exit(EXIT_FAILURE);
  }
  std::exit(EXIT_SUCCESS);
}

// By SIGKILL: one that does not come up may not hear anything else.
[[noreturn]] void kill_late(pid_t pid, std::chrono::milliseconds patience) {
  ::kill(pid, SIGKILL);
  throw core::Failure(std::string(kWhat) + " was not up after " + std::to_string(patience.count()) +
                      " ms, and was killed, pid " + std::to_string(pid));
}

}  // namespace

std::string run_in_background(const std::string& log_file, std::chrono::milliseconds patience,
                              const std::function<void(const Say& say)>& work) {
  const shm::UniqueFd nowhere = opened("/dev/null", O_RDWR);
  const shm::UniqueFd log =
      log_file.empty() ? shm::UniqueFd() : opened(log_file, O_WRONLY | O_CREAT | O_APPEND);
  shm::SocketPair pair = lifted_pair();
  flush_streams();
  const pid_t pid = ::fork();
  if (pid < 0) {
    throw SystemError(errno, "cannot start a process");
  }
  if (pid == 0) {
    detach(nowhere.get(), log ? log.get() : nowhere.get(), pair.b.get());
    work_detached(pair.b.get(), work);
  }
  pair.b.reset();
  const core::Deadline deadline = core::deadline_after(patience);
  if (!shm::poll_until(pair.a.get(), POLLIN, deadline)) kill_late(pid, patience);
  const auto heard = shm::receive_with_fds(pair.a.get(), kWordsBytes);
  if (heard.message) return heard.message->bytes;
  // It closes that only with its end, which is near, and no descriptor tells of it if this program
  // was told to ignore its children.
  int status = 0;
  for (pid_t ended = 0; (ended = ::waitpid(pid, &status, WNOHANG)) == 0;) {
    if (deadline && std::chrono::steady_clock::now() >= *deadline) kill_late(pid, patience);
    ::poll(nullptr, 0, kLookAgainMs);
  }
  const int code = WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
  throw core::Failure(std::string(kWhat) + " ended before it was up (" + describe_ending(code) +
                      ")");
}

}  // namespace steward::detail::process
