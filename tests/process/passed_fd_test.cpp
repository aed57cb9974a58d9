// Open files as arguments of a process.
#include <steward/process/passed_fd.hpp>

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <new>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include <steward/core/codec.hpp>
#include <steward/core/errors.hpp>
#include <steward/process/passed_files.hpp>
#include <steward/process/process.hpp>

#include <steward/tests/process/methods.hpp>
#include <steward/tests/process/support.hpp>
#include <steward/tests/shm/failing_new.hpp>

namespace steward {
namespace {

using detail::process::PassedFd;
using detail::test::Pipe;

static_assert(!std::copyable<PassedFd> && std::movable<PassedFd>);
static_assert(detail::core::Packable<PassedFd> && detail::core::Packable<std::vector<PassedFd>>);

struct Route {
  std::string name;
  PassedFd end;
  MSGPACK_DEFINE(name, end)
};

struct Ends {
  PassedFd reader;
  PassedFd writer;
};

Ends pipe_ends() {
  std::array<int, 2> fds{};
  if (::pipe2(fds.data(), O_CLOEXEC) != 0) std::abort();
  return {PassedFd(detail::shm::UniqueFd(fds[0])), PassedFd(detail::shm::UniqueFd(fds[1]))};
}

bool is_open(int fd) { return ::fcntl(fd, F_GETFD) >= 0; }

void say(PassedFd writer, const std::string& text) { detail::test::write_to(writer.get(), text); }

void echo(PassedFd end) {
  for (;;) {
    const std::string heard = detail::test::read_from(end.get(), 1);
    if (heard.empty()) return;
    detail::test::write_to(end.get(), heard);
  }
}

class PassedFiles : public detail::test::ByMethod {};
INSTANTIATE_TEST_SUITE_P(Every, PassedFiles, detail::test::every_method(),
                         detail::test::method_name);

TEST_P(PassedFiles, ReachTheProcessAndLeaveThisOne) {
  Ends ends = pipe_ends();
  const int number = ends.writer.get();
  Process child(say, std::move(ends.writer), "through the pipe");
  EXPECT_FALSE(ends.writer);
  EXPECT_TRUE(is_open(number));
  child.start();
  EXPECT_FALSE(is_open(number));
  // To the end: nobody else has the writer.
  EXPECT_EQ(detail::test::read_from(ends.reader.get(), std::string::npos), "through the pipe");
  child.join();
  EXPECT_EQ(child.exitcode(), 0);
}

TEST_P(PassedFiles, WorkInBothDirections) {
  auto [near, far] = PassedFd::socket_pair(SOCK_STREAM);
  Process child(echo, std::move(far));
  child.start();
  detail::test::write_to(near.get(), "abc");
  EXPECT_EQ(detail::test::read_from(near.get(), 3), "abc");
  near.close();  // and the process sees that
  child.join();
  EXPECT_EQ(child.exitcode(), 0);
}

TEST_P(PassedFiles, EndWithTheProcess) {
  auto [near, far] = PassedFd::socket_pair(SOCK_STREAM);
  // One that is started meanwhile has no copy of either end.
  auto [gate, held] = PassedFd::socket_pair(SOCK_STREAM);
  Process bystander(echo, std::move(held));
  bystander.start();
  Process child(echo, std::move(far));
  child.start();
  child.kill();
  EXPECT_EQ(detail::test::read_from(near.get(), 1), "");
  gate.close();
  bystander.join();
  EXPECT_EQ(bystander.exitcode(), 0);
}

TEST_P(PassedFiles, LieAnywhereInAnArgument) {
  Ends ends = pipe_ends();
  std::vector<Route> routes;
  for (const char* name : {"a", "b"}) {
    const int copy = ::fcntl(ends.writer.get(), F_DUPFD_CLOEXEC, 3);
    routes.push_back({name, PassedFd(detail::shm::UniqueFd(copy))});
  }
  Process child([](int, std::vector<Route> given, std::optional<PassedFd> last) {
    for (const Route& route : given) detail::test::write_to(route.end.get(), route.name);
    detail::test::write_to(last->get(), "c");
  }, 1, std::move(routes), std::move(ends.writer));
  child.start();
  EXPECT_EQ(detail::test::read_from(ends.reader.get(), std::string::npos), "abc");
}

struct Speaker {
  PassedFd end;
  MSGPACK_DEFINE(end)
  void operator()(const std::string& text) const { detail::test::write_to(end.get(), text); }
};

TEST_P(PassedFiles, LieInAFunctionObject) {
  Ends ends = pipe_ends();
  Process child(Speaker{std::move(ends.writer)}, "spoken");
  child.start();
  EXPECT_EQ(detail::test::read_from(ends.reader.get(), std::string::npos), "spoken");
}

// 1: the file came from its starter; 2: nobody else has it.
void tell_whose(PassedFd end) {
  const bool given = end.was_given();
  std::exit((given ? 1 : 0) + (end.keep_from_copies() ? 2 : 0));
}

TEST_P(PassedFiles, BelongToTheProcessUnlessACopyOfItsStarterHasThem) {
  for (const bool shared : {false, true}) {
    Ends ends = pipe_ends();
    if (shared) detail::test::in_fork([] { return 0; });
    Process child(tell_whose, std::move(ends.writer));
    child.start();
    child.join();
    EXPECT_EQ(child.exitcode(), shared ? 1 : 3);
  }
}

TEST_P(PassedFiles, AsManyAsTheLimitAndNotOneMore) {
  const auto start_with = [](std::size_t count) {
    std::vector<PassedFd> files;
    for (std::size_t i = 0; i < count; ++i) {
      files.emplace_back(detail::shm::UniqueFd(::fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3)));
    }
    Process child([](std::vector<PassedFd> given) {
      std::size_t open = 0;
      for (const PassedFd& file : given) open += is_open(file.get()) ? 1U : 0U;
      std::exit(open == detail::process::kFilesPerStart ? 0 : 1);
    }, std::move(files));
    child.start();
    child.join();
    return child.exitcode();
  };
  EXPECT_EQ(start_with(detail::process::kFilesPerStart), 0);
  EXPECT_THROW(start_with(detail::process::kFilesPerStart + 1), BadCall);
}

TEST_P(PassedFiles, StayHereIfTheProcessDoesNotComeUp) {
  Ends ends = pipe_ends();
  const int number = ends.writer.get();
  {
    Process child([](PassedFd, detail::test::OneWay) {}, std::move(ends.writer),
                  detail::test::OneWay{});
    EXPECT_THROW(child.start(), BadCall);
    EXPECT_TRUE(is_open(number));
  }
  EXPECT_EQ(detail::test::read_from(ends.reader.get(), 1), "");
}

TEST_P(PassedFiles, ACopyInAProcessThatWasNotGivenItStandsForNothing) {
  static PassedFd* known = nullptr;
  const int code = detail::test::in_fork([] {
    Ends ends = pipe_ends();
    known = &ends.reader;
    Process child([] {
      if (known != nullptr && *known) std::exit(1);
      const std::size_t before = detail::test::open_files(::getpid());
      if (known != nullptr) known->close();
      std::exit(detail::test::open_files(::getpid()) == before ? 0 : 2);
    });
    child.start();
    child.join();
    return *known ? child.exitcode().value_or(99) : 98;
  });
  EXPECT_EQ(code, 0);
}

TEST(PassedFdWithoutMemory, APairLeavesNoDescriptorBehind) {
  const auto free = [] { return detail::shm::UniqueFd(::dup(STDERR_FILENO)).get(); };
  const int before = free();
  detail::test::at_each_allocation([](std::size_t n) {
    const detail::test::FailingNew failing(n);
    try {
      PassedFd::socket_pair(SOCK_STREAM);
    } catch (const std::bad_alloc&) {
    }
    return failing.has_failed();
  });
  EXPECT_EQ(free(), before);
}

TEST(PassedFd, OneThatIsClosedOrEmptyCannotBePassed) {
  Process empty([](PassedFd) {}, PassedFd());
  EXPECT_THROW(empty.start(), BadCall);
  Ends ends = pipe_ends();
  ends.reader.close();
  Process closed([](PassedFd) {}, std::move(ends.reader));
  EXPECT_THROW(closed.start(), BadCall);
}

TEST(PassedFd, TravelsToNothingButAProcess) {
  const Ends ends = pipe_ends();
  try {
    detail::core::packed(ends.reader);
    FAIL();
  } catch (const BadCall& error) {
    EXPECT_STREQ(error.what(),
                 "an open file travels only to a new process, among the arguments it is started "
                 "with");
  }
  EXPECT_THROW(detail::core::unpack<PassedFd>(detail::core::packed(std::uint64_t{0})), BadCall);
}

TEST(PassedFd, IsKeptFromCopiesAndThatSaysWhetherThereAreSome) {
  Ends ends = pipe_ends();
  EXPECT_FALSE(ends.reader.was_given());
  EXPECT_TRUE(ends.reader.keep_from_copies());
  const int code = detail::test::in_fork([&] {
    return (ends.reader ? 1 : 0) + (ends.writer.keep_from_copies() ? 2 : 0);
  });
  EXPECT_EQ(code, 0);
  EXPECT_TRUE(ends.reader.keep_from_copies());
  EXPECT_FALSE(ends.writer.keep_from_copies());
}

// Their copies are none that would keep it open.
TEST(PassedFd, HasNoCopiesInTheProcessServers) {
  const int code = detail::test::in_fork([] {
    Ends ends = pipe_ends();
    for (const StartMethod method : {StartMethod::fork_server, StartMethod::spawn}) {
      Process child({.start_method = method}, [] {});
      child.start();
      child.join();
    }
    if (!ends.reader.keep_from_copies()) return 1;
    return detail::test::in_fork([] { return 0; }) + (ends.writer.keep_from_copies() ? 2 : 0);
  });
  EXPECT_EQ(code, 0);
}

// What the library forks leaves no trace in the thread that goes on in the copy.
TEST_P(PassedFiles, ACopyThatAProcessForksHasItsFiles) {
  Ends ends = pipe_ends();
  Process child([](PassedFd end) {
    detail::test::in_fork([] { return 0; });
    std::exit(end.keep_from_copies() ? 1 : 0);
  }, std::move(ends.writer));
  child.start();
  child.join();
  EXPECT_EQ(child.exitcode(), 0);
}

TEST(PassedFd, SurvivesAPlainForkOnBothSides) {
  auto ends = PassedFd::socket_pair(SOCK_STREAM);
  PassedFd& near = ends.first;
  PassedFd& far = ends.second;
  const int code = detail::test::in_fork([&] {
    near.close();
    detail::test::write_to(far.get(), "x");
    return 0;
  });
  EXPECT_EQ(code, 0);
  far.close();
  EXPECT_EQ(detail::test::read_from(near.get(), 2), "x");
}

TEST(PassedFiles, AFileIsTakenOnceFromItsPlace) {
  Ends ends = pipe_ends();
  std::vector<detail::shm::UniqueFd> files;
  files.emplace_back(::fcntl(ends.reader.get(), F_DUPFD_CLOEXEC, 3));
  detail::process::PassedFiles passed_files(std::move(files));
  EXPECT_THROW(passed_files.take(1), BadCall);
  EXPECT_TRUE(passed_files.take(0));
  EXPECT_THROW(passed_files.take(0), BadCall);
}

// What a forked copy of this process has of an end that is opened so.
bool stays_in_a_copy(PassedFd (*open)(const std::function<int()>&)) {
  const detail::shm::UniqueFd original(::dup(0));
  const PassedFd file = open([&] { return ::fcntl(original.get(), F_DUPFD_CLOEXEC, 0); });
  const int number = file.get();
  EXPECT_TRUE(is_open(number));
  const int status = detail::test::in_fork([&] {
    if (file.get() != (is_open(number) ? number : -1)) return 2;
    return is_open(number) ? 1 : 0;
  });
  EXPECT_TRUE(is_open(number));
  EXPECT_NE(status, 2) << "the object says something else";
  return status == 1;
}

TEST(OpenedFile, StaysInAForkedCopyUnlessItIsForThisProcessAlone) {
  EXPECT_TRUE(stays_in_a_copy(&PassedFd::opened));
  EXPECT_FALSE(stays_in_a_copy(&PassedFd::opened_here_alone));
}

TEST(OpenedFile, StandsForNoneIfNoneCouldBeOpened) {
  EXPECT_EQ(PassedFd::opened([] { return -1; }).get(), -1);
}

}  // namespace
}  // namespace steward
