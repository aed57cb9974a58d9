// Files that are only memory, to be shared by processes or passed on.
#pragma once

#include <cstdint>

#include <steward/shm/unique_fd.hpp>

namespace steward::detail::shm {

// An unnamed memory file of this size, all zero, which takes memory as it is written and may be
// sealed. `name` shows up in /proc. Throws SystemError: EFBIG if the size is past this process's
// limit on files (ulimit -f), EPERM or ENOSYS where memfd_create(2) is refused.
UniqueFd memory_file(const char* name, std::uint64_t size);

}  // namespace steward::detail::shm
