// FailingNew: memory that ends where a test says, for one thread.
#pragma once

#include <cstddef>

namespace steward::detail::test {

// While it exists the n-th allocation of this thread from now on (1: the next) throws, once. One at
// a time. Needs failing_new.cpp, whose operator new is that of the whole program.
class FailingNew {
 public:
  explicit FailingNew(std::size_t n);
  FailingNew(const FailingNew&) = delete;
  FailingNew& operator=(const FailingNew&) = delete;
  ~FailingNew();

  // False: there were not so many.
  bool has_failed() const;

  // False under the thread sanitizer, whose own operator new comes first.
  static bool works();
};

// While it exists every allocation of all other threads throws. One at a time.
class FailingNewElsewhere {
 public:
  FailingNewElsewhere();
  FailingNewElsewhere(const FailingNewElsewhere&) = delete;
  FailingNewElsewhere& operator=(const FailingNewElsewhere&) = delete;
  ~FailingNewElsewhere();
};

// Runs body(n) for n = 1, 2, ... until it says that nothing failed: once for each place where
// memory may end.
template <class Body>
void at_each_allocation(Body&& body) {
  for (std::size_t n = 1; body(n); ++n) {
  }
}

}  // namespace steward::detail::test
