#include <steward/process/bootstrap.hpp>

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
#include <steward/process/status.hpp>
#include <steward/process/streams.hpp>

namespace steward::detail::process {
namespace {

void take_signals(const Bootstrap& bootstrap) {
  set_default_signals();
  if (bootstrap.request.server) {
    for (const int number : kIgnoredByServers) ::signal(number, SIG_IGN);
    return;
  }
  if (bootstrap.request.hang_up_ignored) ::signal(SIGHUP, SIG_IGN);
  // Nobody could tell its starter how it ends, if the process server were gone. Stays with an
  // execve().
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != bootstrap.process_server) ::_exit(1);
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

// All but what the process needs. The process server has three for each of its processes: more,
// perhaps, than the process may have, and then it could not even look at its starter.
void close_others(Bootstrap& bootstrap) {
  if (bootstrap.method == StartMethod::fork) {
    // Has what the program had, and no use for the process server.
    ::close(std::exchange(bootstrap.server_pidfd, -1));
    return;
  }
  const IncomingRequest& request = bootstrap.request;
  close_all_except({0, 1, 2, request.channel.get(), request.memory.get(),
                    request.directory ? request.directory->get() : -1, bootstrap.link.get(),
                    bootstrap.starter_pidfd, bootstrap.server_pidfd});
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
  ProcessState::get().settle();
  flush_streams();
  ::_exit(status);
}

void report(const std::string& name, const ExceptionRecord& failure) {
  flush_streams();
  const std::string_view colon = failure.text.empty() ? "" : ": ";
  write_error(fmt::format("{}: {}{}{}\n", name, failure.type, colon, failure.text));
}

std::shared_ptr<Link> take_link(Bootstrap& bootstrap) {
  if (!bootstrap.link) return nullptr;
  return std::make_shared<Link>(bootstrap.method, std::move(bootstrap.link),
                                shm::UniqueFd(bootstrap.server_pidfd), bootstrap.process_server);
}

// A fork left every function where it was, and perhaps the loader's lock, which a look would take,
// with a thread that is not here.
Entry entry_of(const Bootstrap& bootstrap, const Request& request) {
  return reinterpret_cast<Entry>(bootstrap.method == StartMethod::fork
                                     ? reinterpret_cast<void*>(request.entry.offset)
                                     : resolve(request.entry));
}

std::string name_in(IncomingRequest& request) {
  return RequestBytes(request).decode().identity.name;
}

// What is handled now has kept the process of this name(), if it is known, from coming up. Without
// memory even for that its process server tells how it has ended.
template <class Name>
void refuse(const shm::UniqueFd& channel, Name&& name) noexcept {
  try {
    ExceptionRecord failure = record_exception();
    const std::string whose = name();
    if (!whose.empty()) failure.text = fmt::format("{}: {}", whose, failure.text);
    send_status(channel.get(), StatusKind::refused, 0, pack_exception(failure));
  } catch (const std::exception&) {
  }
}

// Likewise what has left its entry, before or after.
void tell_failure(ChildContext& context, const std::string& name) noexcept {
  try {
    const ExceptionRecord failure = record_exception();
    if (context.confirmed()) {
      report(name, failure);
    } else {
      context.refuse(failure);
    }
  } catch (const std::exception&) {
  }
}

int run_entry(Bootstrap& bootstrap, std::string& name) {
  auto bytes = std::make_unique<RequestBytes>(bootstrap.request);
  bootstrap.request.memory.reset();
  const Request request = bytes->decode();
  // Executed anew it has that already.
  if (bootstrap.method != StartMethod::spawn) take_environment(request.environment);
  name = request.identity.name;
  if (request.server) ::prctl(PR_SET_NAME, name.c_str());
  ProcessState::get().become(request.identity, request.default_method, take_link(bootstrap));
  PassedFiles passed_files(receive_files(bootstrap.request.channel.get(), request.files));
  ChildContext context(name, std::move(bootstrap.request.channel), bootstrap.starter_pidfd,
                       std::move(bytes), std::move(passed_files));
  try {
    entry_of(bootstrap, request)(context, request.arguments);
    return 0;
  } catch (...) {
    tell_failure(context, name);
    return 1;
  }
}

int run(Bootstrap& bootstrap) {
  std::string name;
  try {
    return run_entry(bootstrap, name);
  } catch (const std::exception&) {
    refuse(bootstrap.request.channel, [&] { return name; });
    return 1;
  }
}

// Becomes a process like its starter, with the request still to be read. A process server for one
// process is as young as that.
void become_like_starter(Bootstrap& bootstrap) {
  take_standard_descriptors(bootstrap.request);
  close_others(bootstrap);
  ::setrlimit(RLIMIT_NOFILE, &bootstrap.origin.open_files);
  if (bootstrap.method != StartMethod::fork) {
    inherit(bootstrap.starter, bootstrap.method == StartMethod::spawn ? Then::execute : Then::run);
  }
  take_signals(bootstrap);  // what follows the parent's death is lost with other credentials
  take_directory(bootstrap.request);
  unblock_signals();
}

[[noreturn]] void execute_with_environment(Bootstrap& bootstrap) {
  const RequestBytes bytes(bootstrap.request);
  take_environment(bytes.decode().environment);
  execute(bootstrap);
}

}  // namespace

void run_child(Bootstrap bootstrap) noexcept {
  try {
    become_like_starter(bootstrap);
    if (bootstrap.method == StartMethod::spawn) execute_with_environment(bootstrap);
  } catch (const std::exception&) {
    refuse(bootstrap.request.channel, [&] { return name_in(bootstrap.request); });
    ::_exit(1);
  }
  ::prctl(PR_SET_NAME, bootstrap.origin.thread_name.data());
  renew_streams();
  ::on_exit(end_life, nullptr);
  std::exit(run(bootstrap));
}

// Its statics are its own, and end with it as those of any program do.
void run_executed(Bootstrap bootstrap) noexcept { std::exit(run(bootstrap)); }

}  // namespace steward::detail::process
