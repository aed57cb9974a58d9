#include <steward/process/process_server.hpp>

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio_ext.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <syslog.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdio>
#include <exception>
#include <iterator>
#include <list>
#include <optional>
#include <system_error>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include <steward/core/clock.hpp>
#include <steward/core/errors.hpp>
#include <steward/process/bootstrap.hpp>
#include <steward/process/child.hpp>
#include <steward/process/credentials.hpp>
#include <steward/process/descriptors.hpp>
#include <steward/process/request.hpp>
#include <steward/process/signals.hpp>
#include <steward/process/status.hpp>
#include <steward/shm/fd_passing.hpp>
#include <steward/shm/pidfd.hpp>

namespace steward::detail::process {
namespace {

// Waits for connections, requests and deaths; it never waits for anything else.
class ProcessServer {
 public:
  ProcessServer(ServerArguments arguments, Origin origin)
      : method_(arguments.method), pidfd_(shm::pidfd_of(::getpid())), origin_(origin) {
    Member& owner = members_.emplace_back();
    owner.pid = arguments.owner;
    owner.pidfd = std::move(arguments.owner_pidfd);
    owner.connection = std::move(arguments.connection);
    reserve_events(1);
    ask_for_sender(owner.connection.get());
    // Last: from here on it serves.
    send_status(owner.connection.get(), StatusKind::started, ::getpid(), {}, pidfd_.get());
  }

  // Returns when the owner has ended, or the only process.
  void run() {
    while (!shm::has_ended(members_.front().pidfd.get()) && !has_kept()) {
      wait();
      const std::size_t polled = events_.size();  // those that are made meanwhile come behind
      auto member = members_.begin();
      for (std::size_t i = 0; i < polled; i += kEventsPerMember, ++member) {
        if (events_[i].revents == 0 && events_[i + 1].revents != 0) take_request(*member);
      }
      member = std::next(members_.begin());
      for (std::size_t i = kEventsPerMember; i < polled; i += kEventsPerMember, ++member) {
        if (events_[i].revents != 0) report_end(*member);
      }
      std::erase_if(members_, [](const Member& each) { return each.ended; });
    }
    for (const Member& member : members_) kill(member);
  }

 private:
  // A process that may ask: the owner, which comes first, or one that was made here.
  struct Member {
    pid_t pid = 0;
    pid_t starter = 0;
    bool server = false;
    bool ended = false;
    shm::UniqueFd pidfd;
    shm::UniqueFd connection;
    shm::UniqueFd channel;
  };

  bool once() const { return method_ == StartMethod::fork; }
  // Nobody is left, neither a process nor who could ask for one.
  bool has_kept() const {
    const bool nobody_asks = once() ? asked_ : !members_.front().connection;
    return nobody_asks && members_.size() == 1;
  }

  // Two entries a member: its pidfd and its connection, which may be closed (-1 is never ready).
  // There is room for them since the member was made.
  void wait() {
    events_.clear();
    for (const Member& member : members_) {
      events_.push_back({member.pidfd.get(), POLLIN, 0});
      events_.push_back({member.connection.get(), POLLIN, 0});
    }
    while (::poll(events_.data(), events_.size(), -1) < 0) {
      if (errno == ENOMEM) ::poll(nullptr, 0, 10);
      else if (errno != EINTR) throw SystemError(errno, "a process server cannot poll");
    }
  }

  void take_request(Member& asker) {
    try {
      asked_ = true;
      auto request = receive_request(asker.connection.get());
      // Nobody is there any more who could ask: it executes another program, perhaps.
      if (!request || once()) asker.connection.reset();
      if (request) obey(asker, *std::move(request));
    } catch (const std::exception&) {
      // The starter finds its channel closed and says that the request was not taken.
    }
    if (once()) leave_descriptors();
  }

  // A connection may have got into the hands of somebody else, with other rights.
  void obey(const Member& asker, IncomingRequest request) {
    if (request.starter.pid != asker.pid) throw BadCall("a request from a stranger");
    if (request.signal) {
      signal_for(asker, *request.signal);
    } else {
      start(asker, std::move(request));
    }
  }

  void signal_for(const Member& asker, const SignalRequest& request) {
    for (const Member& member : members_) {
      if (member.pid == request.pid && member.starter == asker.pid) send(member, request.number);
    }
  }

  // All memory is taken before the fork: a process that nobody watches must not be.
  void start(const Member& starter, IncomingRequest request) {
    std::list<Member> made(1);
    reserve_events(members_.size() + 1);
    Member& child = made.front();
    child.starter = starter.pid;
    child.server = request.server;
    child.channel = std::move(request.channel);
    try {
      // One that is forked from the program as it stands has no business with this copy of it.
      shm::SocketPair link = once() ? shm::SocketPair{} : shm::seqpacket_pair();
      if (link.a) ask_for_sender(link.a.get());
      const pid_t self = ::getpid();  // asked in the child, it could name whoever adopted that
      child.pid = ::fork();
      if (child.pid == 0) {
        link.a.reset();
        request.channel = std::move(child.channel);
        const Starter asker = request.starter;
        run_child({method_, std::move(request), std::move(link.b), starter.pidfd.get(),
                   pidfd_.get(), self, origin_, asker});
      }
      if (child.pid < 0) throw SystemError(errno, "cannot fork");
      child.connection = std::move(link.a);
      child.pidfd = pidfd_or_kill(child.pid);
    } catch (const SystemError& error) {
      tell(child, StatusKind::not_started, error.code().value(), std::nullopt);
      return;
    }
    members_.splice(members_.end(), made);
    // Its starter would wait for that word, and it for its starter.
    if (!tell(child, StatusKind::started, child.pid, child.pidfd.get())) send(child, SIGKILL);
  }

  void reserve_events(std::size_t members) {
    const std::size_t needed = members * kEventsPerMember;
    if (needed > events_.capacity()) events_.reserve(2 * needed);
  }

  // What the one process was to have from the program.
  void leave_descriptors() const {
    const Member& owner = members_.front();
    const Member& process = members_.back();  // or the owner once more
    close_all_except({0, 1, 2, pidfd_.get(), owner.pidfd.get(), owner.connection.get(),
                      process.pidfd.get(), process.connection.get(), process.channel.get()});
  }

  // Without its pidfd nobody could watch it.
  static shm::UniqueFd pidfd_or_kill(pid_t pid) {
    try {
      return shm::pidfd_of(pid);
    } catch (...) {
      ::kill(pid, SIGKILL);
      await_end(pid);
      throw;
    }
  }

  static siginfo_t await_end(pid_t pid) {
    siginfo_t info{};
    while (::waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED) != 0) {
      if (errno != EINTR)
        throw SystemError(errno, "a process server cannot wait for one");
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
    if (member.starter != 0 && !member.server && !member.ended) send(member, SIGKILL);
  }

  // By its number where the kernel or a filter refuses the other way: it is safe while the process
  // has not been waited for.
  static void send(const Member& member, int number) {
    try {
      shm::send_signal(member.pidfd.get(), number);
    } catch (const std::exception&) {
      ::kill(member.pid, number);
    }
  }

  // False: it will not hear of it.
  static bool tell(Member& member, StatusKind kind, int value, std::optional<int> fd) {
    try {
      send_status(member.channel.get(), kind, value, {}, fd, shm::Wait::none);
      return true;
    } catch (const std::exception&) {
      // The starter no longer listens, or has filled the channel, which was its own to choose; or
      // there is no memory.
      member.channel.reset();
      return false;
    }
  }

  static constexpr std::size_t kEventsPerMember = 2;

  StartMethod method_;
  shm::UniqueFd pidfd_;
  Origin origin_;
  bool asked_ = false;
  std::list<Member> members_;
  std::vector<pollfd> events_;
};

const char* thread_name_of(StartMethod method) {
  switch (method) {
    case StartMethod::fork_server: return "steward-fork";
    case StartMethod::spawn: return "steward-spawn";
    case StartMethod::fork: break;
  }
  return "steward-parent";
}

// What of the program must not live on in its copy.
Origin leave_program(const ServerArguments& arguments) {
  Origin origin;
  ::prctl(PR_GET_NAME, origin.thread_name.data());
  ::prctl(PR_SET_NAME, thread_name_of(arguments.method));
  ::getrlimit(RLIMIT_NOFILE, &origin.open_files);
  // It holds three descriptors for each process that it has made.
  const rlimit all{origin.open_files.rlim_max, origin.open_files.rlim_max};
  ::setrlimit(RLIMIT_NOFILE, &all);
  // The log's descriptor is closed, and its number may stand for something else by now. Beside
  // threads one of them may have had the log's lock, which nobody gives back here. Made are then
  // servers, which do not log, or processes that have the descriptor.
  if (!arguments.beside_threads) ::closelog();
  ::__fpurge(stdin);
  if (::chdir("/") != 0) return origin;  // only lets the directory be removed
  return origin;
}

// Standard error stays, for reports of sanitizers. The others are the program's: whoever waits for
// the end of its output must not wait for the process server.
void drop_standard_descriptors() {
  const shm::UniqueFd null = lifted(shm::UniqueFd(::open("/dev/null", O_RDWR | O_CLOEXEC)));
  ::dup2(null.get(), STDIN_FILENO);
  ::dup2(null.get(), STDOUT_FILENO);
  if (::fcntl(STDERR_FILENO, F_GETFD) < 0) ::dup2(null.get(), STDERR_FILENO);
}

std::string_view name_of(StartMethod method) {
  switch (method) {
    case StartMethod::fork_server: return "fork server";
    case StartMethod::spawn: return "spawn server";
    case StartMethod::fork: break;
  }
  return "process server";
}

// By a signal or a debugger, now.
bool is_stopped(pid_t pid) {
  const auto status = StatusFile::of(fmt::format("/proc/{}/status", pid));
  char state = 0;
  return status && status->field("State") >> state && (state == 'T' || state == 't');
}

[[noreturn]] void throw_stopped_at_start(StartMethod method, pid_t pid) {
  throw RequestNotTaken(fmt::format("the {} (pid {}) was stopped at its start", name_of(method),
                                    pid));
}

// If it is stopped, it has its time to go on.
void reap(StartMethod method, pid_t step) {
  constexpr int kLookAgainMs = 10;
  int status = 0;
  core::Deadline patience;  // once it is stopped
  for (;;) {
    const pid_t told = ::waitpid(step, &status, patience ? WNOHANG : WUNTRACED);
    if (told < 0 && errno == EINTR) continue;
    if (told < 0 && errno == ECHILD) return;  // the program ignores or collects its children
    if (told < 0) throw SystemError(errno, "cannot wait for the start of a process server");
    if (told > 0 && !WIFSTOPPED(status)) break;
    if (!patience) patience = core::deadline_after(Child::kServerTime);
    if (std::chrono::steady_clock::now() >= *patience) ::kill(step, SIGKILL);
    ::poll(nullptr, 0, kLookAgainMs);
  }
  if (patience && WIFSIGNALED(status)) throw_stopped_at_start(method, step);
  if (method != StartMethod::spawn && WIFEXITED(status) && WEXITSTATUS(status) != 0) {
    throw SystemError(WEXITSTATUS(status), "cannot fork a process server");
  }
}

// The server's first message; nullopt: it has ended. The word of the step comes before or after.
std::optional<Status> await_greeting(StartMethod method, int connection) {
  pid_t pid = 0;
  for (;;) {
    while (!wait_readable({connection}, core::deadline_after(Child::kServerTime))) {
      if (pid != 0 && is_stopped(pid)) throw_stopped_at_start(method, pid);
    }
    std::optional<Status> status = receive_status(connection, shm::Wait::none);
    if (!status || status->fd) return status;
    pid = status->value;
  }
}

}  // namespace

void end_step(int connection, pid_t process_server) noexcept {
  if (process_server < 0) ::_exit(errno);
  try {
    send_status(connection, StatusKind::started, process_server);
  } catch (const std::exception&) {
    // The owner has ended, or waits without knowing for whom.
  }
  ::_exit(0);
}

void serve_processes(ServerArguments arguments) noexcept {
  std::optional<ProcessServer> server;
  try {
    if (arguments.method != StartMethod::fork) {
      close_all_except({0, 1, 2, arguments.connection.get(), arguments.owner_pidfd.get()});
    }
    drop_standard_descriptors();
    const Origin origin = leave_program(arguments);
    set_default_signals();
    // What asks the whole program to end is answered by the owner, in its own time.
    for (const int asks : {SIGINT, SIGTERM, SIGHUP, SIGQUIT}) ::signal(asks, SIG_IGN);
    unblock_signals();
    server.emplace(std::move(arguments), origin);
  } catch (const std::exception&) {
    ::_exit(1);  // the owner finds its connection closed, or has given this server up
  }
  server->run();
  ::_exit(0);
}

std::shared_ptr<Link> await_server(StartMethod method, pid_t step, shm::UniqueFd connection) {
  reap(method, step);
  std::optional<Status> greeting = await_greeting(method, connection.get());
  if (!greeting && method == StartMethod::spawn) {
    throw WorkerDied("the program, executed anew, ended before it came to "
                     "steward::child_entry(argc, argv): call that in the first line of main()");
  }
  if (!greeting) {
    throw RequestNotTaken(
        fmt::format("the {} ended at its start: {}", name_of(method), what_it_may_lack()));
  }
  return std::make_shared<Link>(method, std::move(connection), lifted(std::move(greeting->fd)),
                                greeting->value);
}

Link::Link(StartMethod kind, shm::UniqueFd connection, shm::UniqueFd server_pidfd,
           pid_t process_server)
    : method(kind),
      socket(std::move(connection)),
      pidfd(std::move(server_pidfd)),
      pid(process_server),
      creator(::getpid()) {}

Link::~Link() {
  if (creator == ::getpid()) return;
  socket.release();
  pidfd.release();
}

std::string server_of(const Link& link) {
  return fmt::format("the {} (pid {})", name_of(link.method), link.pid);
}

void throw_server_ended(const std::string& name, const Link& link) {
  if (link.method != StartMethod::fork_server) {
    throw WorkerDied(fmt::format("{}: {} has ended", name, server_of(link)));
  }
  throw WorkerDied(fmt::format("{}: {} of this program has ended; no more processes can be started",
                               name, server_of(link)));
}

std::string what_it_may_lack() {
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);  // the hard one is what a process server has
  return fmt::format("it may have too many files open (ulimit -Hn is {}) or no memory left",
                     limit.rlim_max);
}

void throw_if_stopped(const std::string& name, const Link& link) {
  if (!is_stopped(link.pid)) return;
  throw RequestNotTaken(
      fmt::format("{}: {} is stopped and takes no requests (kill -CONT {} lets it go on)", name,
                  server_of(link), link.pid));
}

}  // namespace steward::detail::process
