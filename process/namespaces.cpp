#include <steward/process/namespaces.hpp>

#include <linux/capability.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <fstream>
#include <iterator>
#include <optional>

#include <fmt/format.h>

#include <steward/core/errors.hpp>

namespace steward::detail::process {
namespace {

// The name that the kernel has for it; nullopt: it is not to be seen, for the reason in errno.
std::optional<std::string> target_of(const std::string& link) {
  std::array<char, 64> name{};
  const ssize_t size = ::readlink(link.c_str(), name.data(), name.size());
  if (size < 0) return std::nullopt;
  return std::string(name.data(), static_cast<std::size_t>(size));
}

// The kernel hides the links of one whose rights differ, or have changed. What ids a user namespace
// maps it hides from nobody, and one with the same map is root's. Into another of the other kinds
// without such a user namespace nobody comes who has not CAP_SYS_ADMIN, and the starter never had
// more than its process server.
bool same_though_hidden(const std::string& directory, const std::string& kind,
                        const Credentials& own) {
  if (kind == "user") {
    return same_text(directory + "/uid_map", "/proc/self/uid_map") &&
           same_text(directory + "/gid_map", "/proc/self/gid_map");
  }
  return (own.capabilities.permitted >> CAP_SYS_ADMIN & 1U) == 0;
}

}  // namespace

bool same_text(const std::string& one, const std::string& other) {
  std::ifstream first(one);
  std::ifstream second(other);
  const std::string text{std::istreambuf_iterator<char>(first), {}};
  return first.is_open() && second.is_open() &&
         text == std::string{std::istreambuf_iterator<char>(second), {}} && !text.empty();
}

void check_namespaces(const std::string& directory, const Credentials& own) {
  for (const std::string kind : {"user", "mnt", "net", "ipc", "uts", "cgroup"}) {
    const auto mine = target_of("/proc/self/ns/" + kind);
    if (!mine && errno == ENOENT) continue;  // this kernel has none of that kind
    const auto there = target_of(directory + "/ns/" + kind);
    if (there ? mine == there : same_though_hidden(directory, kind, own)) continue;
    throw SystemError(EPERM, fmt::format(
        "the process that starts it {} another {} namespace than its process server: use "
        "StartMethod::fork, or enter the namespace before the first Manager, Process or Pool",
        there ? "is in" : "may be in", kind));
  }
}

}  // namespace steward::detail::process
