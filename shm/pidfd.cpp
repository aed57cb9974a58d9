#include <steward/shm/pidfd.hpp>

#include <fcntl.h>
#include <poll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <sstream>
#include <string>

#include <steward/core/errors.hpp>

namespace steward::detail::shm {

UniqueFd pidfd_of(pid_t pid) {
  // By number: <sys/pidfd.h> lacks extern "C" in glibc 2.36. Close-on-exec by definition.
  const long fd = ::syscall(SYS_pidfd_open, pid, 0U);
  if (fd >= 0) return UniqueFd(static_cast<int>(fd));
  // A filter of system calls answers with one of these two.
  const bool refused = errno == ENOSYS || errno == EPERM;
  throw SystemError(errno, refused ? "cannot open a pidfd (this needs Linux 5.9 and a seccomp "
                                     "filter that allows pidfd_open)"
                                   : "cannot open a pidfd");
}

std::optional<pid_t> pid_of(int pidfd) {
  const std::string path = "/proc/self/fdinfo/" + std::to_string(pidfd);
  const UniqueFd readable(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!readable && (errno == EMFILE || errno == ENFILE)) {
    throw SystemError(errno, "cannot open " + path);
  }
  std::array<char, 1024> text{};
  const ssize_t size = readable ? ::read(readable.get(), text.data(), text.size()) : -1;
  if (size <= 0) return std::nullopt;
  std::istringstream info(std::string(text.data(), static_cast<std::size_t>(size)));
  std::string field;
  while (info >> field) {
    long pid = 0;
    if (field == "Pid:" && info >> pid) {
      return pid > 0 ? std::optional(static_cast<pid_t>(pid)) : std::nullopt;
    }
  }
  return std::nullopt;
}

std::string objection_to(int pidfd, pid_t pid, const std::string& whose, const std::string& other) {
  if (pid <= 0) {
    return whose + " is in another pid namespace than " + other + ": use a tcp address";
  }
  const auto shown = pid_of(pidfd);
  if (shown == pid) return {};
  if (::access("/proc/self/fdinfo", F_OK) != 0) {
    return other + " has no /proc, which a manager and its clients need for ipc addresses";
  }
  std::array<char, 32> self{};
  if (::readlink("/proc/self", self.data(), self.size() - 1) > 0 &&
      self.data() != std::to_string(::getpid())) {
    return "the /proc of " + other + " is that of another pid namespace: mount its own";
  }
  return whose + " did not show its own pidfd";
}

bool has_ended(int pidfd) {
  pollfd entry{pidfd, POLLIN, 0};
  if (::poll(&entry, 1, 0) <= 0) return false;
  // Not open: a mistake here, and nothing that is known of the process.
  if ((entry.revents & POLLNVAL) != 0) {
    throw SystemError(EBADF, "cannot watch a process");
  }
  return true;
}

bool send_signal(int pidfd, int signal) {
  if (::syscall(SYS_pidfd_send_signal, pidfd, signal, nullptr, 0U) == 0) return true;
  if (errno == ESRCH) return false;
  throw SystemError(errno, "cannot send a signal");
}

}  // namespace steward::detail::shm
