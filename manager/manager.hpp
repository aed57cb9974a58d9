// Manager: owns objects that processes share, and hands out proxies to them.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <sys/types.h>

#include <steward/client/options.hpp>
#include <steward/client/session.hpp>
#include <steward/core/handle_codec.hpp>
#include <steward/manager/options.hpp>
#include <steward/proxy/dict.hpp>
#include <steward/proxy/items.hpp>
#include <steward/proxy/list.hpp>
#include <steward/proxy/lock.hpp>
#include <steward/proxy/object.hpp>
#include <steward/proxy/queue.hpp>

namespace steward {

namespace detail::manager {
struct ManagerAccess;  // what tests and the program `steward` do beyond other programs
}

// A manager of shared objects: either one that this object has started and owns, in a process of
// its own, or one that somebody else has started.
//
// A resource: movable, not copyable. Its destructor ends a server that it owns: asks it, terminates
// it, kills it, within ManagerOptions::shutdown_timeout; proxies then throw Disconnected. A
// connected Manager's proxies go on after it: they share this process's one session with that
// manager. In a process that did not create it (a forked child) the destructor does nothing. Nor
// does that of a static Manager, in exit(): other threads may go on until the process has ended,
// and the server ends right after it.
//
// Thread safety: any thread may call any function at any time, but for moving and destruction.
// Every call throws Disconnected if the manager is gone or out of reach.
class Manager {
 public:
  // Starts a private server, which is up when this returns. Its sockets stand in a directory of its
  // own in the first of these that can hold one: $XDG_RUNTIME_DIR (if it is this user's alone),
  // $TMPDIR, /tmp, /var/tmp, /dev/shm, /run/user/<uid>.
  // The first Manager or Process of a program forks, a Manager also beside other threads. Throws
  // BadCall for options that cannot be met; else, in a sentence that says why it did not come up,
  // detail::core::Failure, which is a std::runtime_error (no directory, an address that is taken,
  // what else the system refuses), Overloaded (descriptors, threads), WorkerDied (it was killed),
  // SystemError. Nothing is left then: no process, directory or descriptor.
  Manager();
  explicit Manager(ManagerOptions options);
  explicit Manager(detail::manager::Types types, ManagerOptions options = {});
  Manager(Manager&&) noexcept;
  Manager& operator=(Manager&&) noexcept;
  ~Manager();

  // `address` as Manager::address() says it ("ipc://...", "tcp://host:port"), the path of a socket
  // that a manager of this user listens at ("ipc:///path/of/a.sock"), or the name of one of them
  // (`steward serve --name work`: "work"). Throws Disconnected if no manager answers there within
  // the timeout, at once if nobody listens or the host is unknown; AuthenticationError if it does
  // not accept the key (or lack of one), or is another user's; BadCall if this is no address.
  // `types` changes nothing yet: no manager hosts user classes.
  static Manager connect(const std::string& address, const ConnectOptions& options = {});
  static Manager connect(const std::string& address, detail::manager::Types types,
                         const ConnectOptions& options);

  // The server in this process, on this thread, until SIGTERM, SIGINT or a shutdown call; speaks
  // through spdlog only (the logger named "steward" if there is one, else standard error). Both
  // signals are blocked on this thread meanwhile, and what came of them is taken; other threads of
  // the program must block them. `ready` is told the address once clients may come. Throws as the
  // constructor, and what `ready` throws.
  using Ready = std::function<void(const std::string& address)>;
  static void serve(detail::manager::Types types, const ManagerOptions& options = {},
                    const Ready& ready = {});
  static void serve(const ManagerOptions& options = {}, const Ready& ready = {});

  // For Manager::connect, in this process or another.
  const std::string& address() const;
  // The server's process; 0 if it was reached over tcp, where it may be another host's.
  pid_t pid() const;

  // Ends the server, whoever has started it: parked calls get Disconnected, objects are destroyed.
  // Returns when a server that this Manager owns is gone, otherwise when the server has agreed.
  void shutdown();

  // What exists there, named objects included.
  std::size_t number_of_objects() const;
  // All of them, in order of creation; and those that have a name, by it.
  std::vector<Object> objects() const;
  std::map<std::string, Object> names() const;
  // The object of this name; nullopt: there is none.
  std::optional<Object> find(std::string_view name) const;
  // The object of this number (Object::id). Throws StaleHandle if there is none (any more).
  Object object(std::uint64_t id) const;
  // What the server counts and uses, as a map: see docs/protocol.md, `stat`. Changes nothing.
  Value stat() const;
  // For people: objects with their references, sessions, parked calls.
  std::string debug_info() const;
  // Gives up a name; the object lives on while there are proxies. False: there is no such name.
  bool remove(std::string_view name);

  // Factories. Each also takes a first argument named("x"): see Name. Elements are given in braces
  // or as any range. Throws BadCall, Overloaded (a limit).
  template <class T = Value>
  List<T> list(const std::type_identity_t<detail::proxy::Items<T>>& init = {}) const {
    return List<T>::from_reference(make(List<T>::kType, nullptr, init));
  }
  template <class T = Value>
  List<T> list(const detail::manager::Name& name,
               const std::type_identity_t<detail::proxy::Items<T>>& init = {}) const {
    return List<T>::from_reference(make(List<T>::kType, &name, init));
  }

  template <class K = Value, class V = Value>
  Dict<K, V> dict(
      const std::type_identity_t<detail::proxy::Items<std::pair<K, V>>>& init = {}) const {
    return Dict<K, V>::from_reference(
        make(Dict<K, V>::kType, nullptr, detail::proxy::entries(init)));
  }
  template <class K = Value, class V = Value>
  Dict<K, V> dict(
      const detail::manager::Name& name,
      const std::type_identity_t<detail::proxy::Items<std::pair<K, V>>>& init = {}) const {
    return Dict<K, V>::from_reference(make(Dict<K, V>::kType, &name, detail::proxy::entries(init)));
  }

  // maxsize 0: without a bound.
  template <class T = Value>
  Queue<T> queue(std::size_t maxsize = 0) const {
    return Queue<T>::from_reference(make(Queue<T>::kType, nullptr, maxsize));
  }
  template <class T = Value>
  Queue<T> queue(const detail::manager::Name& name, std::size_t maxsize = 0) const {
    return Queue<T>::from_reference(make(Queue<T>::kType, &name, maxsize));
  }

  Lock lock(const LockOptions& options = {}) const;
  Lock lock(const detail::manager::Name& name, const LockOptions& options = {}) const;
  RLock rlock(const LockOptions& options = {}) const;
  RLock rlock(const detail::manager::Name& name, const LockOptions& options = {}) const;

  // An object of a class that is known by name only, made with these arguments of its constructor
  // (docs/protocol.md, section 11): create("queue", {8}).
  Object create(std::string_view type, const Value::List& arguments = {}) const;
  Object create(std::string_view type, const detail::manager::Name& name,
                const Value::List& arguments = {}) const;

 private:
  friend struct detail::manager::ManagerAccess;
  struct Impl;

  explicit Manager(std::unique_ptr<Impl> impl);
  Manager(detail::client::SessionPtr session, std::string address);

  // One object of this class, made with `init` (nullptr: without a name).
  template <class... A>
  detail::core::ReferencePtr make(std::string_view type, const detail::manager::Name* name,
                                  const A&... init) const {
    const detail::client::SessionPtr with = session();
    std::string arguments;
    detail::client::Kept kept;
    const detail::client::ArgumentScope scope(*with, kept);
    begin_create(arguments, type, name);
    detail::proxy::write_arguments(arguments, init...);
    return created(*with, arguments);
  }
  static void begin_create(std::string& arguments, std::string_view type,
                           const detail::manager::Name* name);
  detail::core::ReferencePtr created(detail::client::Session& session,
                                     std::string_view arguments) const;

  // Throws BadCall if this Manager was moved from.
  Impl& impl() const;
  detail::client::SessionPtr session() const;
  Value call(std::string_view method, std::string_view arguments,
             detail::client::Effect effect) const;

  std::unique_ptr<Impl> impl_;
};

namespace detail::manager {

struct ManagerAccess {
  // Does not own the server.
  static Manager over(client::SessionPtr session) {
    std::string address = session->addresses().front();
    return Manager(std::move(session), std::move(address));
  }
  static client::SessionPtr session_of(const Manager& manager) { return manager.session(); }
  // From now on a call of the manager itself (names, create, shutdown, ...) that has no answer
  // after this time ends with TimeoutError.
  static void set_patience(Manager& manager, std::chrono::milliseconds patience);
};

}  // namespace detail::manager
}  // namespace steward
