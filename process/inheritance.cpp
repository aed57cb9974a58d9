#include <steward/process/inheritance.hpp>

#include <sched.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <fstream>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include <steward/core/errors.hpp>
#include <steward/process/credentials.hpp>
#include <steward/process/namespaces.hpp>

namespace steward::detail::process {
namespace {

// The kernel hides the root directory of one whose rights differ, but not which mounts it sees.
void take_root(const std::string& process) {
  const std::string root = process + "/root";
  struct stat own{};
  struct stat wanted{};
  taken_over(::stat("/", &own), "its root directory");
  if (::stat((root + "/.").c_str(), &wanted) != 0) {
    if (same_text(process + "/mountinfo", "/proc/self/mountinfo")) return;
    errno = EPERM;
    taken_over(-1, "its root directory");
  }
  if (own.st_dev == wanted.st_dev && own.st_ino == wanted.st_ino) return;
  taken_over(::chroot(root.c_str()), "its root directory");
  taken_over(::chdir("/"), "its root directory");
}

rlim_t limit_in(std::istringstream& line) {
  std::string word;
  line >> word;
  return word == "unlimited" ? RLIM_INFINITY : std::stoull(word);
}

// One line each, in the order of their numbers, behind a line of headings: a name of 25 columns,
// then the soft and the hard limit.
void take_limits(const std::string& process) {
  constexpr std::size_t kNameColumns = 25;
  std::ifstream file(process + "/limits");
  std::string line;
  if (!std::getline(file, line)) {
    errno = EACCES;
    taken_over(-1, "its resource limits");
  }
  for (int resource = 0; std::getline(file, line) && line.size() > kNameColumns; ++resource) {
    std::istringstream values(line.substr(kNameColumns));
    rlimit wanted{};
    wanted.rlim_cur = limit_in(values);
    wanted.rlim_max = limit_in(values);
    rlimit own{};
    const auto which = static_cast<__rlimit_resource_t>(resource);
    taken_over(::getrlimit(which, &own), "its resource limits");
    if (own.rlim_cur == wanted.rlim_cur && own.rlim_max == wanted.rlim_max) continue;
    taken_over(::setrlimit(which, &wanted), "its resource limits");
  }
}

void take_niceness(pid_t thread) {
  errno = 0;
  const int wanted = ::getpriority(PRIO_PROCESS, static_cast<id_t>(thread));
  taken_over(errno, "its niceness");
  if (::getpriority(PRIO_PROCESS, 0) == wanted) return;
  taken_over(::setpriority(PRIO_PROCESS, 0, wanted), "its niceness");
}

// The words of a set of CPUs that has room for every one that the kernel knows of.
std::vector<unsigned long> affinity_of(pid_t thread) {
  std::vector<unsigned long> set(CPU_SETSIZE / (8 * sizeof(unsigned long)));
  const auto get = [&] {
    return ::sched_getaffinity(thread, set.size() * sizeof(unsigned long),
                               reinterpret_cast<cpu_set_t*>(set.data()));
  };
  while (get() != 0) {
    if (errno != EINVAL) taken_over(-1, "its CPU affinity");
    set.resize(2 * set.size());
  }
  return set;
}

void take_affinity(pid_t thread) {
  const std::vector<unsigned long> wanted = affinity_of(thread);
  if (affinity_of(0) == wanted) return;
  taken_over(::sched_setaffinity(0, wanted.size() * sizeof(unsigned long),
                            reinterpret_cast<const cpu_set_t*>(wanted.data())),
        "its CPU affinity");
}

void take_umask(const StatusFile& status) {
  mode_t mask = 0;
  if (status.field("Umask") >> std::oct >> mask) ::umask(mask);
}

void check_user(const Starter& starter) {
  if (starter.user == ::getuid() && starter.group == ::getgid() && starter.acting == ::geteuid()) {
    return;
  }
  throw SystemError(EPERM, fmt::format("without /proc the credentials of user {}, group {} cannot "
                                       "be taken over", starter.acting, starter.group));
}

StatusFile status_in(const std::string& directory) {
  if (auto status = StatusFile::of(directory + "/status")) return *std::move(status);
  throw SystemError(EACCES, fmt::format("cannot look at the process that starts it: {}/status",
                                        directory));
}

// One of the starter's own, or that of the process, if it is none of its threads: it does not get
// away with that.
std::pair<std::string, pid_t> thread_of(const Starter& starter) {
  const std::string process = fmt::format("/proc/{}", starter.pid);
  std::string thread = fmt::format("{}/task/{}", process, starter.thread);
  struct stat there{};
  if (::stat(thread.c_str(), &there) == 0) return {std::move(thread), starter.thread};
  return {process, starter.pid};
}

}  // namespace

void inherit(const Starter& starter, Then then) {
  if (::access("/proc/self/status", F_OK) != 0 && errno == ENOENT) return check_user(starter);
  const Credentials before(status_in("/proc/self"));
  use_all_rights(before);
  const auto [directory, thread] = thread_of(starter);
  const StatusFile status = status_in(directory);
  Credentials wanted(status);
  // After that look: nobody gets back out of a namespace that was entered before.
  check_namespaces(directory, before);
  check_proven(wanted, starter.user, starter.group);
  if (then == Then::execute) wanted = wanted.before_execution(before);
  take_limits(directory);
  take_niceness(thread);
  take_affinity(thread);
  take_umask(status);
  take_root(directory);
  take_over(wanted, before);  // last, for the rest needs rights
}

}  // namespace steward::detail::process
