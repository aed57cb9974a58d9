// Listener, and Connection<T>::connect: connections between programs that did not start each other.
#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>

#include <steward/client/options.hpp>
#include <steward/core/clock.hpp>
#include <steward/pipe/connection.hpp>
#include <steward/pipe/end.hpp>
#include <steward/pipe/listener_options.hpp>

namespace steward {

namespace detail::pipe {
class Acceptor;
End connect_to_listener(const std::string& address, const ConnectOptions& options);
}  // namespace detail::pipe

// Listener: accepts connections from other programs: `Listener
// listener("ipc:///run/user/1000/work.sock");`, then `auto connection = listener.accept<Job>();`
// there and `Connection<Job>::connect(address)` here.
//
// "ipc://path": a Unix socket that only this user may use. One that a killed process left behind is
// taken over, one that lives is not. "tcp://host:port": from everywhere (host *), from where that
// address is reached, or from this host; port 0: one is chosen. Keys, and the addresses that are
// refused without one, are as for a manager.
//
// Over tcp with a key all is encrypted, and nobody without the key gets in, which is told on
// standard error: the first time, and then once a minute how many tried. Without a key every user
// of this host may connect, which a line on standard error says when it starts. Over tcp it has a
// thread, which greets those who connect: one that says nothing holds up nobody.
//
// A resource: only moves; the destructor closes it. Connections that were accepted live on. After a
// plain fork() the child's copy accepts, too, until the creator closes: then it throws Closed, and
// the place is free; at a tcp port also when the creator ends in any other way. A process that
// another thread forks just while connect() makes its socket has a copy of that end for good.
//
// Thread safety: several threads may accept at once. close(), moves and destruction need the object
// for themselves.
class Listener {
 public:
  // Throws BadCall if the address is none, or must not be listened at without a better key;
  // SystemError if it cannot be, as when somebody else does.
  explicit Listener(const std::string& address, const ListenerOptions& options = {});
  Listener(Listener&& other) noexcept;
  Listener& operator=(Listener&& other) noexcept;
  ~Listener();

  // Waits until somebody has connected. All forms throw Closed once closed, Overloaded if there is
  // no descriptor for a connection, which still waits then, Interrupted once a stop is requested,
  // before or during the wait: who has connected stays to be accepted.
  template <class T = Value>
  Connection<T> accept(std::stop_token stop = {}) {
    return over<T>(std::move(*next(std::nullopt, stop)));
  }
  // nullopt: nobody waits, or came in that time.
  template <class T = Value>
  std::optional<Connection<T>> try_accept() {
    return accept_until<T>(std::chrono::steady_clock::now());
  }
  template <class T = Value, class Rep, class Period>
  std::optional<Connection<T>> accept_for(std::chrono::duration<Rep, Period> wait,
                                          std::stop_token stop = {}) {
    return accept_until<T>(detail::core::deadline_after(wait), stop);
  }

  // What connect() takes, with the port that was chosen. Where the host is *, it stands for any of
  // this host's names.
  const std::string& address() const;
  // Readable when somebody waits.
  int fileno() const;

  // Who waits to be accepted is turned away. May be called again.
  void close();

 private:
  std::optional<detail::pipe::End> next(detail::core::Deadline deadline,
                                        const std::stop_token& stop);
  template <class T>
  static Connection<T> over(detail::pipe::End end) {
    return detail::pipe::ConnectionAccess::over<T>(std::move(end.socket), std::move(end.stream));
  }
  template <class T>
  std::optional<Connection<T>> accept_until(detail::core::Deadline deadline,
                                            const std::stop_token& stop = {}) {
    std::optional<detail::pipe::End> end = next(deadline, stop);
    if (!end) return std::nullopt;
    return over<T>(*std::move(end));
  }
  // `method` is what needs it: for the error.
  detail::pipe::Acceptor& acceptor(std::string_view method) const;

  std::unique_ptr<detail::pipe::Acceptor> acceptor_;
  std::string address_;
};

template <class T>
Connection<T> Connection<T>::connect(const std::string& address, const ConnectOptions& options) {
  detail::pipe::End end = detail::pipe::connect_to_listener(address, options);
  return detail::pipe::ConnectionAccess::over<T>(std::move(end.socket), std::move(end.stream));
}

template <class T>
Connection<T> Connection<T>::connect(const std::string& address) {
  return connect(address, ConnectOptions());
}

}  // namespace steward
