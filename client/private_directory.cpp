#include <steward/client/private_directory.hpp>

#include <sys/stat.h>
#include <unistd.h>

namespace steward::detail::client {

std::string objection_to_directory(const std::string& path, bool& there) {
  struct stat status {};
  there = ::lstat(path.c_str(), &status) == 0;
  if (!there) return {};
  if (!S_ISDIR(status.st_mode)) return "is no directory";
  if (status.st_uid != ::geteuid()) return "belongs to user " + std::to_string(status.st_uid);
  if ((status.st_mode & 0077) != 0) return "is open to others";
  return {};
}

}  // namespace steward::detail::client
