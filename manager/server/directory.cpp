#include <steward/manager/server/directory.hpp>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <system_error>
#include <utility>
#include <vector>

#include <steward/core/auth.hpp>
#include <steward/core/errors.hpp>
#include <steward/core/ipc_address.hpp>

namespace steward::detail::server {
namespace {

constexpr std::string_view kPrefix = "steward-";
constexpr std::string_view kDigits = "0123456789abcdef";
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

// Room for the longest path that a manager makes in there.
constexpr std::size_t kRandomDigits = 16;
constexpr std::size_t kBaseBytes =
    kPathBytes - 1 - (1 + kPrefix.size() + kRandomDigits + kSocket.size());

// An address is a line of text.
bool is_printable(std::string_view path) {
  return std::ranges::none_of(
      path, [](char c) { return std::iscntrl(static_cast<unsigned char>(c)) != 0; });
}

std::string random_name() {
  std::string name(kPrefix);
  for (const char byte : core::random_bytes(kRandomDigits / 2)) {
    const auto value = static_cast<unsigned char>(byte);
    name += kDigits[value >> 4U];
    name += kDigits[value & 15U];
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

bool is_managers_name(std::string_view name) {
  return name.starts_with(kPrefix) && name.size() == kPrefix.size() + kRandomDigits &&
         name.find_first_not_of(kDigits, kPrefix.size()) == std::string_view::npos;
}

// Not every file system has sockets, and each takes an inode of one that may be full. 0, or errno.
int try_sockets(const std::vector<std::string>& paths) {
  int error = 0;
  for (const std::string& path : paths) {
    const shm::UniqueFd socket(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::ranges::copy(path, address.sun_path);
    if (error == 0 && (!socket || ::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address),
                                         sizeof address) != 0)) {
      error = errno;
    }
  }
  for (const std::string& path : paths) ::unlink(path.c_str());
  return error;
}

// What has run out for the process runs out everywhere.
bool is_anywhere(int error) { return error == EMFILE || error == ENFILE || error == ENOMEM; }

}  // namespace

std::vector<Base> usual_bases() {
  std::vector<Base> bases;
  const auto add = [&](Base base) {
    const auto same = [&](const Base& one) { return one.path == base.path; };
    if (!base.path.empty() && std::ranges::none_of(bases, same)) bases.push_back(std::move(base));
  };
  const auto variable = [](const char* name) {
    const char* value = std::getenv(name);
    return std::string(value == nullptr ? "" : value);
  };
  add({variable("XDG_RUNTIME_DIR"), "XDG_RUNTIME_DIR", true});
  add({variable("TMPDIR"), "TMPDIR"});
  for (const char* path : {"/tmp", "/var/tmp", "/dev/shm"}) add({path});
  add({"/run/user/" + std::to_string(::geteuid()), {}, true});
  return bases;
}

std::vector<Base> lasting_bases() {
  std::vector<Base> bases = usual_bases();
  const auto lasts = [](const Base& base) { return !base.must_be_private; };
  std::stable_partition(bases.begin(), bases.end(), lasts);  // clang 14 has no ranges for this
  return bases;
}

Directory::Directory(std::string_view base) {
  sweep_dead_directories(base);
  if (const int error = stand_in(std::string(base)); error != 0) {
    fail("cannot make a directory for a manager's sockets in " + std::string(base), error);
  }
}

Directory::Directory(const std::vector<Base>& bases) {
  std::string tried;
  for (const Base& base : bases) sweep_dead_directories(base.path);
  for (const Base& base : bases) {
    struct stat status {};
    const bool there = ::stat(base.path.c_str(), &status) == 0;
    const bool others = there && base.must_be_private && !is_private(status);
    const int error = others ? EPERM : stand_in(base.path);
    if (error == 0) return;
    if (is_anywhere(error)) fail("cannot make a directory for a manager's sockets", error);
    tried += tried.empty() ? "" : ", ";
    if (!base.variable.empty()) tried += std::string(base.variable) + "=";
    tried += base.path + ": ";
    tried += others ? "not this user's alone" : std::generic_category().message(error);
  }
  throw core::Failure("no directory can hold a manager's sockets (" + tried +
                      "): set TMPDIR to one that this user can write to, whose path has at most " +
                      std::to_string(kBaseBytes) + " bytes");
}

int Directory::stand_in(const std::string& base) {
  if (!base.starts_with('/') || !is_printable(base)) return EINVAL;
  if (base.size() > kBaseBytes) return ENAMETOOLONG;
  // A sweeper may take a directory for dead between mkdir and flock: then another name.
  int error = EEXIST;
  for (int attempts = 16; attempts > 0 && error == EEXIST; --attempts) {
    error = make(base + '/' + random_name());
  }
  return error;
}

int Directory::make(const std::string& path) {
  if (::mkdir(path.c_str(), kPrivate) != 0) return errno;
  struct stat status {};
  if (::lstat(path.c_str(), &status) != 0 || !is_private(status)) return EEXIST;
  lock_ = locked(path + "/lock", O_CREAT);
  if (!lock_) {
    const int error = errno;
    if (error == EWOULDBLOCK || error == ENOENT) return EEXIST;
    ::rmdir(path.c_str());
    return error;
  }
  if (!still_there(lock_, path + "/lock")) return EEXIST;
  path_ = path;
  const int error = try_sockets({socket(), control()});
  if (error != 0) {
    remove_files(path);
    path_.clear();
    lock_.reset();
  }
  return error;
}

Directory::~Directory() {
  if (!path_.empty()) remove_files(path_);
}

bool remove_dead_directory(const std::string& path) noexcept {
  try {
    struct stat status {};
    if (directory_around(path + "/lock").empty()) return false;
    if (::lstat(path.c_str(), &status) != 0) return false;
    if (is_unfinished(path, status)) return false;
    const shm::UniqueFd lock = locked(path + "/lock", O_CREAT);
    return lock && remove_files(path);
  } catch (const std::exception&) {
    return false;  // another sweeper was faster, or memory is short: the next one tries again
  }
}

std::vector<std::string> directories_in(std::string_view base) {
  std::vector<std::string> found;
  std::error_code unreadable;
  for (const auto& entry : std::filesystem::directory_iterator(base, unreadable)) {
    const std::string path = entry.path().string();
    if (!directory_around(path + "/lock").empty()) found.push_back(path);
  }
  return found;
}

std::string directory_around(std::string_view file) {
  const std::string path(file.substr(0, file.rfind('/')));
  struct stat status {};
  const bool ours = is_managers_name(path.substr(path.rfind('/') + 1)) &&
                    ::lstat(path.c_str(), &status) == 0 && is_private(status);
  return ours ? path : std::string();
}

void sweep_dead_directories(std::string_view base) noexcept {
  try {
    for (const std::string& path : directories_in(base)) remove_dead_directory(path);
  } catch (const std::exception&) {
    // Sweeping is a courtesy: what cannot be read is left alone.
  }
}

void sweep_dead_directories() noexcept {
  try {
    for (const Base& base : usual_bases()) sweep_dead_directories(base.path);
  } catch (const std::exception&) {
    // As above.
  }
}

std::string ipc_address(const Directory& directory) {
  return "ipc://" + directory.socket() + "?boot=" + core::boot_id();
}

std::string directory_of(std::string_view address) {
  const auto parsed = core::parse_ipc(address);
  if (!parsed || !parsed->path.ends_with(kSocket)) return {};
  return parsed->path.substr(0, parsed->path.size() - kSocket.size());
}

bool is_manager_socket(std::string_view path) {
  if (!path.ends_with(kSocket)) return false;
  path.remove_suffix(kSocket.size());
  return path.substr(path.rfind('/') + 1).starts_with(kPrefix);
}

}  // namespace steward::detail::server
