// What shm/wait.hpp does, on words of which Relacy plays the memory model.
//
// Written again, rule by rule and order by order: there the words are std::atomic, and sleeping is
// a system call. Who changes one changes the other.
#pragma once

#include <steward/tests/shm/memory_order/words.hpp>

namespace steward::detail::test {

// Of one word.
class Sleepers {
 public:
  static constexpr int kAll = 3;  // threads that there are

  Sleepers() { word_.begin_as({Role::event, 0, 0}, 0); }

  bool may_sleep() const { return (word_.load(Order::seq_cst) & 1U) != 0; }

  void wake(int n) {
    const Word seen = word_.load(Order::seq_cst);
    if ((seen & 1U) != 0) wake_sleepers(seen, n);
  }
  void wake_all() {
    word_.fetch_add(2, Order::seq_cst);
    futex_wake(kAll);
  }

  // False: the time was up, and the last look was in vain.
  template <class Look>
  bool wait(Look look, bool timed = false) {
    for (bool late = false;;) {
      if (look()) return true;
      const Word seen = set_flag();
      if (look()) return true;
      if (late) return false;
      late = !sleep_on(seen, timed);
    }
  }

 private:
  Word set_flag() { return word_.fetch_or(1, Order::seq_cst) | 1U; }
  void wake_sleepers(Word seen, int n) {
    if (futex_wake(n) >= n) return;
    if (word_.compare_exchange_strong(seen, (seen & ~Word{1}) + 2, Order::seq_cst,
                                      Order::seq_cst)) {
      futex_wake(kAll);
    }
  }

  // The kernel compares and puts to sleep under a lock that who wakes has to have, too. That is all
  // the order which is relied on.
  bool sleep_on(Word seen, bool timed) {
    rl::ctx().sched();
    Undisturbed moment(rl::ctx());
    lock_.fetch_add(1, rl::mo_acq_rel, RL_INFO);
    return word_.glance() != seen || word_.park(timed);
  }
  int futex_wake(int n) {
    rl::ctx().sched();
    Undisturbed moment(rl::ctx());
    lock_.fetch_add(1, rl::mo_acq_rel, RL_INFO);
    return word_.unpark(n);
  }

  Atomic word_;
  rl::atomic<unsigned> lock_{0U};
};

}  // namespace steward::detail::test
