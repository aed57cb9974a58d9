// Subclasses of Process that override run().
#include <steward/process/process_of.hpp>

#include <sys/socket.h>
#include <unistd.h>

#include <cstdlib>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include <steward/core/errors.hpp>
#include <steward/process/passed_fd.hpp>

#include <steward/tests/process/methods.hpp>
#include <steward/tests/process/support.hpp>

namespace steward {
namespace {

using detail::process::PassedFd;
using detail::test::Pipe;

class Greeter : public Process {
 public:
  Greeter(std::string writer, std::string name, ProcessOptions options = {})
      : Process(std::move(options)), writer_(std::move(writer)), greeted_(std::move(name)) {}

  void run() override {
    detail::test::tell(writer_, "Hello " + greeted_ + " from " + name() + " " +
                            std::to_string(pid() == ::getpid()) + std::to_string(is_alive()) +
                            (daemon() ? " daemon" : ""));
    greeted_ = "changed";
  }

  const std::string& greeted() const { return greeted_; }

 private:
  std::string writer_;
  std::string greeted_;
};

TEST(Subclass, IsForkedWithItsMembers) {
  Pipe pipe;
  Greeter child(pipe.writer(), "Ada", {.name = "greeter", .daemon = true});
  child.start();
  child.join();
  EXPECT_EQ(child.exitcode(), 0);
  EXPECT_EQ(child.greeted(), "Ada");
  EXPECT_EQ(pipe.read_all(), "Hello Ada from greeter 11 daemon");
}

TEST(Subclass, IsForkedBesideThreadsToo) {
  const int code = detail::test::in_fork([] {
    Pipe pipe;
    const Pipe gate;
    std::thread other([&] { gate.read(1); });
    Greeter child(pipe.writer(), "Ada");
    child.start();
    child.join();
    gate.write("x");
    other.join();
    return pipe.read_all() == "Hello Ada from Process-1 11" ? 0 : 1;
  });
  EXPECT_EQ(code, 0);
}

TEST(Subclass, IsRefusedByOtherMethodsWithWhatToDo) {
  for (const StartMethod method : {StartMethod::fork_server, StartMethod::spawn}) {
    Greeter child("", "Ada", {.name = "w", .start_method = method});
    EXPECT_EQ(detail::test::refusal([&] { child.start(); }),
              "Process w.start: a subclass of Process is started by StartMethod::fork only; for "
              "other methods derive it from ProcessOf");
  }
}

TEST(Subclass, MovesAsWhatItIsAndIsRefusedAsAMereProcess) {
  Pipe pipe;
  Greeter first(pipe.writer(), "Ada", {.name = "w"});
  Greeter child = std::move(first);
  child.start();
  child.join();
  EXPECT_EQ(pipe.read_all(), "Hello Ada from w 11");

  Process sliced = Greeter("", "Ada", {.name = "w"});
  EXPECT_EQ(detail::test::refusal([&] { sliced.start(); }),
            "Process w.start: it was moved out of a subclass of Process, whose run() is lost");
}

TEST(Subclass, MisuseInItsOwnProcessIsABadCall) {
  class Confused : public Process {
   public:
    explicit Confused(std::string writer) : Process({.name = "w"}), writer_(std::move(writer)) {}
    void run() override {
      detail::test::tell(writer_, detail::test::refusal([&] { start(); }) + "; " +
                                      detail::test::refusal([&] { join(); }));
    }

   private:
    std::string writer_;
  };
  Pipe pipe;
  Confused child(pipe.writer());
  child.start();
  child.join();
  EXPECT_EQ(pipe.read_all(),
            "Process w.start: a process starts only once; Process w.join: this is the process "
            "itself");
}

class Framed : public Process {
 public:
  Framed(std::string writer, int number)
      : Process(
            {.start_method = StartMethod::fork},
            [](const std::string& out, int n) { detail::test::tell(out, std::to_string(n)); },
            writer, number),
        writer_(std::move(writer)) {}

  void run() override {
    detail::test::tell(writer_, "<");
    Process::run();
    detail::test::tell(writer_, ">");
  }

 private:
  std::string writer_;
};

TEST(Subclass, MayHaveATargetAndRunItFromItsOwnRun) {
  Pipe pipe;
  Framed child(pipe.writer(), 5);
  child.start();
  child.join();
  EXPECT_EQ(pipe.read_all(), "<5>");
}

TEST(Subclass, RunCalledHereRunsHere) {
  Pipe pipe;
  Process child([](const std::string& out) { detail::test::tell(out, std::to_string(::getpid())); },
                pipe.writer());
  child.run();
  EXPECT_EQ(pipe.read_all(), std::to_string(::getpid()));
}

// ---- One whose members travel ----

class Adder : public ProcessOf<Adder> {
 public:
  Adder() = default;
  Adder(std::string writer, std::vector<int> numbers, ProcessOptions options = {})
      : ProcessOf(std::move(options)), writer_(std::move(writer)), numbers_(std::move(numbers)) {}

  void run() override {
    int sum = 0;
    for (const int number : numbers_) sum += number;
    detail::test::tell(writer_,
                       name() + " " + std::to_string(sum) + " " + std::to_string(unnamed_) + " " +
                           std::to_string(pid() == ::getpid()) + (daemon() ? " daemon" : ""));
  }

  void set_unnamed(int number) { unnamed_ = number; }

  MSGPACK_DEFINE(writer_, numbers_)

 private:
  std::string writer_;
  std::vector<int> numbers_;
  int unnamed_ = 3;
};

class Travelling : public detail::test::ByMethod {};
INSTANTIATE_TEST_SUITE_P(Every, Travelling, detail::test::every_method(),
                         detail::test::method_name);

TEST_P(Travelling, ASubclassIsMadeAgainFromItsMembers) {
  Pipe pipe;
  Adder child(pipe.writer(), {1, 2, 3}, {.name = "adder", .daemon = true});
  child.set_unnamed(4);
  child.start();
  child.join();
  EXPECT_EQ(child.exitcode(), 0);
  EXPECT_EQ(pipe.read_all(), "adder 6 3 1 daemon");
}

class Maker : public ProcessOf<Maker> {
 public:
  void run() override {
    Process child([] {});
    std::exit(child.name() == name() + ":1" ? 0 : 1);
  }
};

TEST_P(Travelling, ASubclassWithoutMembersNeedsNothingElse) {
  Maker child;
  child.start();
  child.join();
  // And the object that was made in the process has taken no number.
  EXPECT_EQ(child.exitcode(), 0);
}

class Echo : public ProcessOf<Echo> {
 public:
  Echo() = default;
  explicit Echo(PassedFd end) : end_(std::move(end)) {}
  void run() override {
    for (std::string byte; !(byte = detail::test::read_from(end_.get(), 1)).empty();) {
      detail::test::write_to(end_.get(), byte);
    }
  }
  const PassedFd& end() const { return end_; }

  MSGPACK_DEFINE(end_)

 private:
  PassedFd end_;
};

TEST_P(Travelling, OpenFilesAmongTheMembersLeaveWithTheStart) {
  auto [near, far] = PassedFd::socket_pair(SOCK_STREAM);
  Echo child(std::move(far));
  EXPECT_TRUE(child.end());
  child.start();
  EXPECT_FALSE(child.end());
  detail::test::write_to(near.get(), "abc");
  EXPECT_EQ(detail::test::read_from(near.get(), 3), "abc");
  child.kill();
  EXPECT_EQ(detail::test::read_from(near.get(), 1), "");
}

class Broken : public ProcessOf<Broken> {
 public:
  Broken() : ProcessOf({.name = "w"}) {}
  void run() override {}
  MSGPACK_DEFINE(member_)

 private:
  detail::test::OneWay member_;
};

TEST_P(Travelling, MembersThatCannotBeUnpackedFailTheStart) {
  Broken child;
  EXPECT_EQ(detail::test::refusal([&] { child.start(); }), "w: the members: no way back");
}

class LateAdder : public Adder {
 public:
  LateAdder() : Adder("", {}, {.name = "w"}) {}
  void run() override {}
};

TEST_P(Travelling, AClassDerivedFromOneIsRefused) {
  LateAdder child;
  EXPECT_EQ(detail::test::refusal([&] { child.start(); }),
            "Process w.start: a class that is derived from one with ProcessOf as its base cannot "
            "be started: derive it from ProcessOf itself");
}

TEST_P(Travelling, ManyOfThemMayStandInAVector) {
  Pipe pipe;
  std::vector<Adder> adders;
  for (int i = 0; i < 3; ++i) adders.emplace_back(pipe.writer(), std::vector<int>{i});
  for (Adder& each : adders) each.start();
  for (Adder& each : adders) {
    each.join();
    EXPECT_EQ(each.exitcode(), 0);
  }
}

}  // namespace
}  // namespace steward
