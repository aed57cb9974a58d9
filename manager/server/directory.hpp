// Directory: where a manager's sockets stand. Only its own user can enter it, a lock says that the
// manager lives, and nothing of it stays behind: what a killed manager leaves is swept by the next.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <steward/shm/unique_fd.hpp>

namespace steward::detail::server {

// A place where such a directory may stand.
struct Base {
  std::string path;
  std::string_view variable = {};  // of the environment, that it comes from
  bool must_be_private = false;    // only if it is this user's alone
};

// In this order: $XDG_RUNTIME_DIR if that is this user's alone, $TMPDIR, /tmp, /var/tmp, /dev/shm,
// /run/user/<uid>.
std::vector<Base> usual_bases();
// The same for a manager that outlives the login that started it: those that the end of the user's
// last session removes come last.
std::vector<Base> lasting_bases();

// A resource: the destructor removes the directory. Thread safety: none.
class Directory {
 public:
  // In the first base that can hold it and sockets in it: is there, can be written, is not full,
  // leaves room for a socket's path. Sweeps all of them first. Throws core::Failure that names what
  // was tried.
  explicit Directory(const std::vector<Base>& bases = usual_bases());
  // In this one. Throws SystemError.
  explicit Directory(std::string_view base);
  Directory(const Directory&) = delete;
  Directory& operator=(const Directory&) = delete;
  ~Directory();

  const std::string& path() const { return path_; }
  std::string socket() const { return path_ + "/manager.sock"; }
  std::string control() const { return path_ + "/door"; }

 private:
  // 0, or errno.
  int stand_in(const std::string& base);
  int make(const std::string& path);

  std::string path_;
  shm::UniqueFd lock_;  // flock'ed for life
};

// Removes the directory of a manager that is dead, if `path` is one of this user's; whatever else
// it is stays as it is. False: not removed.
bool remove_dead_directory(const std::string& path) noexcept;
// Removes those of all dead managers under `base`, or under all usual bases.
void sweep_dead_directories(std::string_view base) noexcept;
void sweep_dead_directories() noexcept;
// What is left there: directories of managers that live.
std::vector<std::string> directories_in(std::string_view base);
// The manager's directory that this file is in; empty: it is in none of this user.
std::string directory_around(std::string_view file);

// "ipc://<path>/manager.sock?boot=<id>": the boot keeps a handle from an earlier boot, or of
// another machine, from finding somebody else there.
std::string ipc_address(const Directory& directory);
// The directory in such an address; empty if it is none.
std::string directory_of(std::string_view address);
// Whether a socket at this path is a manager's, by its name.
bool is_manager_socket(std::string_view path);

}  // namespace steward::detail::server
