#include <steward/process/cpu_quota.hpp>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <limits>
#include <sstream>
#include <string_view>

#include <steward/process/process.hpp>

namespace steward::process {
namespace {

constexpr unsigned kNoLimit = std::numeric_limits<unsigned>::max();

// "0::/user.slice/session.scope"
std::string own_cgroup() {
  constexpr std::string_view kVersion2 = "0::/";
  std::ifstream file("/proc/self/cgroup");
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with(kVersion2)) return line.substr(kVersion2.size());
  }
  return {};
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

unsigned usable_cpus() {
  unsigned cpus = cpu_count();
  const std::filesystem::path root = "/sys/fs/cgroup";
  // What holds for a group holds for those within it.
  for (std::filesystem::path at = own_cgroup();; at = at.parent_path()) {
    std::ifstream file(root / at / "cpu.max");
    std::string text;
    if (std::getline(file, text)) cpus = std::min(cpus, quota_in(text));
    if (at.empty()) return std::max(cpus, 1U);
  }
}

}  // namespace steward::process
