// An exception that unwinds past processes gets to its handler.
#include <steward/process/unwinding.hpp>

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <chrono>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include <steward/process/process.hpp>
#include <steward/process/state.hpp>

#include <steward/tests/process/methods.hpp>
#include <steward/tests/process/support.hpp>

namespace steward {
namespace {

using namespace std::chrono_literals;
using detail::test::Pipe;

void wait_for(const std::string& gate) { detail::test::hear(gate); }
void wait_ready_and_deaf(const std::string& ready, const std::string& gate) {
  ::signal(SIGTERM, SIG_IGN);
  detail::test::tell(ready, "x");
  detail::test::hear(gate);
}

class Unwinding : public detail::test::ByMethod {
 protected:
  Unwinding() { detail::process::unwinding_patience() = {1ms, 1ms}; }
  ~Unwinding() override { detail::process::unwinding_patience() = {}; }

  // What `body`, which throws, writes to standard error until it is caught.
  template <class F>
  static std::string errors_of(F body) {
    const Pipe errors;
    const detail::test::Redirected redirected(STDERR_FILENO, errors.writer_fd());
    EXPECT_THROW(body(), std::runtime_error);  // what it writes fits into the pipe
    // Process servers hold the other end, too.
    ::fcntl(errors.reader_fd(), F_SETFL, O_NONBLOCK);
    return errors.read(10'000);
  }

  Pipe gate;
  const std::string line = " is terminated: an exception unwinds past it, and it does not end\n";
};
INSTANTIATE_TEST_SUITE_P(Every, Unwinding, detail::test::every_method(), detail::test::method_name);

TEST_P(Unwinding, AProcessThatWaitsForEverIsTerminatedAndNamed) {
  EXPECT_EQ(errors_of([&] {
              Process child({.name = "w"}, wait_for, gate.reader());
              child.start();
              throw std::runtime_error("no");
            }),
            "steward: w" + line);
}

TEST_P(Unwinding, AProcessThatIgnoresThatIsKilled) {
  const Pipe ready;
  EXPECT_EQ(errors_of([&] {
              Process child({.name = "w"}, wait_ready_and_deaf, ready.writer(), gate.reader());
              child.start();
              ready.read(1);
              throw std::runtime_error("no");
            }),
            "steward: w" + line);
}

// As documented: a program's work may need this long.
TEST(UnwindingPatience, IsFiveSecondsAndOneMore) {
  EXPECT_EQ(detail::process::UnwindingPatience().to_end, 5s);
  EXPECT_EQ(detail::process::UnwindingPatience().to_terminate, 1s);
}

TEST_P(Unwinding, AProcessThatEndsInTimeIsLeftAlone) {
  detail::process::unwinding_patience() = {};
  EXPECT_EQ(errors_of([&] {
              Process child(wait_for, gate.reader());
              child.start();
              gate.write("x");
              throw std::runtime_error("no");
            }),
            "");
}

TEST_P(Unwinding, AllProcessesOfAVectorAreEndedInTheTimeOfOne) {
  detail::process::unwinding_patience() = {300ms, 300ms};
  std::chrono::steady_clock::time_point thrown;
  std::vector<std::string> names;
  for (int i = 0; i < 64; ++i) names.push_back("n" + std::to_string(i));
  const std::string errors = errors_of([&] {
    std::vector<Process> children;
    for (const std::string& name : names) {
      children.emplace_back(ProcessOptions{.name = name}, wait_for, gate.reader());
    }
    for (Process& child : children) child.start();
    thrown = std::chrono::steady_clock::now();
    throw std::runtime_error("no");
  });
  const auto taken = std::chrono::steady_clock::now() - thrown;
  for (const std::string& name : names) {
    EXPECT_NE(errors.find(name + line), std::string::npos) << name;
  }
  // One of them uses up the patience; 64 would take 19 s.
  EXPECT_LT(taken, 15s);
}

// Has a process while another exception is under way, and gives it away.
struct Giver {
  std::string gate;
  Process* taker;
  ~Giver() {
    Process child({.name = "w"}, wait_for, gate);
    child.start();
    *taker = std::move(child);
  }
};

TEST_P(Unwinding, WhereAProcessStandsCountsNotWhereItWasMade) {
  EXPECT_EQ(errors_of([&] {
              Process outer(wait_for, gate.reader());
              Giver giver{gate.reader(), &outer};
              throw std::runtime_error("no");
            }),
            "steward: w" + line);
}

TEST_P(Unwinding, AProcessMadeAndAwaitedInADestructorThatUnwindingRunsIsJoined) {
  struct Worker {
    const Pipe& gate;
    ~Worker() {
      Process child([](const std::string& path) { detail::test::tell(path, "done"); },
                    gate.writer());
      child.start();
    }
  };
  Pipe done;
  EXPECT_EQ(errors_of([&] {
              const Worker worker{done};
              throw std::runtime_error("no");
            }),
            "");
  EXPECT_EQ(done.read(4), "done");
}

TEST_P(Unwinding, OnceThePatienceIsUsedUpProcessesThatIgnoreTerminationAreKilledAtOnce) {
  detail::process::unwinding_patience() = {1ms, 1h};
  const Pipe ready;
  EXPECT_EQ(errors_of([&] {
              Process deaf({.name = "deaf"}, wait_ready_and_deaf, ready.writer(), gate.reader());
              Process plain({.name = "plain"}, wait_for, gate.reader());
              deaf.start();
              plain.start();
              ready.read(1);
              throw std::runtime_error("no");
            }),
            "steward: plain" + line + "steward: deaf" + line);
}

TEST(UnwindingOfAFormerUser, AProcessThatCannotBeEndedIsNotAwaitedAtTheEndOfTheProgram) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root can change its user";
  const int code = detail::test::in_fork([] {
    detail::process::unwinding_patience() = {1ms, 1ms};
    try {
      Process child({.name = "w", .start_method = StartMethod::fork}, +[] { ::pause(); });
      child.start();
      constexpr uid_t kNobody = 65534;
      if (::setuid(kNobody) != 0) return 2;
      throw std::runtime_error("no");
    } catch (const std::runtime_error&) {
    }
    detail::process::ProcessState::get().settle();
    return active_children().empty() ? 0 : 1;
  });
  EXPECT_EQ(code, 0);
}

}  // namespace
}  // namespace steward
