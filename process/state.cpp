#include <steward/process/state.hpp>

#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <utility>

#include <fmt/format.h>

#include <steward/core/errors.hpp>
#include <steward/process/threads.hpp>

namespace steward::process {

std::atomic<State*> State::current = nullptr;

State& State::get() {
  static const bool made = [] {
    current = new State;
    ::pthread_atfork(before_fork, after_fork_in_parent, after_fork_in_child);
    return true;
  }();
  static_cast<void>(made);
  return *current;
}

void State::before_fork() { current.load()->mutex_.lock(); }

void State::after_fork_in_parent() { current.load()->mutex_.unlock(); }

void State::after_fork_in_child() {
  State& parents = *current;
  auto* own = new State;
  own->identity_ = parents.identity_;
  own->held_ = parents.held_;
  own->parent_ = &parents;
  if (parents.link_) *parents.link_ = {};  // the copies of its descriptors
  current = own;
}

Identity State::identity() {
  const std::lock_guard hold(mutex_);
  return identity_;
}

std::string State::next_numbers() {
  const std::lock_guard hold(mutex_);
  ++processes_made_;
  if (identity_.numbers.empty()) return std::to_string(processes_made_);
  return fmt::format("{}:{}", identity_.numbers, processes_made_);
}

std::shared_ptr<const Link> State::link() {
  const std::lock_guard hold(mutex_);
  return link_;
}

std::shared_ptr<const Link> State::ensure_link(bool whatever_threads) {
  const std::lock_guard once(starting_);
  if (auto known = link()) return known;
  if (!whatever_threads) {
    if (const int others = other_threads(); others > 0) {
      throw BadCall(fmt::format(
          "the fork server cannot be started beside {} other thread{} of this program, whose locks "
          "would stay locked in every process: make the first Manager, Process or Pool before the "
          "first thread", others, others == 1 ? "" : "s"));
    }
  }
  std::shared_ptr<Link> made = start_fork_server();
  const std::lock_guard hold(mutex_);
  link_ = made;
  return made;
}

void State::become(Identity identity, std::shared_ptr<Link> link) {
  const std::lock_guard hold(mutex_);
  identity_ = std::move(identity);
  link_ = std::move(link);
}

void State::add(Started started) {
  const std::lock_guard hold(mutex_);
  static const bool registered = std::atexit([] { get().settle(); }) == 0;
  static_cast<void>(registered);
  started_.push_back(std::move(started));
}

void State::remove(const Child* child) {
  const std::lock_guard hold(mutex_);
  std::erase_if(started_, [&](const Started& each) { return each.child.get() == child; });
}

std::vector<ProcessInfo> State::active_children() {
  const std::lock_guard hold(mutex_);
  std::vector<ProcessInfo> active;
  for (const Started& each : started_) {
    if (each.child->running()) active.push_back(each.info);
  }
  return active;
}

void State::lose_held_files() {
  const std::lock_guard hold(mutex_);
  for (std::atomic<int>* number : held_) {
    if (const int fd = number->exchange(-1); fd >= 0) ::close(fd);
  }
  held_.clear();
}

void State::settle() {
  constexpr std::chrono::seconds kPatience{2};
  std::vector<Started> started;
  {
    const std::lock_guard hold(mutex_);
    started = std::exchange(started_, {});
  }
  for (const Started& each : started) {
    if (each.info.daemon()) each.child->signal(SIGTERM);
  }
  for (const Started& each : started) {
    if (each.info.daemon()) each.child->end(kPatience);
  }
  for (const Started& each : started) each.child->wait();
}

}  // namespace steward::process
