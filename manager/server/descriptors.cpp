#include <steward/manager/server/descriptors.hpp>

#include <sys/resource.h>

#include <algorithm>
#include <cerrno>

#include <fmt/format.h>

#include <steward/core/errors.hpp>

namespace steward::detail::server {

std::size_t raise_descriptor_limit(std::size_t floor) {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) {
    throw SystemError(errno, "cannot read the descriptor limit");
  }
  if (limit.rlim_cur < limit.rlim_max) {
    // Where the hard limit is not to be had, the soft one must do.
    const rlimit raised{limit.rlim_max, limit.rlim_max};
    if (::setrlimit(RLIMIT_NOFILE, &raised) == 0) limit = raised;
  }
  if (limit.rlim_cur < floor) {
    throw Overloaded(fmt::format("a manager needs {} descriptors, this process may open {}", floor,
                                 limit.rlim_cur));
  }
  constexpr rlim_t kPlenty = 1U << 30U;
  return static_cast<std::size_t>(std::min(limit.rlim_cur, kPlenty));
}

}  // namespace steward::detail::server
