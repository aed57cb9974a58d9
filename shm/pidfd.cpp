#include <steward/shm/pidfd.hpp>

#include <poll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <fstream>
#include <string>

#include <steward/core/errors.hpp>

namespace steward::shm {

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
  std::ifstream info("/proc/self/fdinfo/" + std::to_string(pidfd));
  std::string field;
  while (info >> field) {
    long pid = 0;
    if (field == "Pid:" && info >> pid) {
      return pid > 0 ? std::optional(static_cast<pid_t>(pid)) : std::nullopt;
    }
  }
  return std::nullopt;
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

}  // namespace steward::shm
