#include <steward/client/session/leadership.hpp>

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>

#include <steward/client/waiting.hpp>
#include <steward/core/errors.hpp>
#include <steward/core/interrupt.hpp>

namespace steward::detail::client {
namespace {

// So long the mutex is free when there is more to handle than is handled at once. A yield would not
// do: who has slept at the mutex is slower than who has just had it.
constexpr std::chrono::microseconds kWay{50};

}  // namespace

Leadership::Leadership(EventHandler& handler)
    : handler_(handler), wake_up_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  if (!wake_up_) throw Overloaded("no descriptor is left for another session");
  entries_.push_back({wake_up_.get(), POLLIN, 0});
}

void Leadership::watch(const std::vector<pollfd>& entries) {
  entries_.resize(1);
  entries_.insert(entries_.end(), entries.begin(), entries.end());
}

void Leadership::glance() {
  if (poll_once(entries_.data(), entries_.size(), core::Time{}) > 0) {
    handler_.awake(std::span(entries_).subspan(1));
  }
}

bool Leadership::wait(Lock& lock, Waiter& waiter, core::Deadline deadline) {
  // Also if handling throws: the others must not wait for a leader that has left.
  struct Leave {
    ~Leave() {
      if (leadership.leader_ == &waiter) leadership.hand_over();
    }
    Leadership& leadership;
    Waiter& waiter;
  } leave{*this, waiter};
  const bool asks = handler_.may_be_interrupted();
  core::Deadline look = asks ? core::next_look({}) : std::nullopt;
  while (!waiter.finished_ && !has_passed(deadline)) {
    const core::Deadline until = earliest(deadline, look);
    bool interrupted = false;
    if (leader_ == nullptr) leader_ = &waiter;
    if (leader_ == &waiter) {
      interrupted = lead(lock, waiter, until);
    } else {
      follow(lock, waiter, until);
    }
    if (!asks || waiter.finished_ || !(interrupted || has_passed(look))) continue;
    check_interrupt(lock, waiter);
    look = core::next_look({});
  }
  return waiter.finished_;
}

bool Leadership::lead(Lock& lock, Waiter& waiter, core::Deadline deadline) {
  if (!handler_.handle(waiter)) {
    lock.unlock();
    const timespec way{0, std::chrono::nanoseconds(kWay).count()};
    ::ppoll(nullptr, 0, &way, nullptr);  // a signal ends it, too
    lock.lock();
    return false;
  }
  if (waiter.finished_ || !handler_.prepare_to_sleep()) return false;
  sleeps_until_ = earliest(deadline, handler_.next_deadline());
  asleep_ = true;
  lock.unlock();
  const int ready = poll_once(entries_.data(), entries_.size(), sleeps_until_);
  const bool interrupted = ready < 0 && errno == EINTR;
  lock.lock();
  asleep_ = false;
  if (woken_) {
    std::uint64_t count;
    woken_ = false;
    [[maybe_unused]] const ssize_t size = ::read(wake_up_.get(), &count, sizeof count);
  }
  if (ready > 0) handler_.awake(std::span(entries_).subspan(1));
  return interrupted;
}

void Leadership::follow(Lock& lock, Waiter& waiter, core::Deadline deadline) {
  add_follower(waiter);
  if (deadline) {
    waiter.ready_.wait_until(lock, *deadline);
  } else {
    waiter.ready_.wait(lock);
  }
  if (waiter.following_) remove_follower(waiter);
}

// Asks without the mutex, and does not lead meanwhile. What was waited for may come: then it must
// not be thrown away.
void Leadership::check_interrupt(Lock& lock, const Waiter& waiter) {
  struct Relock {
    explicit Relock(Lock& lock) : lock(lock) { lock.unlock(); }
    ~Relock() { lock.lock(); }
    Lock& lock;
  };
  if (leader_ == &waiter) hand_over();
  try {
    const Relock relock(lock);
    handler_.check_interrupt();
  } catch (const Interrupted&) {
    if (!waiter.finished_) throw;
  }
}

void Leadership::finish(Waiter& waiter) noexcept {
  waiter.finished_ = true;
  if (leader_ == &waiter) return wake();
  if (!waiter.following_) return;
  remove_follower(waiter);
  waiter.ready_.notify_one();
}

void Leadership::hand_over() noexcept {
  leader_ = first_follower_;
  if (leader_ == nullptr) return;
  remove_follower(*leader_);
  leader_->ready_.notify_one();
}

void Leadership::wake() noexcept {
  if (!asleep_ || woken_) return;
  woken_ = true;
  const std::uint64_t one = 1;
  [[maybe_unused]] const ssize_t size = ::write(wake_up_.get(), &one, sizeof one);
}

void Leadership::add_follower(Waiter& waiter) {
  waiter.following_ = true;
  waiter.previous_ = last_follower_;
  waiter.next_ = nullptr;
  (last_follower_ != nullptr ? last_follower_->next_ : first_follower_) = &waiter;
  last_follower_ = &waiter;
}

void Leadership::remove_follower(Waiter& waiter) {
  waiter.following_ = false;
  (waiter.previous_ != nullptr ? waiter.previous_->next_ : first_follower_) = waiter.next_;
  (waiter.next_ != nullptr ? waiter.next_->previous_ : last_follower_) = waiter.previous_;
}

}  // namespace steward::detail::client
