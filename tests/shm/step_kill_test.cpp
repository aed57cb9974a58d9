// A participant may be killed or stopped after any instruction.
//
// Every operation is traced once. Then it is done again and again, each time up to another
// instruction, by a process that ends or stops there. Normally those are all instructions that
// change the shared memory and a sample of the others; with STEWARD_FULL all of them, except that
// of the turns of a long search only some are taken.
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <unordered_map>

#include <gtest/gtest.h>

#include <steward/tests/client/seed.hpp>
#include <steward/tests/shm/ring_ledger.hpp>
#include <steward/tests/shm/step_scenarios.hpp>
#include <steward/tests/shm/stepped.hpp>

namespace steward::detail::test {
namespace {

using Then = StepPlan::Then;
using shm::SharedQueue;

constexpr std::uint64_t kSampled = 24;

bool full_run() { return std::getenv("STEWARD_FULL") != nullptr; }

// A process that does the scenario's operation as planned; gone at the latest with this object.
class Stepper {
 public:
  Stepper(const Scenario& scenario, const SharedQueue& shared, StepLog& log, const StepPlan& plan)
      : log_(log) {
    log.clear();
    pid_ = ::fork();
    if (pid_ != 0) return;
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    int status = 1;
    try {
      Hand hand{again(shared), {}, {}, log};
      scenario.prepare(hand);
      const auto memory = shm::QueueMemory::open(shm::UniqueFd(::dup(shared.fd())));
      step_through(log, plan, watch(memory), [&] { scenario.act(hand); });
      // Cut short after its last instruction, it leaves as if it had been killed.
      if (plan.then != Then::stop) ::_exit(0);
      hand.queue.reset();
      status = 0;
    } catch (const std::exception& exception) {
      std::fprintf(stderr, "in the process that steps: %s\n", exception.what());
    }
    ::_exit(status);
  }
  Stepper(const Stepper&) = delete;
  Stepper& operator=(const Stepper&) = delete;
  ~Stepper() {
    if (pid_ <= 0) return;
    ::kill(pid_, SIGKILL);
    wait();
  }

  // Until it ends or stops. False: it has ended.
  bool wait() {
    do {
      if (::waitpid(pid_, &status_, WUNTRACED) != pid_) std::abort();
      // Somebody else may stop and continue processes here, for reasons of their own.
    } while (WIFSTOPPED(status_) && !log_.stopped.exchange(false));
    if (WIFSTOPPED(status_)) return true;
    pid_ = -1;
    return false;
  }
  void go_on() const { ::kill(pid_, SIGCONT); }
  bool ended_well() const { return WIFEXITED(status_) && WEXITSTATUS(status_) == 0; }
  bool killed() const { return WIFSIGNALED(status_) && WTERMSIG(status_) == SIGKILL; }

 private:
  StepLog& log_;
  pid_t pid_ = -1;
  int status_ = 0;
};

class Step : public testing::TestWithParam<std::size_t> {
 protected:
  void SetUp() override {
    run_once();  // here, so that children find every symbol bound
    trace();
  }

  const Scenario& scenario() const { return scenarios()[GetParam()]; }

  void run_once() {
    const auto queue = SharedQueue::create(scenario().shape);
    scenario().around(*queue, [&] {
      Hand hand{again(*queue), {}, {}, *log_};
      scenario().prepare(hand);
      scenario().act(hand);
      hand.queue.reset();
      queue->recover_dead();
      drain(*queue);
    });
  }

  // Until two in a row are alike: on a busy machine one takes a longer way now and then.
  void trace() {
    constexpr int kTries = 8;
    std::uint64_t before = 0;
    for (int tries = 0; tries < kTries && (tries == 0 || log_->steps != before); ++tries) {
      before = log_->steps;
      trace_once();
      if (HasFailure()) return;
    }
  }

  void trace_once() {
    const auto queue = SharedQueue::create(scenario().shape);
    scenario().around(*queue, [&] {
      Stepper stepper(scenario(), *queue, *log_, {});
      ASSERT_FALSE(stepper.wait());
      ASSERT_TRUE(log_->done && stepper.ended_well());
      queue->recover_dead();
      drain(*queue);
    });
    ASSERT_LT(log_->steps, StepLog::kStepsMax);
    ASSERT_GT(log_->steps, 0U);
  }

  // The steps to be killed or stopped at, and at last the end.
  std::vector<StepPlan> points(Then then) {
    const auto all = plans(*log_, then);
    const auto worthwhile = first_turns();
    const std::uint64_t stride =
        full_run() ? 1 : std::max<std::uint64_t>(1, worthwhile.size() / kSampled);
    std::vector<bool> chosen(all.size());
    for (std::uint64_t i = std::mt19937_64(seed())() % stride; i < worthwhile.size(); i += stride) {
      chosen[worthwhile[i]] = true;
    }
    std::vector<StepPlan> out;
    for (std::uint64_t step = 1; step < all.size(); ++step) {
      if (chosen[step] || log_->changed(step)) out.push_back(all[step]);
    }
    out.push_back({then, 0, 0, 0});
    std::printf("%s: %zu of %zu instructions\n", scenario().name.c_str(), out.size(),
                all.size() - 1);
    return out;
  }

  // All steps, but of a search through many cells and blocks only the first and some later turns.
  std::vector<std::uint64_t> first_turns() {
    std::unordered_map<std::uint64_t, unsigned> visits;
    std::vector<std::uint64_t> out;
    for (std::uint64_t step = 1; step <= log_->steps; ++step) {
      const unsigned turn = visits[log_->address(step)]++;
      if (turn <= 16 || turn % 64 == 0) out.push_back(step);
    }
    return out;
  }

  // What has to be true when everybody is back or gone.
  void expect_sound(SharedQueue& queue, bool closed) {
    EXPECT_EQ(drain(queue), Texts{closed ? "(closed)" : "(empty)"});
    expect_nothing_lost(queue);
    if (!closed) expect_usable(queue);
    expect_nothing_lost(queue);
  }

  Outliving<StepLog> log_;
};

// How far the operation had come, by what a survivor finds.
std::size_t stage_of(const Scenario& scenario, const Texts& found) {
  const auto at = std::ranges::find(scenario.found, found);
  return static_cast<std::size_t>(at - scenario.found.begin());
}

TEST_P(Step, KilledLeavesTheItemsExactAndTheQueueWhole) {
  std::size_t reached = 0;
  std::size_t killed = 0;
  std::size_t where_traced = 0;
  const auto plans = points(Then::kill);
  for (const StepPlan& plan : plans) {
    SCOPED_TRACE(testing::Message() << "killed after step " << plan.at);
    // On a busy machine an operation takes another way now and then: then again.
    constexpr int kTries = 4;
    bool was_killed = false;
    bool met = false;
    for (int tries = 0; tries < kTries && !met; ++tries) {
      const auto queue = SharedQueue::create(scenario().shape);
      bool closed = false;
      scenario().around(*queue, [&] {
        Stepper stepper(scenario(), *queue, *log_, plan);
        ASSERT_FALSE(stepper.wait());
        ASSERT_TRUE(stepper.killed() || (stepper.ended_well() && log_->done));
        queue->recover_dead();
        const Texts found = drain(*queue);
        closed = found.back() == "(closed)";
        const std::size_t stage = stage_of(scenario(), found);
        ASSERT_LT(stage, scenario().found.size()) << listed(found);
        // One that was not met on the way to its place, and came to the end, says nothing of that;
        // nor one that took another way there.
        was_killed = was_killed || stepper.killed();
        met = stepper.killed() && log_->where_traced;
        if (met) {
          EXPECT_GE(stage, reached) << listed(found);
          reached = stage;
        }
        if (log_->done) {
          EXPECT_EQ(stage + 1, scenario().found.size()) << listed(found);
        }
      });
      expect_sound(*queue, closed);
      if (HasFailure()) return;
    }
    if (was_killed) ++killed;
    if (met) ++where_traced;
  }
  EXPECT_GE(10 * killed, 8 * plans.size());
  EXPECT_GE(10 * where_traced, 6 * plans.size());
  EXPECT_EQ(reached + 1, scenario().found.size());
}

// What was put and what was got, by everybody.
struct Ledger {
  Texts put;
  Texts got;

  void add(const Texts& items) {
    for (const auto& item : items) put.push_back(item);
  }
  void take(const Texts& items) {
    for (const auto& item : items) {
      if (item[0] != '(') got.push_back(item.starts_with("again_") ? item.substr(6) : item);
    }
  }
  void expect_balance() {
    std::ranges::sort(put);
    std::ranges::sort(got);
    EXPECT_EQ(put, got);
  }
};

// Twice round the ring, without ever waiting.
void work_beside(SharedQueue& queue, Ledger& ledger) {
  const auto other = again(queue);
  int last = -1;
  for (int i = 0; i < 300; ++i) {
    const std::string item = "s" + std::to_string(i);
    const auto outcome = queue.put(bytes(item), 0, SharedQueue::kNow);
    if (outcome == SharedQueue::Outcome::closed) break;
    ASSERT_EQ(outcome, SharedQueue::Outcome::done);
    ledger.add({item});
    const std::string got = next(*other);
    ASSERT_NE(got, "(empty)");
    ledger.take({got});
    if (got[0] != 's') continue;
    EXPECT_GT(std::stoi(got.substr(1)), last);
    last = std::stoi(got.substr(1));
  }
}

TEST_P(Step, StoppedHoldsUpNobodyAndGoesOn) {
  for (const StepPlan& plan : points(Then::stop)) {
    SCOPED_TRACE(testing::Message() << "stopped after step " << plan.at);
    const auto queue = SharedQueue::create(scenario().shape);
    bool closed = false;
    scenario().around(*queue, [&] {
      Ledger ledger;
      for (const auto& item : scenario().found.front()) {
        if (item[0] != '(') ledger.add({item.starts_with("again_") ? item.substr(6) : item});
      }
      Stepper stepper(scenario(), *queue, *log_, plan);
      if (stepper.wait()) {
        work_beside(*queue, ledger);
        stepper.go_on();
        ASSERT_FALSE(stepper.wait());
      }
      ASSERT_TRUE(stepper.ended_well() && log_->done);
      EXPECT_TRUE(log_->failed.list().empty());
      const Texts found = drain(*queue);
      closed = found.back() == "(closed)";
      EXPECT_EQ(closed, scenario().found.back().back() == "(closed)");
      ledger.add(log_->added.list());
      ledger.take(log_->gone.list());
      ledger.take(found);
      ledger.expect_balance();
    });
    expect_sound(*queue, closed);
    if (HasFailure()) return;
  }
}

std::vector<std::size_t> every_scenario() {
  std::vector<std::size_t> out(kCanStep ? scenarios().size() : 0);
  for (std::size_t i = 0; i < out.size(); ++i) out[i] = i;
  return out;
}

// Needs the trap flag of x86-64, and no thread sanitizer: elsewhere there are no scenarios.
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(Step);
INSTANTIATE_TEST_SUITE_P(Ring, Step, testing::ValuesIn(every_scenario()),
                         [](const auto& test) { return scenarios()[test.param].name; });

}  // namespace
}  // namespace steward::detail::test
