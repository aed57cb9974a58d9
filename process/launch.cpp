#include <steward/process/launch.hpp>

#include <unistd.h>

#include <cerrno>
#include <system_error>
#include <utility>

#include <steward/process/descriptors.hpp>
#include <steward/process/fork_server.hpp>
#include <steward/process/request.hpp>
#include <steward/process/state.hpp>
#include <steward/process/streams.hpp>
#include <steward/shm/fd_passing.hpp>

namespace steward::process {
namespace {

Request request_for(const Launch& order) {
  const Identity self = State::get().identity();
  Request request;
  request.entry = locate(reinterpret_cast<const void*>(order.entry));
  request.identity = {order.name, order.numbers, order.daemon,
                      ProcessInfo(self.name, ::getpid(), self.daemon)};
  request.server = order.server;
  for (char** variable = environ; variable != nullptr && *variable != nullptr; ++variable) {
    request.environment.emplace_back(*variable);
  }
  request.files = order.files.size();
  request.arguments = order.arguments;
  return request;
}

}  // namespace

Child launch(const Launch& order) {
  const auto link = State::get().ensure_link(order.server);
  const Request request = request_for(order);
  flush_streams();
  shm::SocketPair channel = lifted_pair();
  send_files(channel.a.get(), order.files);
  try {
    send_request(link->socket.get(), request, channel.b.get());
  } catch (const std::system_error& error) {
    if (error.code().value() == EPIPE || error.code().value() == ECONNRESET) {
      throw_fork_server_ended(order.name, *link);
    }
    throw;
  }
  channel.b.reset();
  return await_start(link, std::move(channel.a), order.name);
}

void prepare(For what) { State::get().ensure_link(what == For::server); }

pid_t fork_server_pid() {
  const auto link = State::get().link();
  return link ? link->pid : 0;
}

}  // namespace steward::process
