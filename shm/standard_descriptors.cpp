#include <steward/shm/standard_descriptors.hpp>

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <string>

#include <steward/core/errors.hpp>
#include <steward/shm/unique_fd.hpp>

namespace steward::detail::shm {

void keep_standard_descriptors() {
  for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; ++fd) {
    if (::fcntl(fd, F_GETFD) >= 0) continue;
    UniqueFd null(::open("/dev/null", O_RDWR | O_CLOEXEC));
    if (!null) {
      throw SystemError(errno, "cannot open /dev/null for the closed descriptor " +
                                   std::to_string(fd));
    }
    // The lowest that is free; unless another thread has just taken that for a file of its own.
    if (null.get() == fd) null.release();
  }
}

}  // namespace steward::detail::shm
