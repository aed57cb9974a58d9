#include <steward/process/spawn.hpp>

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <initializer_list>
#include <optional>
#include <sstream>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include <steward/core/errors.hpp>
#include <steward/process/descriptors.hpp>
#include <steward/process/state.hpp>
#include <steward/process/status.hpp>
#include <steward/process/streams.hpp>
#include <steward/shm/pidfd.hpp>

namespace steward {
namespace detail::process {
namespace {

// This program, also if its file has been replaced since it was started.
constexpr const char* kProgram = "/proc/self/exe";
constexpr const char* kMark = "--steward-child";

// The command line of the program executed anew: its name, the mark, and the role with its
// descriptors.
class CommandLine {
 public:
  explicit CommandLine(std::string role)
      : name_(ProcessState::get().program().value_or("")), mark_(kMark), role_(std::move(role)) {}
  char* const* get() { return words_.data(); }

 private:
  std::string name_;
  std::string mark_;
  std::string role_;
  std::array<char*, 4> words_{name_.data(), mark_.data(), role_.data(), nullptr};
};

void check_spawn(int error, const char* what) {
  if (error != 0) throw SystemError(error, what);
}

// What posix_spawn shall do: these descriptors stay, signals are the default ones and blocked until
// the server has settled which of them it ignores.
class Spawning {
 public:
  explicit Spawning(std::initializer_list<int> fds) {
    check_spawn(::posix_spawn_file_actions_init(&files_), "cannot prepare the spawn server");
    check_spawn(::posix_spawnattr_init(&attributes_), "cannot prepare the spawn server");
    // To its own number: only takes close-on-exec off.
    for (const int fd : fds) {
      check_spawn(::posix_spawn_file_actions_adddup2(&files_, fd, fd),
                  "cannot prepare the spawn server");
    }
    sigset_t all;
    ::sigfillset(&all);
    ::posix_spawnattr_setsigmask(&attributes_, &all);
    ::posix_spawnattr_setsigdefault(&attributes_, &all);
    ::posix_spawnattr_setflags(&attributes_, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  }
  Spawning(const Spawning&) = delete;
  Spawning& operator=(const Spawning&) = delete;
  ~Spawning() {
    ::posix_spawn_file_actions_destroy(&files_);
    ::posix_spawnattr_destroy(&attributes_);
  }

  pid_t run(CommandLine& line, const Environment* environment) {
    std::vector<char*> table;
    if (environment != nullptr) {
      for (const std::string& variable : *environment) {
        table.push_back(const_cast<char*>(variable.c_str()));
      }
      table.push_back(nullptr);
    }
    pid_t pid = 0;
    check_spawn(::posix_spawn(&pid, kProgram, &files_, &attributes_, line.get(),
                              environment != nullptr ? table.data() : environ),
          "cannot execute this program anew");
    return pid;
  }

 private:
  posix_spawn_file_actions_t files_{};
  posix_spawnattr_t attributes_{};
};

[[noreturn]] void refuse_role() {
  write_error(fmt::format("{} is for processes that this program starts itself\n", kMark));
  ::_exit(2);
}

// One of the descriptors that the command line names.
shm::UniqueFd take_fd(std::istringstream& role) {
  int fd = -1;
  if (!(role >> fd) || ::fcntl(fd, F_SETFD, FD_CLOEXEC) != 0) refuse_role();
  return shm::UniqueFd(fd);
}

[[noreturn]] void serve(std::istringstream& role) {
  ServerArguments arguments;
  arguments.method = StartMethod::spawn;
  arguments.connection = take_fd(role);
  arguments.owner_pidfd = take_fd(role);
  role >> arguments.owner;
  // A step between the owner and the server, as for other process servers.
  const pid_t pid = ::fork();
  if (pid == 0) serve_processes(std::move(arguments));
  end_step(arguments.connection.get(), pid);
}

[[noreturn]] void become_child(std::istringstream& role) {
  Bootstrap bootstrap;
  bootstrap.method = StartMethod::spawn;
  role >> bootstrap.request.server;
  bootstrap.request.channel = take_fd(role);
  bootstrap.request.memory = take_fd(role);
  bootstrap.link = take_fd(role);
  bootstrap.starter_pidfd = take_fd(role).release();
  bootstrap.server_pidfd = take_fd(role).release();
  bootstrap.process_server = ::getppid();
  run_executed(std::move(bootstrap));
}

// Executed by its path in /proc the program would be called "exe".
void take_name(const char* program) {
  const char* slash = std::strrchr(program, '/');
  ::prctl(PR_SET_NAME, slash != nullptr ? slash + 1 : program);
}

}  // namespace

std::shared_ptr<Link> start_spawn_server(const Environment* environment) {
  shm::SocketPair pair = lifted_pair();
  const shm::UniqueFd self = lifted(shm::pidfd_of(::getpid()));
  CommandLine line(fmt::format("server {} {} {}", pair.b.get(), self.get(), ::getpid()));
  const pid_t step = Spawning({pair.b.get(), self.get()}).run(line, environment);
  pair.b.reset();
  return await_server(StartMethod::spawn, step, std::move(pair.a));
}

void execute(const Bootstrap& bootstrap) {
  const IncomingRequest& request = bootstrap.request;
  std::string role = fmt::format("child {}", request.server ? 1 : 0);
  for (const int fd : {request.channel.get(), request.memory.get(), bootstrap.link.get(),
                       bootstrap.starter_pidfd, bootstrap.server_pidfd}) {
    ::fcntl(fd, F_SETFD, 0);
    role += fmt::format(" {}", fd);
  }
  CommandLine line(role);
  ::execve(kProgram, line.get(), environ);
  try {
    throw SystemError(errno, "cannot execute this program anew");
  } catch (const SystemError&) {
    send_status(request.channel.get(), StatusKind::refused, 0, pack_exception(record_exception()));
  }
  ::_exit(1);
}

}  // namespace detail::process

void child_entry(int argc, char** argv) {
  const char* program = argc > 0 ? argv[0] : "";
  detail::process::ProcessState::get().enter(program);
  if (argc < 2 || std::string_view(argv[1]) != detail::process::kMark) return;
  detail::process::take_name(program);
  std::istringstream role(argc > 2 ? argv[2] : "");
  std::string name;
  role >> name;
  if (name == "server") detail::process::serve(role);
  if (name == "child") detail::process::become_child(role);
  detail::process::refuse_role();
}

}  // namespace steward
