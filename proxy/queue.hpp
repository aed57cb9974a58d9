// Queue<T>: first in, first out, between processes.
#pragma once

#include <cstddef>
#include <iterator>
#include <memory>
#include <optional>
#include <string>

#include <steward/core/errors.hpp>
#include <steward/proxy/queue_methods.hpp>
#include <steward/proxy/proxy.hpp>

namespace steward {

// A queue in a manager, as Python's multiprocessing.Queue and JoinableQueue:
// `auto jobs = manager.queue<Job>();`
//
// A proxy: a value that stands for the queue and keeps it alive (see detail::proxy::ProxyOf for
// what all proxies can do, QueueMethods for the methods). Thread safety: calls from any thread.
// `for (const Job& job : jobs)` takes one item each step, until the queue is closed and drained.
template <class T = Value>
class Queue
    : public detail::proxy::ProxyOf<Queue<T>, detail::proxy::QueueMethodsOf<T>::template Methods> {
 public:
  static constexpr std::string_view kType = "queue";
  using value_type = T;

  // How items travel between this process and the queue: "shm", straight through shared memory, or
  // "zmq", through the manager. Decided with the first call or question; STEWARD_TRANSPORT=zmq in
  // the environment forces the latter. What differs is listed at QueueMethods. Throws
  // StaleHandle, Disconnected; TimeoutError under with_timeout().
  std::string transport() const {
    return this->has_ring(detail::proxy::reading("transport")) ? "shm" : "zmq";
  }

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
