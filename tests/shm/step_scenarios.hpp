// The operations whose every instruction is somebody's last (step_kill_test).
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <steward/shm/shared_queue.hpp>

#include <steward/tests/shm/ring_ledger.hpp>
#include <steward/tests/shm/stepped.hpp>

namespace steward::detail::test {

// What the process that steps has in hand.
struct Hand {
  std::unique_ptr<shm::SharedQueue> queue;
  shm::Held held;
  shm::SharedQueue::Loan loan;
  StepLog& log;  // `added` and `gone` are for what has been done for good
};

struct Scenario {
  std::string name;
  shm::QueueShape shape;
  // Brings the queue to where the operation begins, then runs `rest`.
  std::function<void(shm::SharedQueue&, const std::function<void()>& rest)> around;
  std::function<void(Hand&)> prepare;
  std::function<void(Hand&)> act;
  // What a survivor may find when the operation was cut short: from not begun to done. A later cut
  // never leads to an earlier one.
  std::vector<Texts> found;
};

const std::vector<Scenario>& scenarios();

// The words and blocks of a small queue, as the caller has them mapped.
Watched watch(const shm::QueueMemory& memory);

}  // namespace steward::detail::test
