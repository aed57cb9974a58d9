// Names, parents, children of children, daemons.
#include <steward/process/process.hpp>

#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <iostream>
#include <sstream>
#include <string>

#include <gtest/gtest.h>

#include <steward/core/errors.hpp>
#include <steward/shm/pidfd.hpp>

#include <steward/tests/process/methods.hpp>
#include <steward/tests/process/support.hpp>

namespace steward {
namespace {

using detail::test::Pipe;

class Family : public detail::test::ByMethod {};
INSTANTIATE_TEST_SUITE_P(Every, Family, detail::test::every_method(), detail::test::method_name);

void wait_for(const std::string& gate) { detail::test::hear(gate); }

TEST(MainProcess, HasANameAndNoParent) {
  const ProcessInfo self = current_process();
  EXPECT_EQ(self.name(), "MainProcess");
  EXPECT_EQ(self.pid(), ::getpid());
  EXPECT_FALSE(self.daemon());
  EXPECT_FALSE(parent_process());
}

TEST_P(Family, ProcessesAreNumberedAsTheyAreMade) {
  const int code = detail::test::in_fork([] {
    Process first([] {});
    Process named({.name = "reader"}, [] {});
    Process third([] {});
    return first.name() == "Process-1" && named.name() == "reader" && third.name() == "Process-3"
               ? 0
               : 1;
  });
  EXPECT_EQ(code, 0);
}

TEST_P(Family, AProcessKnowsItsNameAndItsParent) {
  Pipe pipe;
  Process child({.name = "w", .daemon = true}, [](const std::string& writer) {
    const ProcessInfo self = current_process();
    const auto parent = parent_process();
    detail::test::tell(writer, self.name() + (self.daemon() ? " daemon " : " ") +
                           std::to_string(self.pid() == ::getpid()) + " " + parent->name() + " " +
                           std::to_string(parent->pid()) + " " +
                           std::to_string(::getppid() != parent->pid()));
  }, pipe.writer());
  child.start();
  child.join();
  EXPECT_EQ(pipe.read_all(), "w daemon 1 MainProcess " + std::to_string(::getpid()) + " 1");
}

TEST_P(Family, AChildsChildrenCarryItsNumbers) {
  Pipe pipe;
  const int code = detail::test::in_fork([&] {
    Process child([](const std::string& writer) {
      for (int i = 0; i < 2; ++i) {
        Process grandchild(
            [](const std::string& out) {
              detail::test::tell(
                  out, current_process().name() + " of " + parent_process()->name() + "\n");
              Process last(
                  [](const std::string& end) {
                    detail::test::tell(end, current_process().name() + "\n");
                  },
                  out);
              last.start();
              last.join();
            },
            writer);
        grandchild.start();
        grandchild.join();
      }
    }, pipe.writer());
    child.start();
    child.join();
    return child.exitcode().value_or(99);
  });
  EXPECT_EQ(code, 0);
  EXPECT_EQ(pipe.read_all(),
            "Process-1:1 of Process-1\nProcess-1:1:1\nProcess-1:2 of Process-1\nProcess-1:2:1\n");
}

TEST_P(Family, AGrandchildHasTheProcessServerOfItsParentUnlessEachHasItsOwn) {
  Pipe pipe;
  Process child(
      [](const std::string& writer) {
        Process grandchild(
            [](const std::string& out) {
              detail::test::tell(
                  out, std::to_string(::getppid()) + " " + std::to_string(parent_process()->pid()));
            },
            writer);
        grandchild.start();
        grandchild.join();
        detail::test::tell(writer, " " + std::to_string(::getppid()));
        std::exit(grandchild.exitcode().value_or(99));
      },
      pipe.writer());
  child.start();
  const pid_t pid = child.pid();
  child.join();
  EXPECT_EQ(child.exitcode(), 0);
  std::istringstream told(pipe.read_all());
  pid_t of_grandchild = 0;
  pid_t parent = 0;
  pid_t of_child = 0;
  told >> of_grandchild >> parent >> of_child;
  EXPECT_EQ(parent, pid);
  EXPECT_EQ(of_grandchild == of_child, GetParam() != StartMethod::fork);
  EXPECT_NE(of_child, ::getpid());
}

TEST_P(Family, ExitCodesOfGrandchildrenReachTheirStarter) {
  Process child([] {
    Process grandchild([] { std::exit(41); });
    grandchild.start();
    grandchild.join();
    std::exit(*grandchild.exitcode() + 1);
  });
  child.start();
  child.join();
  EXPECT_EQ(child.exitcode(), 42);
}

TEST_P(Family, AProcessObjectBelongsToItsCreator) {
  const Pipe gate;
  Process child({.name = "w"}, wait_for, gate.reader());
  child.start();
  const int code = detail::test::in_fork([&] {
    try {
      child.join();
    } catch (const BadCall& error) {
      const std::string text = error.what();
      Process copy = std::move(child);  // its destructor neither waits nor terminates
      return text.starts_with("Process w.join: it belongs to the process that created it") ? 0 : 1;
    }
    return 2;
  });
  EXPECT_EQ(code, 0);
  EXPECT_TRUE(child.is_alive());
  gate.write("x");
  child.join();
  EXPECT_EQ(child.exitcode(), 0);
}

// At namespace scope, so that children find a copy of it. Never destroyed: tests clear it.
std::vector<Process>& kept() {
  static auto* processes = new std::vector<Process>;
  return *processes;
}

// The numbers that a copy of a process object holds may all be other files here.
bool clearing_closes_nothing() {
  while (::dup(STDIN_FILENO) < 64) {
  }
  const std::size_t before = detail::test::open_files(::getpid());
  kept().clear();
  return detail::test::open_files(::getpid()) == before;
}

TEST_P(Family, ACopyOfAProcessObjectTouchesNothing) {
  // The program is copied while a process object lives in it.
  Pipe gate;
  const int code = detail::test::in_fork([&] {
    kept().emplace_back([](const std::string& reader) { detail::test::hear(reader); },
                        gate.reader());
    kept().back().start();
    const int inner = detail::test::in_fork([] {
      Process child([] {
        std::exit(clearing_closes_nothing() ? 0 : 1);
      });
      child.start();
      child.join();
      return child.exitcode().value_or(99);
    });
    const bool alive = kept().back().is_alive();
    gate.write("x");
    kept().clear();
    return alive ? inner : 2;
  });
  EXPECT_EQ(code, 0);
}

TEST(MainProcess, ACopyOfAForkedProcessesObjectTouchesNothingInAForkServersChild) {
  const int code = detail::test::in_fork([] {
    kept().emplace_back(ProcessOptions{.start_method = StartMethod::fork}, [] {});
    kept().back().start();
    kept().back().join();  // so that nothing else holds what belongs to it
    Process child([] {
      std::exit(clearing_closes_nothing() ? 0 : 1);
    });
    child.start();
    child.join();
    kept().clear();
    return child.exitcode().value_or(99);
  });
  EXPECT_EQ(code, 0);
}

TEST_P(Family, ActiveChildrenAreThoseThatRun) {
  const int code = detail::test::in_fork([] {
    const Pipe gate;
    Process first({.name = "first"}, wait_for, gate.reader());
    Process second({.name = "second", .daemon = true}, wait_for, gate.reader());
    Process unstarted([] {});
    if (!active_children().empty()) return 1;
    first.start();
    second.start();
    const auto both = active_children();
    if (both.size() != 2 || both[0] != ProcessInfo("first", first.pid(), false)) return 2;
    if (both[1] != ProcessInfo("second", second.pid(), true)) return 3;
    second.kill();
    second.join();
    if (active_children().size() != 1) return 4;
    gate.write("x");
    first.join();
    return active_children().empty() ? 0 : 5;
  });
  EXPECT_EQ(code, 0);
}

TEST_P(Family, ADaemonMayNotHaveChildren) {
  Pipe pipe;
  Process daemon({.name = "d", .daemon = true}, [](const std::string& writer) {
    Process child({.name = "c"}, [] {});
    try {
      child.start();
    } catch (const BadCall& error) {
      detail::test::tell(writer, error.what());
    }
  }, pipe.writer());
  daemon.start();
  daemon.join();
  EXPECT_EQ(pipe.read_all(), "Process c.start: a daemon may not have processes of its own");
}

TEST_P(Family, AtExitDaemonsAreTerminatedAndOthersAwaited) {
  // In a child: exit() runs there what runs at the end of a program, too.
  Pipe pipe;
  const Pipe never;
  const Pipe gate;
  Process child([](const std::string& writer, const std::string& closed, const std::string& open) {
    kept().emplace_back(ProcessOptions{.daemon = true}, wait_for, closed);
    kept().back().start();
    detail::test::tell(writer, std::to_string(kept().back().pid()) + " ");
    kept().emplace_back([](const std::string& out, const std::string& reader) {
      detail::test::hear(reader);
      detail::test::tell(out, "ordinary done");
    }, writer, open);
    kept().back().start();
    std::exit(4);
  }, pipe.writer(), never.reader(), gate.reader());
  child.start();
  EXPECT_FALSE(child.join(std::chrono::milliseconds(10)));
  gate.write("x");
  child.join();
  EXPECT_EQ(child.exitcode(), 4);
  const std::string text = pipe.read_all();
  EXPECT_TRUE(text.ends_with("ordinary done"));
  const auto daemon = static_cast<pid_t>(std::stol(text));
  try {
    const detail::shm::UniqueFd left = detail::shm::pidfd_of(daemon);
    EXPECT_TRUE(detail::shm::has_ended(left.get()));  // its parent has yet to collect it
  } catch (const std::system_error&) {
    // It has been collected.
  }
}

TEST_P(Family, AtTheExitOfTheProgramTheSame) {
  Pipe pipe;
  const Pipe never;
  const std::string writer = pipe.writer();
  const std::string never_name = never.reader();
  detail::process::flush_streams();
  const pid_t program = ::fork();
  if (program == 0) {
    kept().emplace_back(ProcessOptions{.daemon = true}, wait_for, never_name);
    kept().emplace_back([](const std::string& out) { detail::test::tell(out, "done"); }, writer);
    for (Process& each : kept()) each.start();
    std::exit(6);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(program, &status, 0), program);
  EXPECT_EQ(WEXITSTATUS(status), 6);
  EXPECT_EQ(pipe.read_all(), "done");
}

}  // namespace
}  // namespace steward
