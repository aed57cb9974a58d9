// SocketPath: a Unix socket that listens at a path which others know. Only this user may connect.
#pragma once

#include <string>

#include <sys/stat.h>
#include <sys/types.h>

#include <steward/shm/unique_fd.hpp>

namespace steward::detail::shm {

// A resource: the destructor removes the socket from the file system, in the process that made it;
// what somebody else has put there meanwhile stays. "<path>.lock" beside it is locked for as long
// as it lives: if two processes find the socket of a dead one, only one of them takes it over.
// Thread safety: none.
class SocketPath {
 public:
  // Takes over what a dead process left. A living one's path throws SystemError with
  // EADDRINUSE, a file there that is no socket EEXIST. Other errors are the system's own.
  SocketPath(const std::string& path, int type, int backlog);
  SocketPath(const SocketPath&) = delete;
  SocketPath& operator=(const SocketPath&) = delete;
  ~SocketPath();

  int fd() const { return socket_.get(); }
  const std::string& path() const { return path_; }

  // The process that last listened there by a SocketPath; 0: not known.
  static pid_t owner(const std::string& path);

 private:
  void listen(int type, int backlog);

  const std::string path_;
  const UniqueFd lock_;
  UniqueFd socket_;
  struct stat file_ {};  // of the socket
  const pid_t creator_;
};

}  // namespace steward::detail::shm
