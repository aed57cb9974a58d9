// TakeSeveral: takes several locks without a deadlock. A template, so that tests can bring locks, a
// clock and failures of their own. Thread safety: none.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <exception>
#include <optional>
#include <vector>

#include <steward/core/clock.hpp>

namespace steward::detail::proxy {

// How long a thread that has some of the locks waits for the next one, at first.
inline constexpr core::Duration kFirstPatience = std::chrono::milliseconds{20};

// And in the next round, after waiting its turn for `queued` with empty hands: the same queue may
// stand there again, and is to be outwaited. At least twice as long, so that a round that waits in
// vain costs no more than all before it and the rounds are few.
constexpr core::Duration next_patience(core::Duration patience, core::Duration queued) {
  return std::max(2 * patience, queued + queued / 2);
}

// Runs `run` for each element, the last one first, also after one has thrown. Returns the first
// exception.
template <class All, class F>
std::exception_ptr each_from_the_last(const All& all, F&& run) noexcept {
  std::exception_ptr first;
  for (auto one = all.rbegin(); one != all.rend(); ++one) {
    try {
      run(*one);
    } catch (...) {
      if (!first) first = std::current_exception();
    }
  }
  return first;
}

// Takes all of `Locks`, which are numbered in the order that all users share:
//   size()
//   take(i)                  waits without end, or until the caller's time is over, which throws
//   take_until(i, time)      false: it was busy until then. Throws as take()
//   try_take(i)              false: it is busy
//   give_back(i)
//   now()
// Only the first one is waited for without end; the others while the patience lasts, for somebody
// may have one of them who waits for one of ours. If it throws, every one that was taken has been
// given back, as far as that is possible.
template <class Locks>
class TakeSeveral {
 public:
  explicit TakeSeveral(Locks& locks) : locks_(locks) { taken_.reserve(locks.size()); }

  void run() {
    try {
      for (core::Duration patience = kFirstPatience;;) {
        const std::optional<std::size_t> busy = take_in_order(patience);
        if (!busy) return;
        core::Duration queued{};
        if (take_after(*busy, queued)) return;
        patience = next_patience(patience, queued);
      }
    } catch (...) {
      static_cast<void>(give_back());
      throw;
    }
  }

 private:
  // nullopt: all are taken. Else none is, and this one was busy for too long.
  std::optional<std::size_t> take_in_order(core::Duration patience) {
    locks_.take(0);
    taken_.push_back(0);
    for (std::size_t i = 1; i < locks_.size(); ++i) {
      if (!locks_.take_until(i, locks_.now() + patience)) {
        let_go();
        return i;
      }
      taken_.push_back(i);
    }
    return std::nullopt;
  }

  // Waits its turn for the busy one with empty hands. With it in hand nobody is waited for; but if
  // all others are free just now, that was all. False: none is taken.
  bool take_after(std::size_t busy, core::Duration& queued) {
    const core::Time began = locks_.now();
    locks_.take(busy);
    taken_.push_back(busy);
    queued = locks_.now() - began;
    for (std::size_t i = 0; i < locks_.size(); ++i) {
      if (i == busy) continue;
      if (!locks_.try_take(i)) {
        let_go();
        return false;
      }
      taken_.push_back(i);
    }
    return true;
  }

  void let_go() {
    if (const auto error = give_back()) std::rethrow_exception(error);
  }
  std::exception_ptr give_back() noexcept {
    auto error = each_from_the_last(taken_, [this](std::size_t i) { locks_.give_back(i); });
    taken_.clear();
    return error;
  }

  Locks& locks_;
  std::vector<std::size_t> taken_;
};

}  // namespace steward::detail::proxy
