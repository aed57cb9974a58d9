// What a figure is worth nothing without: where it was measured. And what processes cost here.
#pragma once

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include <sys/types.h>

namespace steward::bench {

// Facts in the order of their printing: cpu, processors, kernel, compiler, build, zeromq, date.
std::vector<std::pair<std::string, std::string>> describe_machine();

// Keeps this thread, and those that it makes from now on, on the nth of the CPUs that it may run
// on: two that are to meet must not share one. Does nothing if there are not so many.
void stay_on_cpu(std::size_t nth);

// The load average of the last minute: on a machine with other work figures are worth less.
double load_average();

// CPU time of all threads of a process so far, in seconds.
double cpu_seconds(pid_t pid);
// Memory of a process that is its own: resident, neither files nor shared.
double own_bytes(pid_t pid);

}  // namespace steward::bench
