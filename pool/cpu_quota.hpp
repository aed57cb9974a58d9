// How many CPUs' worth of time this process may use.
#pragma once

#include <filesystem>
#include <string>

namespace steward::detail::pool {

// The CPUs that a cgroup's quota is worth, rounded up; no limit: a very large number. `text` is the
// quota and its period, as in cpu.max: "200000 100000", "max 100000", "-1 100000".
unsigned quota_in(const std::string& text);

// The least quota of the cgroups, of version 1 or 2, that this process is in. `root` is where the
// directories of the system begin.
unsigned cgroup_quota(const std::filesystem::path& root);

// cpu_count(), or fewer if a cgroup allows less time.
unsigned usable_cpus();

}  // namespace steward::detail::pool
