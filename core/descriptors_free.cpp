#include <steward/core/descriptors_free.hpp>

#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <system_error>
#include <vector>

#include <steward/core/errors.hpp>

namespace steward::detail::core {

void check_descriptors_free(std::size_t count) {
  std::vector<int> taken;
  taken.reserve(count);
  int error = 0;
  while (error == 0 && taken.size() < count) {
    const int fd = ::eventfd(0, EFD_CLOEXEC);
    fd < 0 ? void(error = errno) : taken.push_back(fd);
  }
  for (const int fd : taken) ::close(fd);
  if (error == 0) return;
  throw Overloaded(std::to_string(count) + " descriptors are needed, and only " +
                   std::to_string(taken.size()) +
                   " can be opened: " + std::generic_category().message(error));
}

}  // namespace steward::detail::core
