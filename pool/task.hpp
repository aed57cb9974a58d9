// Task: a function call to be made in other processes, any number of times.
#pragma once

#include <concepts>
#include <memory>
#include <type_traits>
#include <utility>

#include <steward/process/callable.hpp>

namespace steward {

// A function call that is made in another process, kept to be made any number of times: the
// initializer of a pool. Targets and arguments are as those of a Process. A value: copies share
// what they stand for, which never changes.
class Task {
 public:
  Task() = default;  // does nothing

  template <class F, class... Args>
    requires(!std::same_as<std::decay_t<F>, Task>)
  explicit Task(F&& target, Args&&... args)
      : work_(detail::process::make_work(std::forward<F>(target), std::forward<Args>(args)...)) {}

  explicit operator bool() const { return work_ != nullptr; }
  // nullptr: nothing.
  const detail::process::Work* work() const { return work_.get(); }

 private:
  std::shared_ptr<const detail::process::Work> work_;
};

}  // namespace steward
