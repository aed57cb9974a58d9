// Listening at a tcp port: a thread that greets, and a socket through which those come who may.
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <exception>
#include <memory>
#include <system_error>
#include <thread>
#include <utility>

#include <steward/client/tcp_socket.hpp>
#include <steward/core/auth_entrance.hpp>
#include <steward/core/errors.hpp>
#include <steward/core/own_threads.hpp>
#include <steward/pipe/accept_loop.hpp>
#include <steward/pipe/acceptor.hpp>
#include <steward/shm/fd_passing.hpp>

namespace steward::detail::pipe {
namespace {

using process::PassedFd;

// The numbers of this host alone: of what a name stands for elsewhere nothing is known here.
core::TcpAddress numbers_of(core::TcpAddress address) {
  if (address.host == "localhost") address.host = "127.0.0.1";
  if (address.host == "*") address.host = "0.0.0.0";
  return address;
}

client::HostAddresses resolved(const core::TcpAddress& numbers) {
  try {
    return client::resolve(numbers, AI_PASSIVE);
  } catch (const Disconnected& unknown) {
    throw SystemError(EADDRNOTAVAIL, "cannot listen at " + numbers.text() + " (" + unknown.what() +
                                         ')');
  }
}

PassedFd listening_at(const core::TcpAddress& address) {
  const core::TcpAddress numbers = numbers_of(address);
  const auto found = resolved(numbers);
  int error = 0;
  auto socket = PassedFd::opened_here_alone([&] {
    shm::UniqueFd made(::socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!made) {
      error = errno;
      return -1;
    }
    const int yes = 1;
    const int no = 0;
    // Connections of an earlier Listener do not keep the port; another Listener does.
    ::setsockopt(made.get(), SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    if (numbers.host == "[::]") {
      ::setsockopt(made.get(), IPPROTO_IPV6, IPV6_V6ONLY, &no, sizeof no);
    }
    if (::bind(made.get(), found->ai_addr, found->ai_addrlen) == 0 &&
        ::listen(made.get(), SOMAXCONN) == 0) {
      return made.release();
    }
    error = errno;
    return -1;
  });
  if (!socket) throw SystemError(error, "cannot listen at " + address.text());
  return socket;
}

// As who connects names it.
std::string bound_address(const core::TcpAddress& wanted, int socket) {
  sockaddr_storage name{};
  socklen_t size = sizeof name;
  if (::getsockname(socket, reinterpret_cast<sockaddr*>(&name), &size) != 0) {
    throw SystemError(errno, "cannot listen at " + wanted.text());
  }
  std::array<char, NI_MAXHOST> host{};
  std::array<char, NI_MAXSERV> port{};
  ::getnameinfo(reinterpret_cast<const sockaddr*>(&name), size, host.data(), host.size(),
                port.data(), port.size(), NI_NUMERICHOST | NI_NUMERICSERV);
  core::TcpAddress bound = wanted;
  bound.port = static_cast<std::uint16_t>(std::stoul(port.data()));
  if (!wanted.is_wildcard() && wanted.host != "localhost") {
    bound.host = name.ss_family == AF_INET6 ? "[" + std::string(host.data()) + "]" : host.data();
  }
  return bound.text();
}

class TcpAcceptor final : public Acceptor {
 public:
  TcpAcceptor(const core::TcpAddress& address, const ListenerOptions& options) {
    PassedFd listening = listening_at(address);
    address_ = bound_address(address, listening.get());
    shm::SocketPair pair = shm::seqpacket_pair();
    PassedFd inner = PassedFd::opened_here_alone([&] { return pair.b.release(); });
    handoff_ = PassedFd(std::move(pair.a));
    loop_ = std::make_unique<AcceptLoop>(std::move(listening), std::move(inner), options.backlog,
                                         secret_of(options.key), address_);
    *thread_ = core::start_own_thread("steward-accept", [loop = loop_.get()] { loop->run(); });
  }

  ~TcpAcceptor() override {
    if (creator_ != ::getpid()) {
      // The thread, which is not here, may have been in the middle of anything.
      static_cast<void>(loop_.release());
      static_cast<void>(thread_.release());
      return;
    }
    loop_->stop();
    thread_->join();
    turn_away();
  }

  int fd() const override { return handoff_.get(); }

  std::optional<End> next() override {
    std::optional<std::string> state;
    bool no_descriptor = false;
    auto socket = PassedFd::opened([&] {
      // The kernel throws away what it has no place for. Another thread may take this one just now.
      no_descriptor = !shm::UniqueFd(::fcntl(handoff_.get(), F_DUPFD_CLOEXEC, 0));
      return no_descriptor ? -1 : take(state);
    });
    if (no_descriptor && !is_readable()) return std::nullopt;
    if (no_descriptor || (state && !socket)) {
      throw Overloaded("Listener.accept: no descriptor is left");
    }
    if (!state) return std::nullopt;
    auto stream = MessageStream::from_state(Direction::both, *state);
    core::erase(*state);
    return End{std::move(socket), std::move(stream)};
  }

  std::string address() const override { return address_; }

 private:
  // The descriptor; -1: nobody waits, or, with a state, the system had none to deliver it with.
  int take(std::optional<std::string>& state) {
    try {
      shm::Received received =
          shm::receive_with_fds(handoff_.get(), MessageStream::kStateBytesMost, shm::Wait::none);
      if (received.would_block) return -1;
      if (!received.message) throw Closed("Listener.accept: " + address_ + " has ended");
      say_taken();
      state = std::move(received.message->bytes);
      return received.message->fds.empty() ? -1 : received.message->fds.front().release();
    } catch (const std::system_error&) {
      say_taken();
      state.emplace();
      return -1;
    }
  }

  // Forked copies have the socket, too, in which they would keep who waits.
  void turn_away() noexcept try {
    for (;;) {
      std::optional<std::string> state;
      const shm::UniqueFd peer(take(state));
      if (!state) return;
      core::erase(*state);
    }
  } catch (const std::exception&) {
  }

  bool is_readable() const {
    pollfd entry{handoff_.get(), POLLIN, 0};
    return ::poll(&entry, 1, 0) > 0;
  }

  // One that is lost is made up for once nobody waits.
  void say_taken() {
    const std::string_view word = AcceptLoop::kAccepted;
    ::send(handoff_.get(), word.data(), word.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
  }

  PassedFd handoff_;
  std::string address_;
  std::unique_ptr<AcceptLoop> loop_;
  std::unique_ptr<std::thread> thread_ = std::make_unique<std::thread>();
  const pid_t creator_ = ::getpid();
};

}  // namespace

std::unique_ptr<Acceptor> listen_at(const core::TcpAddress& address,
                                    const ListenerOptions& options) {
  core::check_entrance("a Listener", address, options.key);
  auto acceptor = std::make_unique<TcpAcceptor>(address, options);
  if (options.key.empty()) core::warn_of_open_port("connect to this Listener");
  return acceptor;
}

}  // namespace steward::detail::pipe
