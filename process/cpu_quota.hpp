// How many CPUs' worth of time this process may use.
#pragma once

#include <string>

namespace steward::process {

// The CPUs that a cgroup's quota is worth, rounded up; no limit: a very large number. `text` is as
// in cpu.max: "200000 100000", "max 100000".
unsigned quota_in(const std::string& text);

// cpu_count(), or fewer if a cgroup (version 2) that this process is in allows less time.
unsigned usable_cpus();

}  // namespace steward::process
