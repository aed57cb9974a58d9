#include <steward/process/credentials.hpp>

#include <grp.h>
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <fstream>
#include <string>

#include <fmt/format.h>

#include <steward/core/errors.hpp>

namespace steward::detail::process {
namespace {

std::uint64_t bits(const StatusFile& status, const char* field) {
  std::uint64_t value = 0;
  status.field(field) >> std::hex >> value;
  return value;
}

template <class Id>
std::array<Id, 3> ids(const StatusFile& status, const char* field) {
  std::array<Id, 3> all{};
  std::istringstream in = status.field(field);
  for (Id& id : all) in >> id;
  return all;
}

void set_capabilities(const Credentials::Capabilities& wanted) {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  std::array<__user_cap_data_struct, 2> data{};
  for (unsigned i = 0; i < data.size(); ++i) {
    const auto word = [i](std::uint64_t set) { return static_cast<__u32>(set >> (32 * i)); };
    data[i] = {word(wanted.effective), word(wanted.permitted), word(wanted.inheritable)};
  }
  taken_over(static_cast<int>(::syscall(SYS_capset, &header, data.data())), "its capabilities");
}

// Calls `change` for each capability that is in the set.
template <class F>
void for_each(std::uint64_t set, F change) {
  for (unsigned long capability = 0; capability < 64; ++capability) {
    if ((set >> capability & 1U) != 0) change(capability);
  }
}

void take_ambient(std::uint64_t wanted) {
  // EINVAL: a kernel without these has none to be cleared.
  ::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
  for_each(wanted, [](unsigned long capability) {
    taken_over(::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, capability, 0, 0), "its capabilities");
  });
}

void take_ids(const Credentials& wanted, const Credentials& own) {
  if (wanted.supplementary != own.supplementary) {
    taken_over(::setgroups(wanted.supplementary.size(), wanted.supplementary.data()),
          "its supplementary groups");
  }
  const auto [group, effective_group, saved_group] = wanted.groups;
  taken_over(::setresgid(group, effective_group, saved_group), "its group ids");
  const auto [user, effective_user, saved_user] = wanted.users;
  taken_over(::setresuid(user, effective_user, saved_user), "its user ids");
}

}  // namespace

std::optional<StatusFile> StatusFile::of(const std::string& path) {
  StatusFile status;
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    const std::size_t colon = line.find(':');
    if (colon != std::string::npos) status.fields_[line.substr(0, colon)] = line.substr(colon + 1);
  }
  if (status.fields_.empty()) return std::nullopt;
  return status;
}

std::istringstream StatusFile::field(const std::string& name) const {
  const auto found = fields_.find(name);
  return std::istringstream(found != fields_.end() ? found->second : std::string());
}

Credentials::Credentials(const StatusFile& status)
    : users(ids<uid_t>(status, "Uid")),
      groups(ids<gid_t>(status, "Gid")),
      capabilities{bits(status, "CapInh"), bits(status, "CapPrm"), bits(status, "CapEff"),
                   bits(status, "CapBnd"), bits(status, "CapAmb")},
      filters(status.field("Seccomp").str() + status.field("Seccomp_filters").str()) {
  std::istringstream more = status.field("Groups");
  for (gid_t group = 0; more >> group;) supplementary.push_back(group);
  int bit = 0;
  status.field("NoNewPrivs") >> bit;
  no_new_privileges = bit != 0;
}

Credentials Credentials::before_execution(const Credentials& own) const {
  Credentials wanted = *this;
  wanted.users[2] = users[1];
  wanted.groups[2] = groups[1];
  wanted.capabilities.permitted &= own.capabilities.permitted;
  wanted.capabilities.effective &= own.capabilities.permitted;
  return wanted;
}

void taken_over(int result, const char* what) {
  if (result == 0) return;
  throw SystemError(errno,
                    fmt::format("cannot take over {} from the process that starts it", what));
}

void check_proven(const Credentials& read, uid_t user, gid_t group) {
  const Credentials::Capabilities& sets = read.capabilities;
  constexpr std::uint64_t kAnyId = 1ULL << CAP_SETUID | 1ULL << CAP_SETGID;
  // Whoever can become root can have all that the bounding set leaves.
  if (user == 0 && (sets.bounding & kAnyId) == kAnyId) return;
  const std::array<uid_t, 3> users{user, user, user};
  const std::array<gid_t, 3> groups{group, group, group};
  if (read.users != users || read.groups != groups) {
    throw SystemError(EPERM, fmt::format(
        "real, effective and saved ids of the process that starts it differ (users {}, groups {}), "
        "which is taken over from root alone: use StartMethod::fork",
        fmt::join(read.users, " "), fmt::join(read.groups, " ")));
  }
  // A file that gives capabilities takes the ambient ones away.
  if (user == 0 || (sets.permitted & ~sets.ambient) == 0) return;
  throw SystemError(EPERM, fmt::format(
      "the process that starts it is of user {} and has capabilities, which are taken over only if "
      "they are ambient: raise them (PR_CAP_AMBIENT), or use StartMethod::fork", user));
}

void use_all_rights(const Credentials& own) {
  if (own.capabilities.effective == own.capabilities.permitted) return;
  Credentials::Capabilities all = own.capabilities;
  all.effective = all.permitted;
  set_capabilities(all);
}

void take_over(const Credentials& wanted, const Credentials& own) {
  if (wanted.filters != own.filters) {
    throw SystemError(EPERM, "cannot take over its filters of system calls (seccomp) from "
                             "the process that starts it");
  }
  if (wanted == own && own.capabilities.effective == own.capabilities.permitted) return;
  use_all_rights(own);
  for_each(own.capabilities.bounding & ~wanted.capabilities.bounding, [](unsigned long capability) {
    taken_over(::prctl(PR_CAPBSET_DROP, capability, 0, 0, 0), "its capabilities");
  });
  taken_over(::prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0), "its capabilities");
  take_ids(wanted, own);
  taken_over(::prctl(PR_SET_KEEPCAPS, 0, 0, 0, 0), "its capabilities");
  set_capabilities(wanted.capabilities);
  take_ambient(wanted.capabilities.ambient);
  if (wanted.no_new_privileges) {
    taken_over(::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "no_new_privs");
  } else if (own.no_new_privileges) {
    throw SystemError(EPERM, "cannot take over from the process that starts it that it may gain "
                             "privileges");
  }
}

}  // namespace steward::detail::process
