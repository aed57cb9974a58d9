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
#include <steward/process/spawn.hpp>
#include <steward/process/state.hpp>
#include <steward/process/streams.hpp>

namespace steward::process {
namespace {

void take_signals(const Birth& birth) {
  set_default_signals();
  if (birth.request.server) {
    for (const int number : kIgnoredByServers) ::signal(number, SIG_IGN);
    return;
  }
  if (birth.request.hang_up_ignored) ::signal(SIGHUP, SIG_IGN);
  // Nobody could tell its starter how it ends, if the keeper were gone. Stays with an execve().
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != birth.keeper) ::_exit(1);
}

// Descriptors 0 to 2 as the starter has them.
void take_standard_descriptors(IncomingRequest& request) {
  if (request.server) request.standard[0].reset();
  const shm::UniqueFd null(::open("/dev/null", O_RDWR | O_CLOEXEC));
  for (int fd = 0; fd < 3; ++fd) {
    auto& given = request.standard[fd];
    ::dup2(given ? given->get() : null.get(), fd);
    given.reset();
  }
}

// With the rights of the starter, and from where that has its root.
void take_directory(IncomingRequest& request) {
  if (request.directory && ::fchdir(request.directory->get()) != 0) {
    // It stays at the root: the starter's directory may have become unreachable.
  }
  request.directory.reset();
}

// All but what the process needs. The keeper has three for each of its processes: more, perhaps,
// than the process may have, and then it could not even look at its starter.
void close_others(Birth& birth) {
  if (birth.method == StartMethod::fork) {
    // Has what the program had, and no use for the keeper.
    ::close(std::exchange(birth.keeper_pidfd, -1));
    return;
  }
  std::vector<int> keep{0, 1, 2, birth.request.channel.get(), birth.link.get(),
                        birth.starter_pidfd, birth.keeper_pidfd};
  if (birth.request.memory) keep.push_back(birth.request.memory.get());
  if (birth.request.directory) keep.push_back(birth.request.directory->get());
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
  State::get().settle();
  flush_streams();
  ::_exit(status);
}

void report(const std::string& name, const Failure& failure) {
  flush_streams();
  const std::string_view colon = failure.text.empty() ? "" : ": ";
  write_error(fmt::format("{}: {}{}{}\n", name, failure.type, colon, failure.text));
}

std::shared_ptr<Link> take_link(Birth& birth) {
  if (!birth.link) return nullptr;
  return std::make_shared<Link>(birth.method, std::move(birth.link),
                                shm::UniqueFd(birth.keeper_pidfd), birth.keeper);
}

// A fork left every function where it was, and perhaps the loader's lock, which a look would take,
// with a thread that is not here.
Entry entry_of(const Birth& birth, const Request& request) {
  return reinterpret_cast<Entry>(birth.method == StartMethod::fork
                                     ? reinterpret_cast<void*>(request.entry.offset)
                                     : resolve(request.entry));
}

int run(Birth& birth) {
  auto bytes = std::make_unique<RequestBytes>(birth.request);
  birth.request.memory.reset();
  const Request request = bytes->decode();
  // Executed anew it has that already.
  if (birth.method != StartMethod::spawn) take_environment(request.environment);
  const std::string name = request.identity.name;
  if (request.server) ::prctl(PR_SET_NAME, name.c_str());
  State::get().become(request.identity, request.default_method, take_link(birth));
  Luggage luggage(receive_files(birth.request.channel.get(), request.files));
  ChildContext context(name, std::move(birth.request.channel), birth.starter_pidfd,
                       std::move(bytes), std::move(luggage));
  try {
    entry_of(birth, request)(context, request.arguments);
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

[[noreturn]] void refuse(Birth& birth) {
  RequestBytes bytes(birth.request);
  const std::string name = bytes.decode().identity.name;
  Failure failure = current_failure();
  failure.text = fmt::format("{}: {}", name, failure.text);
  send_status(birth.request.channel.get(), StatusKind::refused, 0, pack_failure(failure));
  ::_exit(1);
}

// A keeper for one process is as young as that.
void inherit_or_refuse(Birth& birth) {
  if (birth.method == StartMethod::fork) return;
  try {
    inherit(birth.starter, birth.method == StartMethod::spawn ? Then::execute : Then::run);
  } catch (const std::exception&) {
    refuse(birth);
  }
}

[[noreturn]] void execute_with_environment(Birth& birth) {
  const RequestBytes bytes(birth.request);
  take_environment(bytes.decode().environment);
  execute(birth);
}

}  // namespace

void live(Birth birth) noexcept {
  take_standard_descriptors(birth.request);
  close_others(birth);
  ::setrlimit(RLIMIT_NOFILE, &birth.origin.open_files);
  inherit_or_refuse(birth);
  take_signals(birth);  // what follows the parent's death is lost with other credentials
  take_directory(birth.request);
  unblock_signals();
  if (birth.method == StartMethod::spawn) execute_with_environment(birth);
  ::prctl(PR_SET_NAME, birth.origin.thread_name.data());
  renew_streams();
  ::on_exit(end_life, nullptr);
  std::exit(run(birth));
}

// Its statics are its own, and end with it as those of any program do.
void live_anew(Birth birth) noexcept { std::exit(run(birth)); }

}  // namespace steward::process
