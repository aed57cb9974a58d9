// The ends of queues in the processes that use them. An end is whatever has
//   void put(std::uint64_t number)   fills a message with the number and puts it
//   std::uint64_t get()              takes a message, reads all of it and gives its number
// and what is told to it is the same for Steward and for every peer.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <steward/bench/peer.hpp>
#include <steward/bench/queue_channels.hpp>
#include <steward/bench/queue_message.hpp>
#include <steward/steward.hpp>

namespace steward::bench {

// ---- The peers ----

template <class Channel, std::size_t N>
class ChannelEnd {
 public:
  ChannelEnd(const std::string& where, const std::string& name, Side side)
      : channel_({where, name, N, side}), message_(std::make_unique<Message<N>>()) {}

  void put(std::uint64_t number) {
    message_->fill(number);
    channel_.send(message_.get(), N);
  }
  std::uint64_t get() {
    channel_.receive(message_.get(), N);
    return message_->number();
  }

 private:
  Channel channel_;
  std::unique_ptr<Message<N>> message_;
};

// ---- Steward, through the public API. All ends of one name have one queue, whoever comes first.

template <std::size_t N>
Queue<Message<N>> bench_queue(const Manager& manager, const std::string& name) {
  return manager.queue<Message<N>>(named(name), capacity_for(N));
}

// One item a call, copied in and out.
template <std::size_t N>
class QueueEnd {
 public:
  QueueEnd(const Manager& manager, const std::string& name)
      : queue_(bench_queue<N>(manager, name)), message_(std::make_unique<Message<N>>()) {}

  void put(std::uint64_t number) {
    message_->fill(number);
    queue_.put(*message_);
  }
  std::uint64_t get() { return queue_.get().number(); }

 protected:
  Queue<Message<N>> queue_;

 private:
  std::unique_ptr<Message<N>> message_;
};

// The same, of one that never sleeps.
template <std::size_t N>
class PollingEnd : public QueueEnd<N> {
 public:
  using QueueEnd<N>::QueueEnd;
  std::uint64_t get() {
    for (;;) {
      if (const auto message = this->queue_.try_get()) return message->number();
    }
  }
};

// Some items a call. As many must be put in all as make full batches.
inline constexpr std::size_t kBatch = 16;
template <std::size_t N>
class BatchEnd {
 public:
  BatchEnd(const Manager& manager, const std::string& name)
      : queue_(bench_queue<N>(manager, name)), batch_(kBatch) {}

  void put(std::uint64_t number) {
    batch_[filled_++].fill(number);
    if (filled_ < kBatch) return;
    queue_.put_many(batch_);
    filled_ = 0;
  }
  std::uint64_t get() {
    if (read_ == taken_.size()) {
      taken_ = queue_.get_many(kBatch);
      read_ = 0;
    }
    return taken_[read_++].number();
  }

 private:
  Queue<Message<N>> queue_;
  std::vector<Message<N>> batch_;  // to be put
  std::size_t filled_ = 0;
  std::vector<Message<N>> taken_;
  std::size_t read_ = 0;
};

// One item a call, written and read where it lies.
template <std::size_t N>
class InPlaceEnd {
 public:
  InPlaceEnd(const Manager& manager, const std::string& name)
      : queue_(bench_queue<N>(manager, name)) {}

  void put(std::uint64_t number) {
    auto loan = queue_.loan();
    loan->fill(number);
    loan.commit();
  }
  std::uint64_t get() { return queue_.take()->number(); }

 private:
  Queue<Message<N>> queue_;
};

// ---- What they are told ----

// "put_WHAT N": puts so many, numbered on from the last run.
template <class E>
void answer_puts(Answers& answers, const std::string& what, std::shared_ptr<E> end,
                 std::uint64_t producer = 0) {
  answers.on("put_" + what,
             [end = std::move(end), numbers = Numbers(producer)](std::size_t count) mutable {
               return timed(count, [&] { end->put(numbers.next()); });
             });
}

// "get_WHAT N": takes so many and checks their order.
template <class E>
void answer_gets(Answers& answers, const std::string& what, std::shared_ptr<E> end,
                 Order::Consumers consumers = Order::Consumers::one) {
  answers.on("get_" + what,
             [end = std::move(end), order = Order(consumers)](std::size_t count) mutable {
               return timed(count, [&] { order.check(end->get()); });
             });
}

}  // namespace steward::bench
