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

  // What is to be had by `own` before an execve(), for the same to come out of it: that forgets the
  // saved ids, and works out the capabilities in use anew.
  Credentials before_execution(const Credentials& own) const;

  std::array<uid_t, 3> users{};  // real, effective, saved
  std::array<gid_t, 3> groups{};
  std::vector<gid_t> supplementary;
  Capabilities capabilities;
  bool no_new_privileges = false;
  std::string filters;  // of system calls (seccomp): mode and number
};

// Throws SystemError, from errno, unless the result of a system call is 0.
void taken_over(int result, const char* what);

// Throws SystemError unless a process of which the kernel confirmed that user and group certainly
// had, then, what was read of it later: meanwhile it may have executed a program that has more
// rights. `user`: root, if it could become that, otherwise its real one.
void check_proven(const Credentials& read, uid_t user, gid_t group);

// Every right that this process, which has the credentials `own`, may make use of.
void use_all_rights(const Credentials& own);

// Makes those of this process, which has one thread and had `own`, the same as `wanted`. Throws
// SystemError if the kernel does not allow it; what is done by then stays.
void take_over(const Credentials& wanted, const Credentials& own);

}  // namespace steward::detail::process
