// Queue<T>: first in, first out, between processes.
#pragma once

#include <chrono>
#include <cstddef>
#include <iterator>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <steward/core/errors.hpp>
#include <steward/proxy/items.hpp>
#include <steward/proxy/proxy.hpp>

namespace steward {
namespace proxy {

// The methods of a Queue under a call policy. `f` waits, `try_f` does not, `f_for` waits that long.
// Waiters are served first come, first served. Putting into a closed queue throws Closed, and so
// does taking once it is empty.
//
// An item is in the queue when its put returns. What a taker has not received stays in the queue,
// or comes back to its front: an item is never lost on the way, nor taken twice.
template <class T, class Calls>
class QueueMethods : public Calls {
 public:
  template <class R>
  using Result = typename Calls::template Result<R>;

  // Waits while the queue is full.
  Result<void> put(const T& item) const {
    return this->template call<void>(offering("put"), item);
  }
  // False: the queue is full.
  Result<bool> try_put(const T& item) const {
    return this->template call<bool>(changing("try_put"), item);
  }
  // False: the queue was full all that time; the item is not in it. Throws TimeoutError if the
  // manager did not say so in time either: the outcome is unknown then.
  template <class Rep, class Period>
  Result<bool> put_for(const T& item, std::chrono::duration<Rep, Period> wait) const {
    if (wait <= wait.zero()) return try_put(item);
    return this->read_as(Done(), within(wait, offering("put")), item);
  }
  // All of them, in this order and one behind the other as space allows; returns when all are in.
  Result<void> put_many(const Items<T>& items) const {
    return this->template call<void>(changing("put_many"), items);
  }

  // Waits while the queue is empty.
  Result<T> get() const { return this->template call<T>(taking("get")); }
  // nullopt: the queue is empty.
  Result<std::optional<T>> try_get() const {
    return this->read_as(Maybe<As<T>>(), taking("try_get"));
  }
  // nullopt: the queue was empty all that time; nothing was taken.
  template <class Rep, class Period>
  Result<std::optional<T>> get_for(std::chrono::duration<Rep, Period> wait) const {
    if (wait <= wait.zero()) return try_get();
    return this->read_as(InTime<As<T>>(), within(wait, taking("get")));
  }
  // Waits for the first item, then takes what is there, at most `max`.
  Result<std::vector<T>> get_many(std::size_t max) const {
    return this->read_as(ListOf<As<T>>(), taking("get_many"), max);
  }

  // Of the moment: another process may change it before the caller looks.
  Result<std::size_t> size() const { return this->template call<std::size_t>(reading("size")); }
  Result<bool> empty() const { return this->template call<bool>(reading("empty")); }
  Result<bool> full() const { return this->template call<bool>(reading("full")); }
  // 0: unbounded.
  Result<std::size_t> maxsize() const {
    return this->template call<std::size_t>(reading("maxsize"));
  }

  // Reports that one taken item has been dealt with. BadCall if there is none left to report.
  Result<void> task_done() const { return this->template call<void>(changing("task_done")); }
  // Waits until every item ever put has been reported by task_done().
  Result<void> join() const { return this->template call<void>(reading("join")); }

  // Nothing more can be put; what is there can be taken. Wakes who waits. May be called again.
  Result<void> close() const { return this->template call<void>(changing("close")); }

 protected:
  using Calls::Calls;
};

template <class T>
struct QueueMethodsOf {
  template <class Calls>
  using Methods = QueueMethods<T, Calls>;
};

}  // namespace proxy

// A queue in a manager, as Python's multiprocessing.Queue and JoinableQueue:
// `auto tasks = manager.queue<Task>();`
//
// A proxy: a value that stands for the queue and keeps it alive (see proxy::ProxyOf for what all
// proxies can do, QueueMethods for the methods). Thread safety: calls from any thread.
// `for (Task task : tasks)` takes one item each step, until the queue is closed and drained.
template <class T = Value>
class Queue : public proxy::ProxyOf<Queue<T>, proxy::QueueMethodsOf<T>::template Methods> {
 public:
  static constexpr std::string_view kType = "queue";
  using value_type = T;

  // How items travel: "zmq", through the manager.
  std::string transport() const { return "zmq"; }

  // An input iterator: each step is a get(). Copies share their place.
  class Iterator {
   public:
    using iterator_concept = std::input_iterator_tag;
    using iterator_category = std::input_iterator_tag;
    using value_type = T;
    using difference_type = std::ptrdiff_t;
    using reference = const T&;
    using pointer = const T*;

    Iterator() = default;
    explicit Iterator(const Queue& queue) : place_(std::make_shared<Place>(Place{queue, {}})) {
      next();
    }

    reference operator*() const { return *place_->item; }
    pointer operator->() const { return &*place_->item; }
    Iterator& operator++() {
      next();
      return *this;
    }
    void operator++(int) { next(); }
    friend bool operator==(const Iterator& it, std::default_sentinel_t) {
      return !it.place_ || !it.place_->item;
    }

   private:
    struct Place {
      Queue queue;
      std::optional<T> item;  // nullopt: closed and drained
    };

    void next() {
      place_->item.reset();
      try {
        place_->item.emplace(place_->queue.get());
      } catch (const Closed&) {
        // That is the end.
      }
    }

    std::shared_ptr<Place> place_;
  };

  Iterator begin() const { return Iterator(*this); }
  std::default_sentinel_t end() const { return {}; }
};

}  // namespace steward
