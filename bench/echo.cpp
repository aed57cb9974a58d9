#include <steward/bench/echo.hpp>

#include <poll.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstring>
#include <stdexcept>
#include <thread>
#include <vector>

#include <zmq.hpp>

#include <steward/bench/crowd.hpp>

namespace steward::bench {
namespace {

using Buffer = std::array<char, 4096>;

bool readable(zmq::socket_t& socket) {
  return (socket.get(zmq::sockopt::events) & ZMQ_POLLIN) != 0;
}

void await(zmq::socket_t& socket, Waiting waiting) {
  if (waiting == Waiting::receive) return;
  pollfd entry{socket.get(zmq::sockopt::fd), POLLIN, 0};
  while (!readable(socket)) ::poll(&entry, 1, -1);
}

// Until the context is shut down.
void echo(zmq::socket_t& router, Waiting waiting) try {
  Buffer route;
  Buffer data;
  for (;;) {
    await(router, waiting);
    const auto name = router.recv(zmq::buffer(route));
    const auto size = router.recv(zmq::buffer(data));
    router.send(zmq::buffer(route, name->size), zmq::send_flags::sndmore);
    router.send(zmq::buffer(data, std::min(size->size, kReplyBytes)));
  }
} catch (const zmq::error_t& error) {
  if (error.num() != ETERM) throw;
}

// The echo runs in a thread of its own, alone with its socket: nothing looks at two things.
void serve_echo(std::string socket, std::string endpoint, int waiting) {
  zmq::context_t context(1);
  context.set(zmq::ctxopt::max_sockets, 16);
  Answers answers(socket);
  zmq::socket_t router(context, zmq::socket_type::router);
  router.set(zmq::sockopt::linger, 0);
  router.set(zmq::sockopt::backlog, 1024);
  router.bind(endpoint);
  const std::string address = router.get(zmq::sockopt::last_endpoint);
  std::thread thread([&] {
    echo(router, static_cast<Waiting>(waiting));
    router.close();
  });
  answers.serve(address);
  context.shutdown();
  thread.join();
}

void ask_echo(std::string socket, std::string address, int how, std::size_t window) {
  const auto waiting = static_cast<Waiting>(how);
  zmq::context_t context(1);
  zmq::socket_t dealer(context, zmq::socket_type::dealer);
  dealer.set(zmq::sockopt::linger, 0);
  // More than are ever under way: nothing is held up by a count.
  dealer.set(zmq::sockopt::sndhwm, 65'536);
  dealer.set(zmq::sockopt::rcvhwm, 65'536);
  dealer.connect(address);

  const std::array<char, kRequestBytes> request{};
  Buffer reply;
  const auto send = [&] { dealer.send(zmq::buffer(request)); };
  const auto receive = [&] {
    await(dealer, waiting);
    if (dealer.recv(zmq::buffer(reply))->size != kReplyBytes) {
      throw std::runtime_error("an echo has the wrong size");
    }
  };
  const auto round_trip = [&] {
    send();
    receive();
  };
  Answers answers(socket);
  answers.on("echo", [&](std::size_t count) { return timed(count, round_trip); });
  answers.on("echo_for", [&](std::size_t time) {
    return timed_for(std::chrono::milliseconds(time), round_trip);
  });
  answers.on("stream", [&](std::size_t count) {
    std::size_t sent = 0;
    std::size_t received = 0;
    return timed(count, [&] {
      for (; sent < count && sent - received < window; ++sent) send();
      receive();
      ++received;
    });
  });
  round_trip();
  answers.serve();
}

void crowd_echo(std::string socket, std::string address, std::size_t count) {
  zmq::context_t context(1);
  context.set(zmq::ctxopt::max_sockets, static_cast<int>(count) + 16);
  std::vector<zmq::socket_t> dealers;
  connect_in_groups(
      count,
      [&](std::size_t) {
        dealers.emplace_back(context, zmq::socket_type::dealer);
        dealers.back().set(zmq::sockopt::linger, 0);
        dealers.back().connect(address);
        dealers.back().send(zmq::buffer(std::array<char, kRequestBytes>{}));
      },
      [&](std::size_t i) {
        Buffer reply;
        static_cast<void>(dealers[i].recv(zmq::buffer(reply)));
      });
  Answers answers(socket);
  answers.serve();
}

}  // namespace

EchoServer::EchoServer(const Scratch& scratch, const std::string& transport, Waiting waiting)
    : server_(scratch, "echo-" + transport, serve_echo,
              transport == "ipc" ? "ipc://" + scratch.path("echo-" + std::to_string(
                                                  static_cast<int>(waiting)))
                                 : std::string("tcp://127.0.0.1:*"),
              static_cast<int>(waiting)) {}

std::unique_ptr<Peer> echo_client(const Scratch& scratch, const EchoServer& server,
                                  Waiting waiting, std::size_t window) {
  return std::make_unique<Peer>(scratch, "echo-client", ask_echo, server.address(),
                                static_cast<int>(waiting), window);
}

std::unique_ptr<Peer> echo_crowd(const Scratch& scratch, const EchoServer& server,
                                 std::size_t count) {
  return std::make_unique<Peer>(scratch, "echo-crowd", crowd_echo, server.address(), count);
}

}  // namespace steward::bench
