// Credentials: what the kernel lets a thread do, as its /proc/<pid>/status tells, and taking over
// those of another.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <sstream>
#include <string>
#include <vector>

#include <sys/types.h>

namespace steward::detail::process {

// The fields of a file of /proc such as /proc/self/status: "Name:\tvalue" in each line.
class StatusFile {
 public:
  // nullopt: it cannot be read.
  static std::optional<StatusFile> of(const std::string& path);

  // Its value; empty if there is no such field.
  std::istringstream field(const std::string& name) const;

 private:
  std::map<std::string, std::string> fields_;
};

struct Credentials {
  // Each a set of bits by the numbers of <linux/capability.h>.
  struct Capabilities {
    std::uint64_t inheritable = 0;
    std::uint64_t permitted = 0;
    std::uint64_t effective = 0;
    std::uint64_t bounding = 0;
    std::uint64_t ambient = 0;
    friend bool operator==(const Capabilities&, const Capabilities&) = default;
  };

  explicit Credentials(const StatusFile& status);
  friend bool operator==(const Credentials&, const Credentials&) = default;

  // The credentials to have before an execve() so that these come out of it: execve() forgets the
  // saved ids and computes the effective capabilities anew. `own`: those of this process now.
  Credentials before_execution(const Credentials& own) const;

  std::array<uid_t, 3> users{};  // real, effective, saved
  std::array<gid_t, 3> groups{};
  std::vector<gid_t> supplementary;
  Capabilities capabilities;
  bool no_new_privileges = false;
  std::string filters;  // of system calls (seccomp): mode and number
};

// Throws SystemError, from errno, unless `result` is 0: the result of a system call that takes over
// `what`.
void taken_over(int result, const char* what);

// `read` are the credentials of a process, read from /proc after the kernel had confirmed its user
// and group. In between the process may have executed a program with more rights. Throws
// SystemError unless `user` and `group` prove that it had these rights before. `user`: root, if the
// process could become root, else its real user.
void check_proven(const Credentials& read, uid_t user, gid_t group);

// Makes every right effective that this process is permitted. `own`: its credentials.
void use_all_rights(const Credentials& own);

// Gives this process, which must have one thread and has the credentials `own`, the credentials
// `wanted`. Throws SystemError if the kernel does not allow it; what is done by then stays.
void take_over(const Credentials& wanted, const Credentials& own);

}  // namespace steward::detail::process
