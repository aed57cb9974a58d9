#include <steward/process/fork_server.hpp>

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio_ext.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <syslog.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <optional>
#include <system_error>
#include <vector>

#include <fmt/format.h>

#include <steward/core/errors.hpp>
#include <steward/process/birth.hpp>
#include <steward/process/descriptors.hpp>
#include <steward/process/request.hpp>
#include <steward/process/signals.hpp>
#include <steward/process/state.hpp>
#include <steward/process/status.hpp>
#include <steward/process/streams.hpp>
#include <steward/shm/fd_passing.hpp>
#include <steward/shm/pidfd.hpp>

namespace steward::process {
namespace {

[[noreturn]] void fail(const char* what, int error = errno) {
  throw std::system_error(error, std::generic_category(), what);
}

// Waits for connections, requests and deaths. One thread; it never waits for anything else.
class ForkServer {
 public:
  ForkServer(shm::UniqueFd connection, shm::UniqueFd owner_pidfd, pid_t owner, Origin origin)
      : pidfd_(shm::pidfd_of(::getpid())), origin_(origin) {
    send_status(connection.get(), StatusKind::started, ::getpid(), {}, pidfd_.get());
    Member first;
    first.pid = owner;
    first.pidfd = std::move(owner_pidfd);
    first.connection = std::move(connection);
    members_.push_back(std::move(first));
  }

  // Returns when the owner has ended.
  void run() {
    while (!shm::has_ended(members_.front().pidfd.get())) {
      const std::vector<pollfd> events = wait();
      for (std::size_t i = 0; i < events.size(); i += 2) {
        if (events[i].revents == 0 && events[i + 1].revents != 0) take_request(i / 2);
      }
      for (std::size_t i = 2; i < events.size(); i += 2) {
        if (events[i].revents != 0) report_end(members_[i / 2]);
      }
      std::erase_if(members_, [](const Member& member) { return member.ended; });
    }
    for (const Member& member : members_) kill(member);
  }

 private:
  // A process that may ask: the owner, which comes first, or one that was forked here.
  struct Member {
    pid_t pid = 0;
    pid_t starter = 0;
    bool server = false;
    bool ended = false;
    shm::UniqueFd pidfd;
    shm::UniqueFd connection;
    shm::UniqueFd channel;
  };

  // Two entries a member: its pidfd and its connection.
  std::vector<pollfd> wait() const {
    std::vector<pollfd> events;
    for (const Member& member : members_) {
      events.push_back({member.pidfd.get(), POLLIN, 0});
      events.push_back({member.connection.get(), POLLIN, 0});
    }
    while (::poll(events.data(), events.size(), -1) < 0) {
      if (errno != EINTR) fail("the fork server cannot poll");
    }
    return events;
  }

  void take_request(std::size_t index) {
    try {
      auto request = receive_request(members_[index].connection.get());
      if (request) {
        start(index, *std::move(request));
      } else {
        members_[index].connection.reset();  // it executes another program, perhaps
      }
    } catch (const std::exception&) {
      // The starter finds its channel closed and says that the request was not taken.
    }
  }

  void start(std::size_t starter, IncomingRequest request) {
    shm::SocketPair link = shm::seqpacket_pair();
    Member child;
    child.starter = members_[starter].pid;
    child.server = request.server;
    child.pid = ::fork();
    if (child.pid == 0) {
      live({std::move(request), std::move(link.b), members_[starter].pidfd.get(), pidfd_.get(),
            ::getppid(), origin_});
    }
    const int error = errno;
    child.channel = std::move(request.channel);
    child.connection = std::move(link.a);
    if (child.pid < 0) return tell(child, StatusKind::not_started, error, std::nullopt);
    child.pidfd = pidfd_or_kill(child.pid);
    tell(child, StatusKind::started, child.pid, child.pidfd.get());
    members_.push_back(std::move(child));
  }

  // Without its pidfd nobody could watch it.
  static shm::UniqueFd pidfd_or_kill(pid_t pid) {
    try {
      return shm::pidfd_of(pid);
    } catch (const std::system_error&) {
      ::kill(pid, SIGKILL);
      await_end(pid);
      throw;
    }
  }

  static siginfo_t await_end(pid_t pid) {
    siginfo_t info{};
    while (::waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED) != 0) {
      if (errno != EINTR) fail("the fork server cannot wait for a process");
    }
    return info;
  }

  void report_end(Member& member) {
    const siginfo_t info = await_end(member.pid);
    const bool exited = info.si_code == CLD_EXITED;
    tell(member, StatusKind::ended, exited ? info.si_status : -info.si_status, std::nullopt);
    member.ended = true;
    for (const Member& other : members_) {
      if (other.starter == member.pid) kill(other);
    }
  }

  // Processes do not outlive their starter. Servers see its end for themselves and end in order.
  static void kill(const Member& member) {
    if (member.starter != 0 && !member.server && !member.ended) {
      shm::send_signal(member.pidfd.get(), SIGKILL);
    }
  }

  static void tell(const Member& member, StatusKind kind, int value, std::optional<int> fd) {
    try {
      send_status(member.channel.get(), kind, value, {}, fd);
    } catch (const std::system_error&) {
      // The starter no longer listens.
    }
  }

  shm::UniqueFd pidfd_;
  Origin origin_;
  std::vector<Member> members_;
};

// What of the program must not live on in its copy.
Origin leave_program() {
  Origin origin;
  ::prctl(PR_GET_NAME, origin.thread_name.data());
  ::prctl(PR_SET_NAME, "steward-fork");
  ::getrlimit(RLIMIT_NOFILE, &origin.open_files);
  // It holds three descriptors for each process that it has forked.
  const rlimit all{origin.open_files.rlim_max, origin.open_files.rlim_max};
  ::setrlimit(RLIMIT_NOFILE, &all);
  ::closelog();
  ::__fpurge(stdin);
  if (::chdir("/") != 0) return origin;  // only lets the directory be removed
  return origin;
}

// Standard error stays, for reports of sanitizers. The others are the program's: whoever waits for
// the end of its output must not wait for the fork server.
void drop_standard_descriptors() {
  const shm::UniqueFd null = lifted(shm::UniqueFd(::open("/dev/null", O_RDWR | O_CLOEXEC)));
  ::dup2(null.get(), STDIN_FILENO);
  ::dup2(null.get(), STDOUT_FILENO);
  if (::fcntl(STDERR_FILENO, F_GETFD) < 0) ::dup2(null.get(), STDERR_FILENO);
}

// noexcept: as live().
[[noreturn]] void become_fork_server(shm::UniqueFd connection, shm::UniqueFd owner_pidfd,
                                     pid_t owner) noexcept {
  State::get().lose_held_files();
  close_all_except({0, 1, 2, connection.get(), owner_pidfd.get()});
  drop_standard_descriptors();
  const Origin origin = leave_program();
  set_default_signals();
  // What asks the whole program to end is answered by the owner, in its own time.
  for (const int asks : {SIGINT, SIGTERM, SIGHUP, SIGQUIT}) ::signal(asks, SIG_IGN);
  unblock_signals();
  ForkServer server(std::move(connection), std::move(owner_pidfd), owner, origin);
  server.run();
  ::_exit(0);
}

// Ends a step between the program and the fork server, so that the latter has no parent here.
[[noreturn]] void fork_again(shm::SocketPair& pair, shm::UniqueFd& owner_pidfd, pid_t owner) {
  const pid_t pid = ::fork();
  if (pid == 0) become_fork_server(std::move(pair.b), std::move(owner_pidfd), owner);
  ::_exit(pid < 0 ? errno : 0);
}

void reap(pid_t pid) {
  int status = 0;
  while (::waitpid(pid, &status, 0) < 0) {
    if (errno == ECHILD) return;  // the program ignores or collects its children
    if (errno != EINTR) fail("cannot wait for the start of the fork server");
  }
  if (WIFEXITED(status) && WEXITSTATUS(status) != 0) {
    fail("cannot fork the fork server", WEXITSTATUS(status));
  }
}

}  // namespace

std::shared_ptr<Link> start_fork_server() {
  flush_streams();
  shm::SocketPair pair = lifted_pair();
  const pid_t owner = ::getpid();
  shm::UniqueFd owner_pidfd = lifted(shm::pidfd_of(owner));
  {
    // No handler of the program may run in the copy.
    const BlockedSignals blocked;
    const pid_t pid = ::fork();
    if (pid < 0) fail("cannot fork the fork server");
    if (pid == 0) fork_again(pair, owner_pidfd, owner);
    reap(pid);
  }
  pair.b.reset();
  std::optional<Status> hello = receive_status(pair.a.get(), shm::Wait::block);
  if (!hello) throw WorkerDied("the fork server ended at its start");
  auto link = std::make_shared<Link>();
  link->socket = std::move(pair.a);
  link->pidfd = lifted(std::move(hello->fd));
  link->pid = hello->value;
  return link;
}

void throw_fork_server_ended(const std::string& name, const Link& link) {
  throw WorkerDied(fmt::format("{}: the fork server (pid {}) of this program has ended; no more "
                               "processes can be started", name, link.pid));
}

}  // namespace steward::process
