#include <steward/process/launch.hpp>

#include <unistd.h>

#include <cerrno>
#include <memory>
#include <system_error>
#include <utility>

#include <steward/process/descriptors.hpp>
#include <steward/process/fork_server.hpp>
#include <steward/process/request.hpp>
#include <steward/process/state.hpp>
#include <steward/process/streams.hpp>
#include <steward/shm/fd_passing.hpp>
#include <steward/shm/standard_descriptors.hpp>

namespace steward::detail::process {
namespace {

CodeAddress address_of(Entry entry, StartMethod method) {
  const auto* address = reinterpret_cast<const void*>(entry);
  if (method != StartMethod::fork) return locate(address);
  return {{}, {}, reinterpret_cast<std::uint64_t>(address)};
}

// The views in it are of both.
Request request_for(const Launch& order, StartMethod method, const Environment& environment) {
  const Identity self = ProcessState::get().identity();
  Request request;
  request.entry = address_of(order.entry, method);
  request.identity = {order.name, order.numbers, order.daemon,
                      ProcessInfo(self.name, ::getpid(), self.daemon)};
  request.default_method = ProcessState::get().default_method();
  request.server = order.server;
  request.environment.assign(environment.begin(), environment.end());
  request.files = order.files.size();
  request.arguments = order.arguments;
  return request;
}

std::shared_ptr<const Link> server_for(const Launch& order, StartMethod method,
                                       const Environment& environment) {
  switch (method) {
    case StartMethod::fork_server: return ProcessState::get().ensure_fork_server(Threads::any);
    case StartMethod::spawn: return ProcessState::get().ensure_spawn_server(&environment);
    case StartMethod::fork: break;
  }
  return fork_process_server(order.keeps_files, order.on_programs_thread);
}

// Throws WorkerDied if the process server is gone or stands still.
void ask(const Link& link, const std::string& name, const Request& request, int channel) {
  const Encoding encoding =
      link.method == StartMethod::spawn ? Encoding::in_memory : Encoding::by_size;
  for (;;) {
    try {
      return send_request(link.socket.get(), request, channel, encoding,
                          core::deadline_after(Child::kServerTime));
    } catch (const std::system_error& error) {
      const int code = error.code().value();
      if (code == EPIPE || code == ECONNRESET) throw_server_ended(name, link);
      if (code != EAGAIN) throw;
      throw_if_stopped(name, link);
    }
  }
}

}  // namespace

Child launch(const Launch& order) {
  shm::keep_standard_descriptors();
  const Environment environment =
      order.environment != nullptr ? *order.environment : current_environment();
  const StartMethod method =
      prepare(order.server ? For::server : For::process, order.method, &environment);
  const Request request = request_for(order, method, environment);
  const auto link = server_for(order, method, environment);
  if (order.on_programs_thread) flush_streams();
  shm::SocketPair channel = lifted_pair();
  send_files(channel.a.get(), order.files);
  ask(*link, order.name, request, channel.b.get());
  channel.b.reset();
  return await_start(link, std::move(channel.a), order.name, order.give_up);
}

StartMethod prepare(For what, std::optional<StartMethod> wish, const Environment* environment) {
  shm::keep_standard_descriptors();
  ProcessState& state = ProcessState::get();
  if (!wish && what == For::process) wish = state.default_method();
  if (!wish && state.spawns_for_want_of_better()) wish = StartMethod::spawn;
  const StartMethod method = wish.value_or(StartMethod::fork_server);
  switch (method) {
    case StartMethod::fork_server:
      state.ensure_fork_server(what == For::server ? Threads::any : Threads::none);
      break;
    case StartMethod::spawn:
      state.ensure_spawn_server(environment);
      break;
    case StartMethod::fork:
      break;
  }
  return method;
}

pid_t fork_server_pid() {
  const auto link = ProcessState::get().fork_server();
  return link ? link->pid : 0;
}

}  // namespace steward::detail::process
