#include <steward/manager/server/directory.hpp>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <vector>

#include <steward/core/auth.hpp>
#include <steward/core/errors.hpp>

namespace steward::server {
namespace {

constexpr std::string_view kPrefix = "steward-";
constexpr std::string_view kSocket = "/manager.sock";
constexpr std::size_t kPathBytes = sizeof(sockaddr_un::sun_path);
constexpr mode_t kPrivate = 0700;
// A directory without a lock file is one that is just being made, unless it is as old as this.
constexpr std::time_t kUnfinishedSeconds = 3600;

[[noreturn]] void fail(const std::string& what, int error = errno) {
  throw SystemError(error, what);
}

bool is_private(const struct stat& status) {
  return S_ISDIR(status.st_mode) && status.st_uid == ::geteuid() && (status.st_mode & 0077) == 0;
}

// Room for the longest name that a manager makes in there.
bool fits(std::string_view base) {
  constexpr std::size_t kRandom = 16;
  return base.size() + 1 + kPrefix.size() + kRandom + kSocket.size() < kPathBytes;
}

std::string usual_base() {
  const char* runtime = std::getenv("XDG_RUNTIME_DIR");
  struct stat status {};
  if (runtime != nullptr && *runtime == '/' && ::stat(runtime, &status) == 0 &&
      is_private(status) && fits(runtime)) {
    return runtime;
  }
  return "/tmp";
}

std::string random_name() {
  constexpr std::string_view digits = "0123456789abcdef";
  std::string name(kPrefix);
  for (const char byte : core::random_bytes(8)) {
    const auto value = static_cast<unsigned char>(byte);
    name += digits[value >> 4U];
    name += digits[value & 15U];
  }
  return name;
}

// Locked, or nothing: another process holds it or it is not there. errno tells.
shm::UniqueFd locked(const std::string& file, int flags) {
  shm::UniqueFd lock(::open(file.c_str(), flags | O_RDWR | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (lock && ::flock(lock.get(), LOCK_EX | LOCK_NB) == 0) return lock;
  return {};
}

// The lock counts only while its file is the one that others would open.
bool still_there(const shm::UniqueFd& lock, const std::string& file) {
  struct stat held {};
  struct stat there {};
  return ::fstat(lock.get(), &held) == 0 && ::lstat(file.c_str(), &there) == 0 &&
         held.st_ino == there.st_ino && held.st_dev == there.st_dev;
}

// The lock goes last: until then others see that somebody is at it.
bool remove_files(const std::string& path) {
  for (const char* name : {"/manager.sock", "/door", "/lock"}) ::unlink((path + name).c_str());
  return ::rmdir(path.c_str()) == 0;
}

bool is_unfinished(const std::string& path, const struct stat& status) {
  struct stat lock {};
  return ::lstat((path + "/lock").c_str(), &lock) != 0 && errno == ENOENT &&
         std::time(nullptr) - status.st_mtime < kUnfinishedSeconds;
}

std::string boot_id() {
  std::ifstream file("/proc/sys/kernel/random/boot_id");
  std::string id;
  file >> id;
  return id;
}

}  // namespace

Directory::Directory() : Directory(usual_base()) {}

Directory::Directory(std::string_view base) {
  if (!fits(base)) fail(std::string(base) + " is too long for a socket's path", ENAMETOOLONG);
  sweep_dead_directories(base);
  // A sweeper may take a directory for dead between mkdir and flock: then another name.
  for (int attempts = 16; attempts > 0; --attempts) {
    if (make(base)) return;
  }
  fail("cannot make a directory under " + std::string(base), EEXIST);
}

bool Directory::make(std::string_view base) {
  const std::string path = std::string(base) + '/' + random_name();
  if (::mkdir(path.c_str(), kPrivate) != 0) {
    if (errno == EEXIST) return false;
    fail("cannot make the directory " + path);
  }
  struct stat status {};
  if (::lstat(path.c_str(), &status) != 0 || !is_private(status)) return false;
  lock_ = locked(path + "/lock", O_CREAT);
  if (!lock_) {
    if (errno == EWOULDBLOCK || errno == ENOENT) return false;
    const int error = errno;
    ::rmdir(path.c_str());
    fail("cannot lock " + path, error);
  }
  if (!still_there(lock_, path + "/lock")) return false;
  path_ = path;
  return true;
}

Directory::~Directory() {
  if (!path_.empty()) remove_files(path_);
}

bool remove_dead_directory(const std::string& path) noexcept {
  try {
    const std::size_t slash = path.rfind('/');
    if (slash == std::string::npos || !path.substr(slash + 1).starts_with(kPrefix)) return false;
    struct stat status {};
    if (::lstat(path.c_str(), &status) != 0 || !is_private(status)) return false;
    if (is_unfinished(path, status)) return false;
    const shm::UniqueFd lock = locked(path + "/lock", O_CREAT);
    return lock && remove_files(path);
  } catch (const std::exception&) {
    return false;  // another sweeper was faster, or memory is short: the next one tries again
  }
}

void sweep_dead_directories(std::string_view base) noexcept {
  try {
    std::vector<std::string> found;
    for (const auto& entry : std::filesystem::directory_iterator(base)) {
      const std::string name = entry.path().filename().string();
      if (name.starts_with(kPrefix)) found.push_back(entry.path().string());
    }
    for (const std::string& path : found) remove_dead_directory(path);
  } catch (const std::exception&) {
    // Sweeping is a courtesy: what cannot be read is left alone.
  }
}

std::string ipc_address(const Directory& directory) {
  return "ipc://" + directory.socket() + "?boot=" + boot_id();
}

std::string directory_of(std::string_view address) {
  constexpr std::string_view scheme = "ipc://";
  if (!address.starts_with(scheme)) return {};
  address.remove_prefix(scheme.size());
  address = address.substr(0, address.find('?'));
  if (!address.ends_with(kSocket)) return {};
  address.remove_suffix(kSocket.size());
  return std::string(address);
}

bool is_manager_socket(std::string_view path) {
  if (!path.ends_with(kSocket)) return false;
  path.remove_suffix(kSocket.size());
  return path.substr(path.rfind('/') + 1).starts_with(kPrefix);
}

}  // namespace steward::server
