// Where the results of a pool's calls go: into a future of one, into a future of all, or one by one
// to whoever walks over them.
#pragma once

#include <algorithm>
#include <cstddef>
#include <deque>
#include <exception>
#include <iterator>
#include <map>
#include <memory>
#include <mutex>
#include <new>
#include <optional>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include <steward/core/future_state.hpp>
#include <steward/core/handle_codec.hpp>
#include <steward/pool/calls.hpp>
#include <steward/pool/job.hpp>
#include <steward/pool/messages.hpp>

namespace steward::detail::pool {

// The exception for a result that cannot be read.
std::exception_ptr unreadable_result(const char* why);

// Reads `count` results one after the other: each goes to `got(place, result)` or `failed(place,
// exception)`. What cannot be read, and all behind it, has failed. Throws std::bad_alloc.
template <class R, class Got, class Failed>
void each_result(std::size_t first, std::size_t count, MessageReader& in, Got&& got,
                 Failed&& failed) {
  // Whoever decodes reads the results of all: none of them is to keep the others waiting.
  core::LeasedHandleCodec leased;
  const core::HandleCodecScope scope(leased);
  for (std::size_t i = first; i < first + count; ++i) {
    try {
      if (in.number<CallEnd>() == CallEnd::returned) {
        if constexpr (std::is_void_v<R>) got(i);
        else got(i, unpack_item<R>(in));
        continue;
      }
    } catch (const std::bad_alloc&) {
      throw;
    } catch (const std::exception& error) {
      const auto why = unreadable_result(error.what());
      for (; i < first + count; ++i) failed(i, why);
      return;
    }
    try {
      throw_failed_call(in);
    } catch (...) {
      failed(i, std::current_exception());
    }
  }
}

// The one result of apply().
template <class R>
class One final : public Collector {
 public:
  explicit One(std::shared_ptr<core::FutureValue<R>> future) : future_(std::move(future)) {}

  void take(std::size_t first, std::size_t count, MessageReader in) override {
    const auto failed = [&](std::size_t, std::exception_ptr why) { error_ = std::move(why); };
    if constexpr (std::is_void_v<R>) {
      each_result<R>(first, count, in, [](std::size_t) {}, failed);
    } else {
      each_result<R>(first, count, in, [&](std::size_t, R result) { result_ = std::move(result); },
                     failed);
    }
  }
  void lose(std::size_t, std::size_t, const std::exception_ptr& why) noexcept override {
    error_ = why;
  }
  void finish(std::size_t) override {
    if (error_) return static_cast<void>(future_->fail(error_));
    if constexpr (std::is_void_v<R>) future_->set();
    else future_->set(std::move(*result_));
  }

 private:
  using Kept = std::conditional_t<std::is_void_v<R>, std::monostate, R>;
  std::shared_ptr<core::FutureValue<R>> future_;
  std::exception_ptr error_;
  std::optional<Kept> result_;
};

// All results of map(), in the order of the calls; or the exception of the first that has one.
template <class R>
class All final : public Collector {
 public:
  using Results = std::conditional_t<std::is_void_v<R>, void, std::vector<R>>;
  using Future = core::FutureValue<Results>;

  explicit All(std::shared_ptr<Future> future) : future_(std::move(future)) {}

  void take(std::size_t first, std::size_t count, MessageReader in) override {
    const auto failed = [&](std::size_t place, std::exception_ptr why) { note(place, why); };
    if constexpr (std::is_void_v<R>) {
      each_result<R>(first, count, in, [](std::size_t) {}, failed);
    } else {
      std::vector<R> results;
      results.reserve(count);
      each_result<R>(first, count, in,
                     [&](std::size_t, R result) { results.push_back(std::move(result)); }, failed);
      const std::lock_guard hold(mutex_);
      parts_.emplace(first, std::move(results));
    }
  }
  void lose(std::size_t first, std::size_t, const std::exception_ptr& why) noexcept override {
    note(first, why);
  }
  void finish(std::size_t total) override {
    if (error_) return static_cast<void>(future_->fail(error_));
    if constexpr (std::is_void_v<R>) {
      future_->set();
    } else {
      std::vector<R> all;
      if (parts_.size() == 1) all = std::move(parts_.begin()->second);
      all.reserve(total);
      if (parts_.size() > 1) {
        for (auto& [first, part] : parts_) {
          std::move(part.begin(), part.end(), std::back_inserter(all));
        }
      }
      future_->set(std::move(all));
    }
  }

 private:
  using Part = std::conditional_t<std::is_void_v<R>, std::monostate, std::vector<R>>;

  void note(std::size_t place, const std::exception_ptr& why) {
    const std::lock_guard hold(mutex_);
    if (error_ && error_at_ <= place) return;
    error_ = why;
    error_at_ = place;
  }

  std::shared_ptr<Future> future_;
  std::mutex mutex_;
  std::map<std::size_t, Part> parts_;  // by the place of their first
  std::exception_ptr error_;
  std::size_t error_at_ = 0;
};

enum class StreamOrder { as_called, as_they_come };

// Stream: the results of imap() that have arrived and were not fetched yet. Thread safety: any
// thread.
template <class R>
class Stream {
 public:
  using Outcome = std::variant<R, std::exception_ptr>;

  explicit Stream(StreamOrder order) : order_(order) {}

  // There will be so many calls at least. Throws std::bad_alloc.
  void expect(std::size_t calls) {
    const std::lock_guard hold(mutex_);
    lacks_.resize(calls - given_);
  }
  // The result of a call, which came as so many bytes.
  void add(std::size_t place, Outcome outcome, std::size_t bytes) {
    const std::lock_guard hold(mutex_);
    outcomes_.emplace(turn_of(place), Arrived{std::move(outcome), bytes});
    ++arrived_;
    arrived_bytes_ += bytes;
    bytes_ += bytes;
  }
  // There was no memory for the outcomes of these calls, which were expected: next() returns this
  // exception for each of them.
  void lack(std::size_t first, std::size_t count, const std::exception_ptr& why) noexcept {
    const std::lock_guard hold(mutex_);
    lacking_ = why;
    for (std::size_t i = first; i < first + count; ++i, ++arrived_) {
      lacks_[turn_of(i) - given_] = true;
    }
  }
  void end(std::size_t total) {
    const std::lock_guard hold(mutex_);
    total_ = total;
  }

  Stock stock() const {
    const std::lock_guard hold(mutex_);
    Stock stock{outcomes_.size(), bytes_, std::nullopt};
    if (arrived_ > 0) stock.mean_bytes = arrived_bytes_ / arrived_;
    return stock;
  }
  // Whether there is room for more.
  bool is_low() const {
    const std::lock_guard hold(mutex_);
    return outcomes_.size() <= kStockCalls / 2 && bytes_ <= kStockBytes / 2;
  }

  // Whether next() need not wait.
  bool ready() const {
    const std::lock_guard hold(mutex_);
    return next_is_there() || next_lacks() || given_ == total_;
  }
  // nullopt: that was all. REQUIRES: ready()
  std::optional<Outcome> next() {
    const std::lock_guard hold(mutex_);
    if (given_ == total_) return std::nullopt;
    const bool lacks = next_lacks();
    if (!lacks_.empty()) lacks_.pop_front();
    if (lacks) {
      ++given_;
      return Outcome(std::in_place_index<1>, lacking_);
    }
    const auto first = outcomes_.begin();
    Outcome outcome = std::move(first->second.outcome);
    bytes_ -= first->second.bytes;
    outcomes_.erase(first);
    ++given_;
    return outcome;
  }

 private:
  // The how manieth next() gives the outcome of this call, which has just come.
  std::size_t turn_of(std::size_t place) const {
    return order_ == StreamOrder::as_called ? place : arrived_;
  }
  bool next_is_there() const { return !outcomes_.empty() && outcomes_.begin()->first == given_; }
  bool next_lacks() const { return !lacks_.empty() && lacks_.front(); }

  struct Arrived {
    Outcome outcome;
    std::size_t bytes = 0;
  };

  const StreamOrder order_;
  mutable std::mutex mutex_;
  std::map<std::size_t, Arrived> outcomes_;  // by their turns
  std::size_t bytes_ = 0;  // of those
  std::size_t arrived_ = 0;
  std::size_t arrived_bytes_ = 0;
  std::size_t given_ = 0;
  std::deque<bool> lacks_;  // by turns, from the next one: whether there was no memory for it
  std::exception_ptr lacking_;
  std::optional<std::size_t> total_;  // all have come to their end
};

template <class R>
class Streaming final : public Collector {
 public:
  explicit Streaming(std::shared_ptr<Stream<R>> stream) : stream_(std::move(stream)) {}

  void expect(std::size_t calls) override { stream_->expect(calls); }
  void take(std::size_t first, std::size_t count, MessageReader in) override {
    std::size_t next = first;
    std::size_t left = in.rest().size();
    const auto add = [&](std::size_t place, Outcome outcome) {
      const std::size_t bytes = left - in.rest().size();
      left -= bytes;
      stream_->add(place, std::move(outcome), bytes);
      next = place + 1;
    };
    try {
      each_result<R>(
          first, count, in,
          [&](std::size_t place, R result) {
            add(place, Outcome(std::in_place_index<0>, std::move(result)));
          },
          [&](std::size_t place, std::exception_ptr why) {
            add(place, Outcome(std::in_place_index<1>, std::move(why)));
          });
    } catch (...) {
      // What is there already stays.
      lose(next, first + count - next, std::current_exception());
    }
  }
  void lose(std::size_t first, std::size_t count,
            const std::exception_ptr& why) noexcept override {
    std::size_t next = first;
    try {
      for (; next < first + count; ++next) {
        stream_->add(next, Outcome(std::in_place_index<1>, why), 0);
      }
    } catch (...) {
      stream_->lack(next, first + count - next, why);
    }
  }
  void finish(std::size_t total) override { stream_->end(total); }
  std::optional<Stock> stock() const override { return stream_->stock(); }

 private:
  using Outcome = typename Stream<R>::Outcome;

  std::shared_ptr<Stream<R>> stream_;
};

}  // namespace steward::detail::pool
