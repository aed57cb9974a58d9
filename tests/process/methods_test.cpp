// The start methods: what they need, what is refused without it, and what tells them apart.
#include <steward/process/start_method.hpp>

#include <fcntl.h>
#include <pthread.h>
#include <sys/socket.h>
#include <syslog.h>
#include <unistd.h>

#include <atomic>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <iostream>
#include <memory>
#include <string>
#include <thread>

#include <gtest/gtest.h>

#include <steward/core/errors.hpp>
#include <steward/process/launch.hpp>
#include <steward/process/passed_fd.hpp>
#include <steward/pool/pool.hpp>
#include <steward/process/process.hpp>
#include <steward/process/threads.hpp>

#include <steward/tests/process/methods.hpp>
#include <steward/tests/process/programs.hpp>
#include <steward/tests/process/support.hpp>

namespace steward {
namespace detail::test {

int without_child_entry(std::string_view what) {
  const Pipe gate;  // outlives the thread
  try {
    if (what == kSetSpawn) set_start_method(StartMethod::spawn);
    if (what == kAskForSpawn) Process({.start_method = StartMethod::spawn}, [] {});
    if (what == kBesideAThread) {
      std::thread other([&] { gate.read(1); });
      other.detach();
      Process child([] {});
    }
  } catch (const BadCall& error) {
    std::cout << error.what();
    std::cout.flush();
    ::_exit(0);  // the thread still reads
  }
  return 1;
}

}  // namespace detail::test

namespace {

using detail::test::Pipe;

void nothing() {}
int twice(int x) { return 2 * x; }

// A thread of this program, until the end of the scope.
class OtherThread {
 public:
  explicit OtherThread(const char* name = nullptr) : thread_([this] { gate_.read(1); }) {
    if (name != nullptr) ::pthread_setname_np(thread_.native_handle(), name);
  }
  OtherThread(const OtherThread&) = delete;
  OtherThread& operator=(const OtherThread&) = delete;
  ~OtherThread() {
    gate_.write("x");
    thread_.join();
  }

 private:
  Pipe gate_;
  std::thread thread_;
};

constexpr const char* kNoEntry =
    "StartMethod::spawn executes this program anew: call steward::child_entry(argc, argv) in the "
    "first line of main()";
constexpr const char* kBesideThread =
    "the fork server cannot be started beside 1 other thread of this program, whose locks would "
    "stay locked in every process: make the first Manager, Process or Pool before the first "
    "thread, or call steward::child_entry(argc, argv) in the first line of main(), for "
    "StartMethod::spawn";

std::string case_without_entry(std::string_view what) {
  return detail::test::run_program(std::string(detail::test::kWithoutChildEntry) + " " +
                                   std::string(what));
}

TEST(Spawn, WithoutChildEntryIsRefusedWithTheLineThatIsMissing) {
  EXPECT_EQ(case_without_entry(detail::test::kSetSpawn), kNoEntry);
  EXPECT_EQ(case_without_entry(detail::test::kAskForSpawn), kNoEntry);
}

TEST(Spawn, TheMarkOnAStrangersCommandLineIsRefused) {
  const std::string refused = "--steward-child is for processes that this program starts itself\n";
  EXPECT_EQ(detail::test::run_program("--steward-child"), refused);
  EXPECT_EQ(detail::test::run_program("--steward-child 'child 0 70 71 72 73 74'"), refused);
  EXPECT_EQ(detail::test::run_program("--steward-child 'server x'"), refused);
  EXPECT_EQ(detail::test::run_program("--steward-child other"), refused);
}

TEST(Threads, AreAReasonToRefuseTheFirstProcessOfTheForkServer) {
  const int code = detail::test::in_fork([] {
    std::string refused;
    {
      const OtherThread other;
      refused = detail::test::refusal([] {
        Process child({.start_method = StartMethod::fork_server}, nothing);
      });
    }
    Process child(nothing);  // now it goes
    child.start();
    child.join();
    return refused == kBesideThread ? 0 : 1;
  });
  EXPECT_EQ(code, 0);
}

TEST(Threads, AreAReasonToRefuseAnyFirstProcessWithoutChildEntry) {
  EXPECT_EQ(case_without_entry(detail::test::kBesideAThread), kBesideThread);
}

// What of this program is not in it executed anew.
int& mark() {
  static int value = 0;
  return value;
}

int mark_in_process(ProcessOptions options) {
  Process child(std::move(options), [] { std::exit(mark()); });
  child.start();
  child.join();
  return child.exitcode().value_or(99);
}

TEST(Threads, MakeSpawnTheDefaultWhereThereIsChildEntry) {
  const int code = detail::test::in_fork([] {
    mark() = 7;
    int beside = 0;
    {
      const OtherThread other;
      beside = mark_in_process({});
    }
    // And it stays that, or processes of one program would differ.
    const int after = mark_in_process({});
    const int asked = mark_in_process({.start_method = StartMethod::fork_server});
    return beside == 0 && after == 0 && asked == 7 ? 0 : 1;
  });
  EXPECT_EQ(code, 0);
}

TEST(Threads, AfterTheForkServerDoNotMatter) {
  const int code = detail::test::in_fork([] {
    mark() = 7;
    Process first(nothing);
    const OtherThread other;
    return mark_in_process({}) == 7 ? 0 : 1;
  });
  EXPECT_EQ(code, 0);
}

// A server may be forked beside threads, for it runs none of the program's code.
TEST(Threads, BesideWhichAServerWasForkedAreAReasonToRefuseForGood) {
  const int code = detail::test::in_fork([] {
    mark() = 7;
    {
      const OtherThread other;
      detail::process::Launch order;
      order.entry = [](detail::process::ChildContext& context, std::string_view) {
        context.confirm();
      };
      order.name = "server";
      order.server = true;
      order.method = StartMethod::fork_server;
      if (!detail::process::launch(order).wait()) return 1;
    }
    const auto refused = [](auto&& make) { return detail::test::refusal(make) == kBesideThread; };
    static constexpr auto kMethod = StartMethod::fork_server;
    if (!refused([] { Process({.start_method = kMethod}, nothing); })) return 2;
    if (!refused([] { Pool({.processes = 1, .start_method = kMethod}); })) return 3;
    return mark_in_process({}) == 0 ? 0 : 4;  // spawned
  });
  EXPECT_EQ(code, 0);
}

// Stands in syslog(), with the lock of the C library that goes with it, until the end of the scope.
class Logging {
 public:
  Logging() : error_(STDERR_FILENO, fill()), thread_([this] {
    ::openlog("test", LOG_PERROR, LOG_USER);
    thread_number_ = ::gettid();
    ::syslog(LOG_DEBUG, "a line");
  }) {
    if (!detail::test::eventually([this] {
          const pid_t thread = thread_number_;
          return thread != 0 && detail::test::status_field(thread, "State").starts_with("S");
        })) {
      std::abort();
    }
  }
  Logging(const Logging&) = delete;
  Logging& operator=(const Logging&) = delete;
  ~Logging() {
    full_.read(bytes_);
    thread_.join();
  }

 private:
  // The pipe's end into which not a byte more fits.
  int fill() {
    const int fd = full_.writer_fd();
    ::fcntl(fd, F_SETFL, O_NONBLOCK);
    while (::write(fd, "x", 1) == 1) ++bytes_;
    ::fcntl(fd, F_SETFL, 0);
    return fd;
  }

  Pipe full_;
  std::size_t bytes_ = 0;
  detail::test::Redirected error_;
  std::atomic<pid_t> thread_number_{0};
  std::thread thread_;
};

TEST(Threads, ThatWriteToTheLogDoNotKeepAServerOrAForkedProcessFromStarting) {
  const int code = detail::test::in_fork([] {
    const Logging logging;
    ::alarm(60);  // or the test would wait with the process server
    Process forked({.start_method = StartMethod::fork}, [] { std::exit(3); });
    forked.start();
    forked.join();
    detail::process::Launch order;
    order.entry = [](detail::process::ChildContext& context, std::string_view) {
      context.confirm("up");
    };
    order.name = "server";
    order.server = true;
    order.method = StartMethod::fork_server;
    const detail::process::Child server = detail::process::launch(order);
    return forked.exitcode() == 3 && server.confirmation() == "up" && server.wait() ? 0 : 1;
  });
  EXPECT_EQ(code, 0);
}

TEST(Threads, OfConnectionsDoNotCount) {
  const int code = detail::test::in_fork([] {
    mark() = 7;
    const OtherThread own("steward-renewal");
    return mark_in_process({}) == 7 ? 0 : 1;
  });
  EXPECT_EQ(code, 0);
}

TEST(Threads, OfAProgramThatIsCalledAsOneOfOursCount) {
  const int code = detail::test::in_fork([] {
    ::pthread_setname_np(::pthread_self(), "steward-mine");
    const OtherThread heir;
    const OtherThread own("steward-renewal");
    return detail::process::other_threads() == 1 ? 0 : 1;
  });
  EXPECT_EQ(code, 0);
}

// The pool's thread has another name while it runs the program's code, for those that come of it.
TEST(Threads, OfAPoolsCallbacksCount) {
  const int code = detail::test::in_fork([] {
    const Pipe gate;
    std::thread started;
    int beside_callback = -1;
    Pool pool({.processes = 1, .on_progress = [&](std::size_t done, std::size_t total) {
      if (done < total) return;
      beside_callback = detail::process::other_threads();
      started = std::thread([&] { gate.read(1); });
    }});
    pool.map(twice, {2});
    const int beside_main = detail::process::other_threads();
    gate.write("x");
    started.join();
    if (detail::process::other_threads() != 0) return 3;
    if (beside_main != 1) return 2;
    return beside_callback == 1 ? 0 : 1;
  });
  EXPECT_EQ(code, 0);
}

TEST(Threads, MakeAServerASpawnedOne) {
  const int code = detail::test::in_fork([] {
    mark() = 7;
    const OtherThread other;
    detail::process::Launch order;
    order.entry = [](detail::process::ChildContext& context, std::string_view) {
      context.confirm(std::to_string(mark()));
    };
    order.name = "server";
    order.server = true;
    const detail::process::Child server = detail::process::launch(order);
    return server.confirmation() == "0" && server.wait() ? 0 : 1;
  });
  EXPECT_EQ(code, 0);
}

TEST(Methods, DifferInWhatTheProcessHasOfTheProgram) {
  const int code = detail::test::in_fork([] {
    mark() = 1;
    Process first(nothing);
    mark() = 2;
    const int forked = mark_in_process({.start_method = StartMethod::fork});
    const int served = mark_in_process({.start_method = StartMethod::fork_server});
    const int spawned = mark_in_process({.start_method = StartMethod::spawn});
    return forked == 2 && served == 1 && spawned == 0 ? 0 : 1;
  });
  EXPECT_EQ(code, 0);
}

TEST(Methods, MayBeMixedInOneProgram) {
  const int code = detail::test::in_fork([] {
    for (int round = 0; round < 3; ++round) {
      for (const StartMethod method :
           {StartMethod::fork, StartMethod::fork_server, StartMethod::spawn}) {
        Process child({.start_method = method}, [] {
          // In each of them, all three again.
          for (const StartMethod inner :
               {StartMethod::spawn, StartMethod::fork, StartMethod::fork_server}) {
            Process grandchild({.start_method = inner}, [] { std::exit(5); });
            grandchild.start();
            grandchild.join();
            if (grandchild.exitcode() != 5) std::exit(1);
          }
        });
        child.start();
        child.join();
        if (child.exitcode() != 0) return 1;
      }
    }
    return 0;
  });
  EXPECT_EQ(code, 0);
}

class Inherited : public detail::test::ByMethod {};
INSTANTIATE_TEST_SUITE_P(Every, Inherited, detail::test::every_method(), detail::test::method_name);

// What tells how this process was started: by a process server that has processes but this one, or
// a name.
void name_of_server(const std::string& writer) {
  detail::test::tell(writer, detail::test::status_field(::getppid(), "Name"));
}

TEST_P(Inherited, TheMethodIsTheDefaultInTheProcessToo) {
  Pipe pipe;
  Process child([](const std::string& writer) {
    Process grandchild(name_of_server, writer);
    grandchild.start();
    grandchild.join();
  }, pipe.writer());
  child.start();
  child.join();
  EXPECT_EQ(pipe.read_all(), GetParam() == StartMethod::spawn  ? "steward-spawn"
                             : GetParam() == StartMethod::fork ? "steward-parent"
                                                               : "steward-fork");
}

TEST(Spawn, EachProcessIsTheProgramExecutedAnew) {
  const int code = detail::test::in_fork([] {
    set_start_method(StartMethod::spawn);
    for (int i = 0; i < 2; ++i) {
      Process child([] { std::exit(++mark()); });
      child.start();
      child.join();
      if (child.exitcode() != 1) return 1;
    }
    return 0;
  });
  EXPECT_EQ(code, 0);
}

TEST(Spawn, EndsAsAnyProgramDoes) {
  Pipe output;
  {
    const detail::test::Redirected redirected(STDOUT_FILENO, output.writer_fd());
    Process child({.start_method = StartMethod::spawn}, [] {
      struct Own {
        ~Own() { std::cout << "destroyed"; }
      };
      static Own own;
    });
    child.start();
    child.join();
    EXPECT_EQ(child.exitcode(), 0);
  }
  EXPECT_EQ(output.read_all(), "destroyed");
}

TEST(Fork, TheTargetMayHaveCaptures) {
  Pipe pipe;
  const std::string text = "captured";
  int mine = 1;
  Process child({.start_method = StartMethod::fork}, [&](int number) {
    mine += number;
    detail::test::write_to(pipe.writer_fd(), text + std::to_string(mine));
  }, 5);
  child.start();
  child.join();
  EXPECT_EQ(child.exitcode(), 0);
  EXPECT_EQ(pipe.read_all(), "captured6");
  EXPECT_EQ(mine, 1);
}

TEST(Fork, TheTargetMayBeAnyFunctionObject) {
  Pipe pipe;
  const std::function<void()> erased = [&] { detail::test::write_to(pipe.writer_fd(), "erased"); };
  Process child({.start_method = StartMethod::fork}, erased);
  child.start();
  child.join();
  EXPECT_EQ(pipe.read_all(), "erased");
}

TEST(Fork, CapturesAreRefusedForOtherMethods) {
  const auto capturing = [number = 1] { std::exit(number); };
  constexpr const char* kRefused =
      "Process w: a lambda with captures, or what else cannot be packed, is started by "
      "StartMethod::fork only; for other methods pass what it captures as arguments";
  EXPECT_EQ(detail::test::refusal([&] { Process({.name = "w"}, capturing); }), kRefused);
  EXPECT_EQ(detail::test::refusal([&] {
              Process({.name = "w", .start_method = StartMethod::spawn}, capturing);
            }),
            kRefused);
  const int code = detail::test::in_fork([&] {
    set_start_method(StartMethod::fork);
    Process child({.name = "w"}, capturing);
    child.start();
    child.join();
    return *child.exitcode() - 1;
  });
  EXPECT_EQ(code, 0);
}

TEST(Fork, WhatIsCapturedAndCopiedStaysUntilTheEndWhatIsMovedDoesNot) {
  const Pipe gate;
  const auto copied = std::make_shared<int>(1);
  Process keeps({.start_method = StartMethod::fork}, [copied, &gate] { gate.read(1); });
  keeps.start();
  EXPECT_EQ(copied.use_count(), 2);
  gate.write("x");
  keeps.join();
  EXPECT_EQ(copied.use_count(), 1);

  auto [near, far] = detail::process::PassedFd::socket_pair(SOCK_STREAM);
  Process child({.start_method = StartMethod::fork}, [end = std::move(far)] {
    detail::test::write_to(end.get(), "x");
  });
  child.start();
  EXPECT_EQ(detail::test::read_from(near.get(), 2), "x");  // and then its end
}

TEST(Fork, AnOpenFileThatIsAnArgumentBesideCapturesIsThereOnce) {
  auto [near, far] = detail::process::PassedFd::socket_pair(SOCK_STREAM);
  const Pipe gate;
  Process child({.start_method = StartMethod::fork}, [&gate](detail::process::PassedFd end) {
    end.close();
    gate.read(1);
  }, std::move(far));
  child.start();
  EXPECT_EQ(detail::test::read_from(near.get(), 1), "");
  gate.write("x");
}

TEST(Fork, TheProcessHasTheDescriptorsOfTheProgram) {
  const Pipe pipe;
  Process child({.start_method = StartMethod::fork}, [](int fd) {
    std::exit(::fcntl(fd, F_GETFD) >= 0 ? 0 : 1);
  }, pipe.reader_fd());
  child.start();
  child.join();
  EXPECT_EQ(child.exitcode(), 0);
}

TEST(Fork, ThreadsOfTheProgramAreNotInTheProcess) {
  const OtherThread other("the-other");
  Process child({.start_method = StartMethod::fork}, [] {
    // The child can have threads of its own all the same.
    int number = 0;
    std::thread([&] { number = 3; }).join();
    for (const std::string& task : detail::test::entries("/proc/self/task")) {
      std::ifstream file("/proc/self/task/" + task + "/comm");
      std::string name;
      if (std::getline(file, name) && name == "the-other") ++number;
    }
    std::exit(number);
  });
  child.start();
  child.join();
  EXPECT_EQ(child.exitcode(), 3);
}

}  // namespace
}  // namespace steward
