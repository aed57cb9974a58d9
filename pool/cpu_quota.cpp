#include <steward/pool/cpu_quota.hpp>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <limits>
#include <sstream>
#include <string_view>

#include <steward/process/process.hpp>

namespace steward::detail::pool {
namespace {

using Path = std::filesystem::path;

constexpr unsigned kNoLimit = std::numeric_limits<unsigned>::max();

std::string first_line(const Path& file) {
  std::ifstream in(file);
  std::string line;
  std::getline(in, line);
  return line;
}

// The least quota of the group and of those that it lies in: what holds for one holds for all
// within it. In a container the path may be that of the host, and only the last of them is there.
template <class TextIn>
unsigned least_quota(Path group, TextIn&& text_in) {
  unsigned least = kNoLimit;
  for (;; group = group.parent_path()) {
    least = std::min(least, quota_in(text_in(group)));
    if (group.empty()) return least;
  }
}

unsigned quota_of_version_2(const Path& mount, const Path& group) {
  return least_quota(group, [&](const Path& at) { return first_line(mount / at / "cpu.max"); });
}

unsigned quota_of_version_1(const Path& mount, const Path& group) {
  return least_quota(group, [&](const Path& at) {
    return first_line(mount / at / "cpu.cfs_quota_us") + ' ' +
           first_line(mount / at / "cpu.cfs_period_us");
  });
}

bool has_cpu(std::string_view controllers) {
  std::istringstream names{std::string(controllers)};
  for (std::string name; std::getline(names, name, ',');) {
    if (name == "cpu") return true;
  }
  return false;
}

}  // namespace

unsigned quota_in(const std::string& text) {
  std::istringstream in(text);
  double quota = 0;
  double period = 0;
  if (!(in >> quota >> period) || quota <= 0 || period <= 0) return kNoLimit;
  const double cpus = std::ceil(quota / period);
  return cpus < kNoLimit ? static_cast<unsigned>(cpus) : kNoLimit;
}

// Lines as "0::/user.slice/session.scope" (version 2) and "4:cpu,cpuacct:/user.slice" (version 1,
// whose controllers are mounted under their names).
unsigned cgroup_quota(const Path& root) {
  const Path mounts = root / "sys/fs/cgroup";
  unsigned least = kNoLimit;
  std::ifstream file(root / "proc/self/cgroup");
  for (std::string line; std::getline(file, line);) {
    const auto first = line.find(':');
    const auto second = line.find(":/", first + 1);
    if (first == std::string::npos || second == std::string::npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1);
    const Path group = line.substr(second + 2);
    if (controllers.empty()) {
      least = std::min(least, quota_of_version_2(mounts, group));
    } else if (has_cpu(controllers)) {
      least = std::min({least, quota_of_version_1(mounts / controllers, group),
                        quota_of_version_1(mounts / "cpu", group)});
    }
  }
  return least;
}

unsigned usable_cpus() { return std::max(std::min(cpu_count(), cgroup_quota("/")), 1U); }

}  // namespace steward::detail::pool
