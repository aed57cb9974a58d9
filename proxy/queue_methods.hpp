// The methods of a Queue, through the manager, under any call policy.
#pragma once

#include <chrono>
#include <cstddef>
#include <optional>
#include <stop_token>
#include <utility>
#include <vector>

#include <steward/core/errors.hpp>
#include <steward/proxy/items.hpp>
#include <steward/proxy/results.hpp>
#include <steward/proxy/target.hpp>

namespace steward {
namespace detail::proxy {

// The methods of a Queue under a call policy. `f` waits, `try_f` waits for the manager's answer at
// most, `f_for` waits that long. Through the manager waiters are served first come, first served.
//
// An item is in the queue when its put returns. What a taker has not received stays in the queue,
// or comes back to its front: an item is never lost on the way, nor taken twice.
//
// Items come out in the order in which they were put. maxsize counts items, of any size. An item is
// at most as long as one message to the manager (core::Limits::message_bytes, 64 MiB), less 256
// bytes.
//
// Methods throw Closed (puts into a closed queue, takes once it is empty as well), Overloaded (the
// item is too large, or the manager's or the system's memory is used up; nothing was put),
// StaleHandle, Disconnected (the manager has ended, or the queue's shared memory is damaged),
// OutcomeUnknown, and TimeoutError on a copy with_timeout(). Whoever waits with a std::stop_token
// gets Interrupted once a stop is requested, before or during the wait: nothing was taken, and
// nothing was put (through the manager an item may be put all the same, of put_many() the first
// ones; what was handed over at that moment comes back, flagged as redelivered). Takes throw
// BadCall for what is no T, which stays in the queue, flagged as redelivered.
template <class T, class Calls>
class QueueMethods : public Calls {
 public:
  template <class R>
  using Result = typename Calls::template Result<R>;

  // Waits while the queue is full.
  Result<void> put(const T& item, std::stop_token stop = {}) const {
    return this->template call<void>(until_stopped(std::move(stop), offering("put")), item);
  }
  // False: the queue is full.
  Result<bool> try_put(const T& item) const {
    return this->template call<bool>(changing("try_put"), item);
  }
  // False: the queue was full all that time; the item is not in it. Throws TimeoutError if the
  // item goes by the manager (also that of a queue in shared memory may) and that did not say so
  // in 100 ms more: the outcome is unknown then, the item may be in the queue.
  template <class Rep, class Period>
  Result<bool> put_for(const T& item, std::chrono::duration<Rep, Period> wait,
                       std::stop_token stop = {}) const {
    if (wait <= wait.zero()) return try_put(item);
    return this->read_as(Done(), within(wait, until_stopped(std::move(stop), offering("put"))),
                         item);
  }
  // All of them, in this order and one behind the other as space allows; returns when all are in.
  // No single step, but where the items are in the manager and there is room for all of them.
  Result<void> put_many(const Items<T>& items, std::stop_token stop = {}) const {
    return this->template call<void>(
        until_stopped(std::move(stop), waiting(changing("put_many"))), items);
  }

  // Waits while the queue is empty.
  Result<T> get(std::stop_token stop = {}) const {
    return this->template call<T>(until_stopped(std::move(stop), taking("get")));
  }
  // nullopt: the queue is empty.
  Result<std::optional<T>> try_get() const {
    return this->read_as(Maybe<As<T>>(), trying("try_get"));
  }
  // nullopt: the queue was empty all that time; nothing was taken.
  template <class Rep, class Period>
  Result<std::optional<T>> get_for(std::chrono::duration<Rep, Period> wait,
                                   std::stop_token stop = {}) const {
    if (wait <= wait.zero()) return try_get();
    return this->read_as(InTime<As<T>>(),
                         within(wait, until_stopped(std::move(stop), taking("get"))));
  }
  // Waits for the first item, then takes what is there, at most `max`; for 0 nothing. Overloaded if
  // the manager has the items and they are more than one message takes: they are lost then.
  Result<std::vector<T>> get_many(std::size_t max, std::stop_token stop = {}) const {
    return this->read_as(ListOf<As<T>>(), until_stopped(std::move(stop), taking("get_many")), max);
  }

  // Of the moment: another process may change it before the caller looks.
  Result<std::size_t> size() const { return this->template call<std::size_t>(reading("size")); }
  Result<bool> empty() const { return this->template call<bool>(reading("empty")); }
  Result<bool> full() const { return this->template call<bool>(reading("full")); }
  // 0: unbounded.
  Result<std::size_t> maxsize() const {
    return this->template call<std::size_t>(reading("maxsize"));
  }

  // Reports that one taken item has been dealt with. BadCall if there is none left to report: more
  // reports than items that were taken.
  Result<void> task_done() const { return this->template call<void>(changing("task_done")); }
  // Waits until every item ever put has been reported by task_done().
  Result<void> join(std::stop_token stop = {}) const {
    return this->template call<void>(until_stopped(std::move(stop), waiting(reading("join"))));
  }

  // Nothing more can be put; what is there can be taken. Wakes who waits. May be called again.
  Result<void> close() const { return this->template call<void>(changing("close")); }

 protected:
  using Calls::Calls;
};

}  // namespace detail::proxy
}  // namespace steward
