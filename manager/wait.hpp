// wait: until one of several things is ready, of whatever kinds they are.
#pragma once

#include <chrono>
#include <concepts>
#include <cstddef>
#include <initializer_list>
#include <ranges>
#include <stop_token>
#include <string_view>
#include <vector>

#include <steward/core/clock.hpp>
#include <steward/core/token.hpp>
#include <steward/pipe/connection.hpp>
#include <steward/pipe/listener.hpp>
#include <steward/process/process.hpp>
#include <steward/proxy/lock.hpp>
#include <steward/proxy/queue.hpp>

namespace steward {
namespace detail::manager {

// Proxies that can be waited for: those whose class answers `ready` and `wait_ready`.
template <class P>
inline constexpr bool kWaits = false;
template <class T>
inline constexpr bool kWaits<Queue<T>> = true;
template <>
inline constexpr bool kWaits<Lock> = true;
template <>
inline constexpr bool kWaits<RLock> = true;

// What wait() can wait for; made by itself from what stands in the braces. It only looks at the
// thing, which must outlive it.
//
//   Connection   a message is there, or the end: recv() would not wait
//   Listener     somebody wants to be accepted
//   Process      it has ended
//   int          the descriptor is readable, as Process::sentinel()
//   Queue        an item is there, or none will ever be: get() would not wait
//   Lock, RLock  lock() would not wait
//
// Managed objects that are gone or out of reach are ready, too: whoever calls them is told.
class Waitable {
 public:
  template <std::same_as<int> Descriptor>
  Waitable(Descriptor descriptor) : descriptor_(descriptor) {}
  template <class T>
  Waitable(const Connection<T>& connection)
      : descriptor_(connection.fileno()),
        connection_(&connection),
        look_([](const void* it, bool readable) {
          return pipe::ConnectionAccess::is_ready(*static_cast<const Connection<T>*>(it),
                                                          readable);
        }) {}
  Waitable(const Listener& listener) : descriptor_(listener.fileno()) {}
  Waitable(const Process& process) : descriptor_(process.sentinel()) {}
  template <class P>
    requires kWaits<P>
  Waitable(const P& proxy) : reference_(proxy.reference()), type_(P::kType) {}

  // ---- For wait() ----

  // Null: not a managed object.
  const core::ReferencePtr& reference() const { return reference_; }
  std::string_view type() const { return type_; }  // empty: not a managed object
  int descriptor() const { return descriptor_; }
  // Whether it is ready, if its descriptor is readable or is not: of a Connection a part of a
  // message is too little, and a message may be there that was taken from the descriptor already.
  bool look(bool readable) const {
    return look_ == nullptr ? readable : look_(connection_, readable);
  }

 private:
  core::ReferencePtr reference_;
  std::string_view type_;
  int descriptor_ = -1;
  const void* connection_ = nullptr;
  bool (*look_)(const void*, bool) = nullptr;
};

std::vector<std::size_t> wait_for(const std::vector<Waitable>& things, core::Deadline deadline,
                                  const std::stop_token& stop);

template <class R>
concept Things = std::ranges::input_range<const R> &&
                 std::convertible_to<std::ranges::range_reference_t<const R>, Waitable>;

template <Things R>
std::vector<Waitable> all_of(const R& things) {
  std::vector<Waitable> all;
  for (const auto& each : things) all.push_back(each);
  return all;
}

}  // namespace detail::manager

// Waits until at least one of them is ready, and gives the indexes of all that are, in order:
//
//   for (std::size_t i : wait({connection, child, tasks, lock}, 2s)) ...
//
// Nothing is taken: another process may be faster, so go on with try_recv(), try_get(), try_lock().
// With a timeout the result may be empty; of nothing it is so at once. Queues on this host are
// watched in shared memory, other managed objects by their manager. Throws BadCall for an empty
// proxy or connection and for a process that was not started, Closed for a connection or Listener
// that was closed here, Overloaded for more objects of one manager than calls may wait there
// (960: detail::core::Limits::calls_in_flight), or if threads or descriptors run out; Interrupted
// once a stop is requested, before or during the wait.
//
// Thread safety: any number of threads may wait for the same things.
inline std::vector<std::size_t> wait(std::initializer_list<detail::manager::Waitable> things,
                                     std::stop_token stop = {}) {
  return detail::manager::wait_for(things, std::nullopt, stop);
}
template <class Rep, class Period>
std::vector<std::size_t> wait(std::initializer_list<detail::manager::Waitable> things,
                              std::chrono::duration<Rep, Period> timeout,
                              std::stop_token stop = {}) {
  return detail::manager::wait_for(things, detail::core::deadline_after(timeout), stop);
}

// Likewise any range: of connections, of queues, of what wait() can wait for.
template <detail::manager::Things R>
std::vector<std::size_t> wait(const R& things, std::stop_token stop = {}) {
  return detail::manager::wait_for(detail::manager::all_of(things), std::nullopt, stop);
}
template <detail::manager::Things R, class Rep, class Period>
std::vector<std::size_t> wait(const R& things, std::chrono::duration<Rep, Period> timeout,
                              std::stop_token stop = {}) {
  return detail::manager::wait_for(detail::manager::all_of(things),
                                   detail::core::deadline_after(timeout), stop);
}

}  // namespace steward
