#include <steward/bench/machine.hpp>

#include <sched.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <stdexcept>

#include <zmq.h>

namespace steward::bench {
namespace {

std::string cpu_name() {
  std::ifstream info("/proc/cpuinfo");
  for (std::string line; std::getline(info, line);) {
    if (line.starts_with("model name")) return line.substr(line.find(':') + 2);
  }
  return "unknown";
}

std::string kernel() {
  utsname names{};
  ::uname(&names);
  return std::string(names.sysname) + " " + names.release + " " + names.machine;
}

std::string compiler() {
#if defined(__clang__)
  return "clang " __clang_version__;
#else
  return "g++ " __VERSION__;
#endif
}

std::string zeromq() {
  int major = 0;
  int minor = 0;
  int patch = 0;
  zmq_version(&major, &minor, &patch);
  return std::to_string(major) + "." + std::to_string(minor) + "." + std::to_string(patch);
}

std::string date() {
  const std::time_t now = std::time(nullptr);
  std::tm parts{};
  ::gmtime_r(&now, &parts);
  std::array<char, 32> text{};
  std::strftime(text.data(), text.size(), "%Y-%m-%d %H:%M UTC", &parts);
  return text.data();
}

std::string proc(pid_t pid) { return "/proc/" + std::to_string(pid); }

}  // namespace

std::vector<std::pair<std::string, std::string>> describe_machine() {
  return {{"cpu", cpu_name()},
          {"processors", std::to_string(::sysconf(_SC_NPROCESSORS_ONLN))},
          {"kernel", kernel()},
          {"compiler", compiler()},
          {"build", STEWARD_BENCH_BUILD},
          {"zeromq", zeromq()},
          {"date", date()}};
}

void stay_on_cpu(std::size_t nth) {
  cpu_set_t allowed;
  if (::sched_getaffinity(0, sizeof allowed, &allowed) != 0) return;
  for (std::size_t cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
    if (!CPU_ISSET(cpu, &allowed) || nth-- > 0) continue;
    cpu_set_t only;
    CPU_ZERO(&only);
    CPU_SET(cpu, &only);
    ::sched_setaffinity(0, sizeof only, &only);
    return;
  }
}

double load_average() {
  double load = 0;
  ::getloadavg(&load, 1);
  return load;
}

// From /proc/<pid>/task/*/schedstat: nanoseconds, where utime and stime count ticks.
double cpu_seconds(pid_t pid) {
  double nanoseconds = 0;
  for (const auto& task : std::filesystem::directory_iterator(proc(pid) + "/task")) {
    double spent = 0;
    std::ifstream(task.path() / "schedstat") >> spent;
    nanoseconds += spent;
  }
  if (nanoseconds == 0) throw std::runtime_error("the kernel does not tell the CPU time");
  return nanoseconds * 1e-9;
}

double own_bytes(pid_t pid) {
  double all = 0;
  double resident = 0;
  double shared = 0;
  std::ifstream(proc(pid) + "/statm") >> all >> resident >> shared;
  return (resident - shared) * static_cast<double>(::sysconf(_SC_PAGESIZE));
}

}  // namespace steward::bench
