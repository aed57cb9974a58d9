// PassedFd: an open file that can be an argument of a new process.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <utility>

#include <steward/shm/unique_fd.hpp>

namespace steward::detail::process {

enum class InCopies;

// An open file with one owner among the processes of a program: Process::start() hands it over. The
// new process has it under a number of its own; here it is closed once the process is up. It packs
// itself, and so it may lie anywhere in an argument: in a vector, in a struct with MSGPACK_DEFINE.
// Packed for anything but a new process it throws BadCall.
//
// A process forked from the program as it stands (StartMethod::fork) closes its copies of all that
// it was not given, or it would keep from the others that a file has lost its last user. Neither
// there nor in a process of the fork server do the program's objects stand for any file: get() is
// -1. After a plain fork() both sides have the file.
//
// Movable, not copyable. Thread safety: get() may be called by any thread, the rest needs the
// object for itself.
class PassedFd {
 public:
  PassedFd() = default;  // stands for no file
  // If another thread forks between the opening of the file and this constructor, the new process
  // keeps a copy: opened() prevents that.
  explicit PassedFd(shm::UniqueFd fd);
  PassedFd(PassedFd&& other) noexcept = default;
  PassedFd& operator=(PassedFd&& other) noexcept;
  ~PassedFd();

  // -1 if it stands for no file: by default, moved from, closed, lost in a fork.
  int get() const noexcept { return number_ ? number_->load(std::memory_order_relaxed) : -1; }
  explicit operator bool() const noexcept { return get() >= 0; }
  void close() noexcept;
  // From now on forked copies of this process close it, as one of opened_here_alone(). False: one
  // that was forked before may have it, of this process or of one that it comes from.
  bool keep_from_copies() noexcept;
  // Whether it came here among the arguments of this process: before that is up another process has
  // it, too, and keeps it if this one does not come up.
  bool was_given() const noexcept { return given_; }

  // Owns the file that `open` opens, whose number it returns; no file if that is negative. No
  // process that is forked meanwhile has an unknown copy: `open` runs under the lock that fork
  // takes.
  static PassedFd opened(const std::function<int()>& open);
  // Likewise a file of the library's own threads, which is never an argument: every forked copy of
  // this process closes it, after a plain fork() too, since the thread that would is not there.
  static PassedFd opened_here_alone(const std::function<int()>& open);

  // Calls `use` for each file of this process that may be an argument, and says whether no other
  // process has it. Under the lock that fork takes, so it must not wait.
  static void for_each(const std::function<void(int fd, bool alone)>& use);

  // Connected Unix sockets, close-on-exec, of this type (SOCK_SEQPACKET, SOCK_STREAM). Throws
  // SystemError.
  static std::pair<PassedFd, PassedFd> socket_pair(int type);

  // Throws BadCall where it cannot be packed.
  void check_packing() const;

  template <class Packer>
  void msgpack_pack(Packer& packer) const {
    packer.pack(pack_place());
  }
  template <class Object>
  void msgpack_unpack(Object packed) {
    const std::uint64_t place = packed;
    unpack_place(place);
  }

 private:
  static PassedFd opened(const std::function<int()>& open, InCopies copies);
  std::uint64_t pack_place() const;
  void unpack_place(std::uint64_t place);

  std::unique_ptr<std::atomic<int>> number_;  // noted in ProcessState while it is not -1
  bool given_ = false;
};

}  // namespace steward::detail::process
