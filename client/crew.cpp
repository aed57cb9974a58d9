#include <steward/client/crew.hpp>

#include <sys/eventfd.h>
#include <unistd.h>

#include <cstdint>

#include <steward/client/waiting.hpp>
#include <steward/core/errors.hpp>

namespace steward::client {

Crew::Crew(Duty& duty) : duty_(duty), bell_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  if (!bell_) throw Overloaded("no descriptor is left for another session");
  entries_.push_back({bell_.get(), POLLIN, 0});
}

void Crew::watch(const std::vector<pollfd>& entries) {
  entries_.resize(1);
  entries_.insert(entries_.end(), entries.begin(), entries.end());
}

bool Crew::wait(Lock& lock, Waiter& waiter, core::Deadline deadline) {
  // Also if serving throws: the others must not wait for a leader that has left.
  struct Leave {
    ~Leave() {
      if (crew.leader_ == &waiter) crew.hand_over();
    }
    Crew& crew;
    Waiter& waiter;
  } leave{*this, waiter};
  while (!waiter.done_ && !has_passed(deadline)) {
    if (leader_ == nullptr) leader_ = &waiter;
    if (leader_ == &waiter) {
      lead(lock, waiter, deadline);
    } else {
      follow(lock, waiter, deadline);
    }
  }
  return waiter.done_;
}

void Crew::lead(Lock& lock, Waiter& waiter, core::Deadline deadline) {
  duty_.serve(lock, waiter);
  if (waiter.done_) return;
  const core::Deadline until = earliest(deadline, duty_.alarm());
  asleep_ = true;
  lock.unlock();
  const bool something = poll_until(entries_.data(), entries_.size(), until);
  lock.lock();
  asleep_ = false;
  if (rung_) {
    std::uint64_t count;
    rung_ = false;
    [[maybe_unused]] const ssize_t size = ::read(bell_.get(), &count, sizeof count);
  }
  if (something) duty_.polled(entries_);
}

void Crew::follow(Lock& lock, Waiter& waiter, core::Deadline deadline) {
  add_follower(waiter);
  if (deadline) {
    waiter.ready_.wait_until(lock, *deadline);
  } else {
    waiter.ready_.wait(lock);
  }
  if (waiter.following_) remove_follower(waiter);
}

void Crew::finish(Waiter& waiter) {
  waiter.done_ = true;
  if (waiter.also_ != nullptr) finish(*waiter.also_);
  if (!waiter.following_) return;
  remove_follower(waiter);
  waiter.ready_.notify_one();
}

void Crew::hand_over() {
  leader_ = first_follower_;
  if (leader_ == nullptr) return;
  remove_follower(*leader_);
  leader_->ready_.notify_one();
}

void Crew::wake() {
  if (!asleep_ || rung_) return;
  rung_ = true;
  const std::uint64_t one = 1;
  [[maybe_unused]] const ssize_t size = ::write(bell_.get(), &one, sizeof one);
}

void Crew::add_follower(Waiter& waiter) {
  waiter.following_ = true;
  waiter.previous_ = last_follower_;
  waiter.next_ = nullptr;
  (last_follower_ != nullptr ? last_follower_->next_ : first_follower_) = &waiter;
  last_follower_ = &waiter;
}

void Crew::remove_follower(Waiter& waiter) {
  waiter.following_ = false;
  (waiter.previous_ != nullptr ? waiter.previous_->next_ : first_follower_) = waiter.next_;
  (waiter.next_ != nullptr ? waiter.next_->previous_ : last_follower_) = waiter.previous_;
}

}  // namespace steward::client
