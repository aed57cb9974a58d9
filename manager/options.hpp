// What a manager may be given when it starts, and what objects may be given when they are made.
#pragma once

#include <chrono>
#include <string>
#include <string_view>
#include <utility>

#include <steward/core/limits.hpp>

namespace steward {

struct ManagerOptions {
  // Where else clients come in, beside the private socket that every manager has for its user:
  // "tcp://host:port" for other hosts (port 0: one is chosen; host *: every interface). Off this
  //   host it needs a key. On a loopback address it may be without one: then every user of this
  //   host may use the manager, for a port has no owner.
  // "ipc:///path/of/a.sock" for this user's programs, at a path that is known beforehand: a socket
  //   of mode 0600 that goes with the manager. What a dead one left is taken over; where a manager
  //   runs already, or the file is no socket, starting throws.
  // Empty: nowhere else.
  std::string address = {};
  // What `steward keygen` printed (or generate_key() makes), or a passphrase: whoever comes by tcp
  // must hold it, and all that is said there is encrypted. Empty: none.
  std::string key = {};
  // Of an owning Manager: how long its server may take to end, in all. Then it is killed.
  std::chrono::milliseconds shutdown_timeout = std::chrono::seconds(3);
  detail::core::Limits limits = {};
};

namespace detail::manager {
class Name;
}
// Names an object, as the first argument of a factory: opens the object of that name, whose options
// win, or creates it. A named object lives until Manager::remove(name). 1 to 255 bytes
// (detail::core::Limits::name_bytes), else the factory throws BadCall.
detail::manager::Name named(std::string_view text);

namespace detail::manager {

// What named() gives. A value.
class Name {
 public:
  const std::string& text() const { return text_; }

 private:
  friend Name steward::named(std::string_view text);
  // The second parameter keeps braces out: list<std::string>({"x"}) is a list.
  struct Made {};
  Name(std::string_view text, Made) : text_(text) {}

  std::string text_;
};

// The user classes that a server hosts.
class Types {};

template <class... C>
struct TypeList {
  static_assert(sizeof...(C) == 0, "user classes cannot be hosted yet");
  operator Types() const { return {}; }
};
}  // namespace detail::manager

inline detail::manager::Name named(std::string_view text) {
  return {text, detail::manager::Name::Made()};
}

// The user classes that a server hosts: types<Counter, Account>.
template <class... C>
inline constexpr detail::manager::TypeList<C...> types{};

}  // namespace steward
