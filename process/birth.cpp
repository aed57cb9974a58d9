#include <steward/process/birth.hpp>

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <exception>
#include <memory>
#include <string>
#include <utility>

#include <fmt/format.h>

#include <steward/process/context.hpp>
#include <steward/process/descriptors.hpp>
#include <steward/process/launch.hpp>
#include <steward/process/signals.hpp>
#include <steward/process/state.hpp>
#include <steward/process/streams.hpp>

namespace steward::process {
namespace {

void take_signals(const Birth& birth) {
  set_default_signals();
  if (birth.request.server) {
    ::signal(SIGINT, SIG_IGN);
    ::signal(SIGPIPE, SIG_IGN);
    return;
  }
  // Nobody could tell its starter how it ends, if the fork server were gone.
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != birth.fork_server) ::_exit(1);
}

// Descriptors 0 to 2 as the starter has them, and of all others only what the child needs.
void take_descriptors(Birth& birth) {
  IncomingRequest& request = birth.request;
  if (request.server) request.standard[0].reset();
  const shm::UniqueFd null(::open("/dev/null", O_RDWR | O_CLOEXEC));
  for (int fd = 0; fd < 3; ++fd) {
    auto& given = request.standard[fd];
    ::dup2(given ? given->get() : null.get(), fd);
    given.reset();
  }
  if (request.directory && ::fchdir(request.directory->get()) != 0) {
    // It stays at the root: the starter's directory may have become unreachable.
  }
  request.directory.reset();
}

void close_others(const Birth& birth) {
  std::vector<int> keep{0, 1, 2, birth.request.channel.get(), birth.link.get(),
                        birth.starter_pidfd, birth.fork_server_pidfd};
  if (birth.request.memory) keep.push_back(birth.request.memory.get());
  close_all_except(std::move(keep));
}

// Never freed: the environment of a process is its own.
void take_environment(const std::vector<std::string_view>& variables) {
  char** table = new char*[variables.size() + 1];
  char** entry = table;
  for (const std::string_view variable : variables) {
    char* text = new char[variable.size() + 1];
    variable.copy(text, variable.size());
    text[variable.size()] = '\0';
    *entry++ = text;
  }
  *entry = nullptr;
  environ = table;
}

// Runs after every handler that the process has registered itself, and before all that it has
// inherited, which are the program's: those never run.
void end_life(int status, void*) {
  try {
    State::get().settle();
  } catch (const std::exception& error) {
    write_error(fmt::format("cannot await the processes of this one: {}\n", error.what()));
  }
  flush_streams();
  ::_exit(status);
}

void report(const std::string& name, const Failure& failure) {
  flush_streams();
  const std::string_view colon = failure.text.empty() ? "" : ": ";
  write_error(fmt::format("{}: {}{}{}\n", name, failure.type, colon, failure.text));
}

void take_identity(Birth& birth, Identity identity) {
  const auto way = std::make_shared<Link>();
  way->socket = std::move(birth.link);
  way->pidfd = shm::UniqueFd(birth.fork_server_pidfd);
  way->pid = birth.fork_server;
  State::get().become(std::move(identity), way);
}

int run(Birth& birth) {
  auto bytes = std::make_unique<RequestBytes>(birth.request);
  birth.request.memory.reset();
  const Request request = bytes->decode();
  take_environment(request.environment);
  const std::string name = request.identity.name;
  if (request.server) ::prctl(PR_SET_NAME, name.c_str());
  take_identity(birth, request.identity);
  Luggage luggage(receive_files(birth.request.channel.get(), request.files));
  ChildContext context(name, std::move(birth.request.channel), birth.starter_pidfd,
                       std::move(bytes), std::move(luggage));
  try {
    reinterpret_cast<Entry>(resolve(request.entry))(context, request.arguments);
    return 0;
  } catch (...) {
    const Failure failure = current_failure();
    if (context.confirmed()) {
      report(name, failure);
    } else {
      context.refuse(failure);
    }
    return 1;
  }
}

}  // namespace

void live(Birth birth) noexcept {
  take_signals(birth);
  ::prctl(PR_SET_NAME, birth.origin.thread_name.data());
  ::setrlimit(RLIMIT_NOFILE, &birth.origin.open_files);
  take_descriptors(birth);
  close_others(birth);
  renew_streams();
  ::on_exit(end_life, nullptr);
  unblock_signals();
  std::exit(run(birth));
}

}  // namespace steward::process
