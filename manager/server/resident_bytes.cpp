#include <steward/manager/server/resident_bytes.hpp>

#include <unistd.h>

#include <fstream>

namespace steward::detail::server {

std::size_t resident_bytes() {
  std::ifstream file("/proc/self/statm");
  std::size_t all = 0;
  std::size_t resident = 0;
  if (!(file >> all >> resident)) return 0;
  return resident * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
}

}  // namespace steward::detail::server
