// For tests that use up descriptors: in a child, since a limit that was lowered stays low.
#pragma once

#include <fcntl.h>
#include <sys/resource.h>

#include <cerrno>
#include <system_error>
#include <vector>

#include <steward/shm/unique_fd.hpp>

namespace steward::detail::test {

// For the rest of this process's life.
inline void limit_descriptors(rlim_t most) {
  const rlimit limit{most, most};
  if (::setrlimit(RLIMIT_NOFILE, &limit) != 0) {
    throw std::system_error(errno, std::generic_category(), "setrlimit");
  }
}

inline std::vector<shm::UniqueFd> take_all_descriptors() {
  std::vector<shm::UniqueFd> taken;
  for (;;) {
    shm::UniqueFd fd(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    if (!fd) return taken;
    taken.push_back(std::move(fd));
  }
}

}  // namespace steward::detail::test
