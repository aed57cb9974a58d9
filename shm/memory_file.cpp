#include <steward/shm/memory_file.hpp>

#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cerrno>

#include <fmt/format.h>

#include <steward/core/errors.hpp>
#include <steward/shm/standard_descriptors.hpp>

namespace steward::detail::shm {
namespace {

// Asked before: past the limit the kernel sends SIGXFSZ, which ends a process that does not expect
// it.
void check_limit(std::uint64_t size) {
  rlimit limit{};
  ::getrlimit(RLIMIT_FSIZE, &limit);
  if (limit.rlim_cur == RLIM_INFINITY || size <= limit.rlim_cur) return;
  throw SystemError(EFBIG, fmt::format("no memory file of {} bytes, as the limit on the size of "
                                       "files (ulimit -f) is {} bytes",
                                       size, limit.rlim_cur));
}

}  // namespace

UniqueFd memory_file(const char* name, std::uint64_t size) {
  check_limit(size);
  keep_standard_descriptors();
  UniqueFd file(::memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!file) {
    const int error = errno;
    const bool refused = error == EPERM || error == ENOSYS || error == EACCES;
    throw SystemError(error, refused ? "memfd_create is refused here, by seccomp for instance"
                                     : "cannot make a memory file");
  }
  if (::ftruncate(file.get(), static_cast<off_t>(size)) != 0) {
    throw SystemError(errno, fmt::format("no memory file of {} bytes", size));
  }
  return file;
}

}  // namespace steward::detail::shm
