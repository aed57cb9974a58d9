// Directory: where a manager's sockets stand. Only its own user can enter it, a lock says that the
// manager lives, and nothing of it stays behind: what a killed manager leaves is swept by the next.
#pragma once

#include <string>
#include <string_view>

#include <steward/shm/unique_fd.hpp>

namespace steward::server {

// A resource: the destructor removes the directory. Thread safety: none.
class Directory {
 public:
  // Under $XDG_RUNTIME_DIR if that is ours and private, else under /tmp. Sweeps there first.
  // Throws SystemError.
  Directory();
  explicit Directory(std::string_view base);
  Directory(const Directory&) = delete;
  Directory& operator=(const Directory&) = delete;
  ~Directory();

  const std::string& path() const { return path_; }
  std::string socket() const { return path_ + "/manager.sock"; }
  std::string door() const { return path_ + "/door"; }

 private:
  bool make(std::string_view base);

  std::string path_;
  shm::UniqueFd lock_;  // flock'ed for life
};

// Removes the directory of a manager that is dead, if `path` is one of this user's; whatever else
// it is stays as it is. False: not removed.
bool remove_dead_directory(const std::string& path) noexcept;
// Removes those of all dead managers under `base`.
void sweep_dead_directories(std::string_view base) noexcept;

// "ipc://<path>/manager.sock?boot=<id>": the boot keeps a handle from an earlier boot, or of
// another machine, from finding somebody else there.
std::string ipc_address(const Directory& directory);
// The directory in such an address; empty if it is none.
std::string directory_of(std::string_view address);
// Whether a socket at this path is a manager's, by its name.
bool is_manager_socket(std::string_view path);

}  // namespace steward::server
