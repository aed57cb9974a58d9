// PoolResults: what imap() gives: results, to be walked over while others are still computed.
#pragma once

#include <chrono>
#include <cstddef>
#include <exception>
#include <iterator>
#include <memory>
#include <optional>
#include <stop_token>
#include <utility>
#include <variant>

#include <steward/core/assisting.hpp>
#include <steward/core/errors.hpp>
#include <steward/pool/collectors.hpp>
#include <steward/pool/dispatcher.hpp>

namespace steward::detail::pool {

// For a range-for loop, or for next() again and again. Move-only; dropped, it cancels what has no
// result yet. Thread safety: one thread at a time.
template <class R>
class PoolResults {
 public:
  PoolResults(std::shared_ptr<Dispatcher> dispatcher, Dispatcher::JobPtr job,
              std::shared_ptr<Stream<R>> stream)
      : dispatcher_(std::move(dispatcher)), job_(std::move(job)), stream_(std::move(stream)) {}
  PoolResults(PoolResults&&) noexcept = default;
  PoolResults& operator=(PoolResults&& other) noexcept {
    if (this != &other) {
      drop();
      dispatcher_ = std::move(other.dispatcher_);
      job_ = std::move(other.job_);
      stream_ = std::move(other.stream_);
    }
    return *this;
  }
  ~PoolResults() { drop(); }

  // The next result, when it is there; nullopt: that was all. Throws what the call threw,
  // WorkerDied, Closed; the next one comes all the same.
  // Interrupted once a stop is requested, before or during the wait: no result is lost by it.
  std::optional<R> next(std::stop_token stop = {}) {
    wait_until(std::nullopt, stop);
    return taken();
  }
  // Waits at most so long until next() need not wait. False: it would still wait. Interrupted
  // likewise.
  template <class Rep, class Period>
  bool wait_for(std::chrono::duration<Rep, Period> timeout, std::stop_token stop = {}) {
    return wait_until(core::deadline_after(timeout), stop);
  }

  class iterator {
   public:
    using value_type = R;
    using difference_type = std::ptrdiff_t;
    using iterator_concept = std::input_iterator_tag;

    iterator() = default;
    explicit iterator(PoolResults& results) : results_(&results), value_(results.next()) {}

    R& operator*() const { return *value_; }
    iterator& operator++() {
      value_ = results_->next();
      return *this;
    }
    void operator++(int) { ++*this; }
    friend bool operator==(const iterator& at, std::default_sentinel_t) { return !at.value_; }

   private:
    PoolResults* results_ = nullptr;
    mutable std::optional<R> value_;
  };

  iterator begin() { return iterator(*this); }
  std::default_sentinel_t end() const { return {}; }

 private:
  bool wait_until(core::Deadline deadline, const std::stop_token& stop) {
    return core::assist_until(*dispatcher_, [this] { return stream_->ready(); }, deadline, stop,
                              "Pool.imap");
  }
  std::optional<R> taken() {
    auto outcome = stream_->next();
    if (job_->holds_back() && stream_->is_low()) dispatcher_->send_held_back(*job_);
    if (!outcome) return std::nullopt;
    if (auto* error = std::get_if<1>(&*outcome)) std::rethrow_exception(*error);
    return std::get<0>(std::move(*outcome));
  }

  void drop() noexcept {
    if (job_) give_up(*dispatcher_, *job_);
  }

  std::shared_ptr<Dispatcher> dispatcher_;
  Dispatcher::JobPtr job_;
  std::shared_ptr<Stream<R>> stream_;
};

}  // namespace steward::detail::pool
