// A process has what its starter has when it starts it, whatever that had when its process server
// was made.
#include <steward/process/process.hpp>

#include <grp.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <fstream>
#include <initializer_list>
#include <iostream>
#include <iterator>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include <steward/core/errors.hpp>
#include <steward/process/context.hpp>
#include <steward/process/credentials.hpp>
#include <steward/process/launch.hpp>
#include <steward/process/module.hpp>
#include <steward/pool/pool.hpp>
#include <steward/process/request.hpp>
#include <steward/process/state.hpp>
#include <steward/process/status.hpp>
#include <steward/process/streams.hpp>
#include <steward/shm/fd_passing.hpp>

#include <steward/tests/process/methods.hpp>
#include <steward/tests/process/support.hpp>
#include <steward/tests/sanitized.hpp>

namespace steward {
namespace {

using detail::test::Pipe;

constexpr uid_t kNobody = 65534;

void nothing() {}

// All that a process has from the one that forked it.
std::string standing() {
  std::ostringstream text;
  const auto status = detail::process::StatusFile::of("/proc/thread-self/status").value();
  for (const char* field : {"Uid", "Gid", "Groups", "CapInh", "CapPrm", "CapEff", "CapBnd",
                            "CapAmb", "NoNewPrivs", "Seccomp", "Umask", "Cpus_allowed"}) {
    text << field << status.field(field).str() << '\n';
  }
  std::ifstream limits("/proc/self/limits");
  text << std::string(std::istreambuf_iterator<char>(limits), {});
  struct stat root{};
  ::stat("/", &root);
  text << "root " << root.st_ino << " nice " << ::getpriority(PRIO_PROCESS, 0) << '\n';
  return text.str();
}

void tell_standing() { std::cout << standing() << std::flush; }

std::string standing_of_a_process() {
  Pipe pipe;
  {
    const detail::test::Redirected redirected(STDOUT_FILENO, pipe.writer_fd());
    Process child(tell_standing);
    child.start();
    child.join();
  }
  return pipe.read_all();
}

// In the fork: 0 if they are the same.
int compare(const std::string& here, const std::string& there) {
  if (here == there) return 0;
  std::cerr << "here:\n" << here << "in the process:\n" << there;
  return 1;
}

void ensure_server() {
  Process first(nothing);
  first.start();
  first.join();
}

void drop_user() {
  if (::setgroups(0, nullptr) != 0 || ::setgid(kNobody) != 0 || ::setuid(kNobody) != 0) ::abort();
}

void limit(__rlimit_resource_t resource, rlim_t to) {
  const rlimit wanted{to, to};
  if (::setrlimit(resource, &wanted) != 0) ::abort();
}

// From whatever niceness these tests have.
bool nicer_by(int more) {
  errno = 0;
  return ::nice(more) != -1 || errno == 0;
}

std::string refused_start(StartMethod method) {
  Process child({.name = "w", .start_method = method}, nothing);
  try {
    child.start();
  } catch (const SystemError& error) {
    return error.what();
  }
  return "it was started";
}

class Inheritance : public detail::test::ByMethod {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "only root can change its user";
  }
};
INSTANTIATE_TEST_SUITE_P(Every, Inheritance, detail::test::every_method(),
                         detail::test::method_name);

TEST_P(Inheritance, UserGroupsUmaskLimitsNicenessAndAffinityAreThoseOfTheStarter) {
  const int code = detail::test::in_fork([] {
    ensure_server();
    ::umask(077);
    limit(RLIMIT_NOFILE, 200);
    limit(RLIMIT_CORE, 0);
    if (!nicer_by(3)) return 2;
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(0, &set);
    ::sched_setaffinity(0, sizeof set, &set);
    drop_user();
    return compare(standing(), standing_of_a_process());
  });
  EXPECT_EQ(code, 0);
}

TEST_P(Inheritance, AUserGivenUpForAWhileComesBackToTheStarterAlone) {
  const int code = detail::test::in_fork([] {
    ensure_server();
    if (::setresuid(kNobody, kNobody, 0) != 0) return 2;
    // Executed anew it has nothing to come back to, as after any execve().
    const bool executed = GetParam() == StartMethod::spawn;
    const int dropped = executed ? 0 : compare(standing(), standing_of_a_process());
    if (::setresuid(0, 0, 0) != 0) return 3;
    return dropped + compare(standing(), standing_of_a_process());
  });
  EXPECT_EQ(code, 0);
}

TEST_P(Inheritance, WhatIsSetBeforeTheProcessServerAndTakenBackAfterItIsTakenBackInProcesses) {
  const int code = detail::test::in_fork([] {
    if (::setresuid(kNobody, kNobody, 0) != 0 || !nicer_by(5)) return 2;
    ensure_server();
    if (::setresuid(0, 0, 0) != 0) return 3;
    // Its server has been executed without a way back.
    if (GetParam() == StartMethod::spawn) {
      return compare("w: cannot take over its user ids from the process that starts it: "
                     "Operation not permitted",
                     refused_start(GetParam()));
    }
    if (::setpriority(PRIO_PROCESS, 0, -2) != 0) return 4;
    return compare(standing(), standing_of_a_process());
  });
  EXPECT_EQ(code, 0);
}

TEST_P(Inheritance, CapabilitiesAndPrivilegesThatAreGivenUpDoNotComeBack) {
  const int code = detail::test::in_fork([] {
    ensure_server();
    constexpr unsigned long kNetAdmin = 12;
    constexpr unsigned long kSysAdmin = 21;
    for (const unsigned long each : {kNetAdmin, kSysAdmin}) {
      if (::prctl(PR_CAPBSET_DROP, each, 0, 0, 0) != 0) return 2;
    }
    detail::process::Credentials own(detail::process::StatusFile::of("/proc/self/status").value());
    detail::process::Credentials less = own;
    const std::uint64_t kept = own.capabilities.bounding;
    less.capabilities = {0, own.capabilities.permitted & kept, own.capabilities.effective & kept,
                         kept, 0};
    less.no_new_privileges = true;
    detail::process::take_over(less, own);
    return compare(standing(), standing_of_a_process());
  });
  EXPECT_EQ(code, 0);
}

TEST_P(Inheritance, TheRootDirectoryIsThatOfTheStarter) {
  const std::filesystem::path root =
      testing::TempDir() + "steward-root-" + std::to_string(::getpid());
  std::filesystem::create_directory(root);
  const int code = detail::test::in_fork([&] {
    Pipe pipe;
    ensure_server();
    if (::chroot(root.c_str()) != 0) return 2;
    if (GetParam() == StartMethod::spawn) {  // executed anew it would need its file there
      try {
        Process(+[] {}).start();
        return 3;
      } catch (const SystemError& error) {
        return error.code() == std::errc::no_such_file_or_directory ? 0 : 4;
      }
    }
    {
      const detail::test::Redirected redirected(STDOUT_FILENO, pipe.writer_fd());
      Process child(+[] {
        struct stat own{};
        ::stat("/", &own);
        std::cout << own.st_ino;
      });
      child.start();
      child.join();
    }
    struct stat own{};
    ::stat("/", &own);
    return pipe.read_all() == std::to_string(own.st_ino) ? 0 : 1;
  });
  std::filesystem::remove(root);
  EXPECT_EQ(code, 0);
}

TEST_P(Inheritance, AThreadsOwnNicenessIsThatOfItsProcesses) {
  const int code = detail::test::in_fork([] {
    ensure_server();
    if (GetParam() == StartMethod::fork) return 0;  // not beside a thread
    int outcome = 1;
    std::thread([&] {
      if (::setpriority(PRIO_PROCESS, static_cast<id_t>(::gettid()), 7) != 0) return;
      outcome = compare(standing(), standing_of_a_process());
    }).join();
    return outcome;
  });
  EXPECT_EQ(code, 0);
}

class InheritanceFromAServer : public Inheritance {};
INSTANTIATE_TEST_SUITE_P(Every, InheritanceFromAServer, detail::test::methods_with_a_server(),
                         detail::test::method_name);

TEST_P(InheritanceFromAServer, AFilterOfSystemCallsThatCannotBeTakenOverRefusesTheStart) {
  const int code = detail::test::in_fork([] {
    ensure_server();
    sock_filter allow = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    const sock_fprog program{1, &allow};
    if (::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0) != 0) return 2;
    return compare("w: cannot take over its filters of system calls (seccomp) from the process "
                   "that starts it: Operation not permitted",
                   refused_start(GetParam()));
  });
  EXPECT_EQ(code, 0);
}

TEST_P(InheritanceFromAServer, ANicenessThatTheProcessServerMayNotGiveRefusesTheStart) {
  const int code = detail::test::in_fork([] {
    // Somebody with the right to do so changes the running program.
    const Pipe go;
    const Pipe done;
    const pid_t program = ::getpid();
    const pid_t helper = ::fork();
    if (helper == 0) {
      go.read(1);
      ::setpriority(PRIO_PROCESS, static_cast<id_t>(program), -5);
      done.write("x");
      ::_exit(0);
    }
    drop_user();
    ensure_server();
    go.write("x");
    done.read(1);
    return compare("w: cannot take over its niceness from the process that starts it: Permission "
                   "denied",
                   refused_start(GetParam()));
  });
  EXPECT_EQ(code, 0);
}

TEST_P(InheritanceFromAServer, WorkersOfAPoolHaveTheUserOfTheProgram) {
  const int code = detail::test::in_fork([] {
    ensure_server();
    drop_user();
    Pool pool(1);
    return pool.apply(+[](int) { return ::getuid(); }, 0) == kNobody ? 0 : 1;
  });
  EXPECT_EQ(code, 0);
}

void wait_for_a_signal() { ::pause(); }

TEST_P(InheritanceFromAServer, AProcessOfTheFormerUserIsStillTerminatedAndKilled) {
  const int code = detail::test::in_fork([] {
    Process terminated(wait_for_a_signal);
    Process killed(wait_for_a_signal);
    terminated.start();
    killed.start();
    drop_user();
    terminated.terminate();
    killed.kill();
    terminated.join();
    killed.join();
    return *terminated.exitcode() == -SIGTERM && *killed.exitcode() == -SIGKILL ? 0 : 1;
  });
  EXPECT_EQ(code, 0);
}

TEST_P(Inheritance, ADaemonOfTheFormerUserDoesNotEndTheProgram) {
  const int code = detail::test::in_fork([] {
    const Pipe errors;
    {
      const detail::test::Redirected redirected(STDERR_FILENO, errors.writer_fd());
      Process daemon({.name = "w", .daemon = true}, wait_for_a_signal);
      daemon.start();
      drop_user();
    }
    // Its process server holds the other end, too.
    ::fcntl(errors.reader_fd(), F_SETFL, O_NONBLOCK);
    const std::string text = errors.read(1000);
    const bool silent = GetParam() != StartMethod::fork;
    return compare(
        silent ? "" : "steward: w goes on: cannot send a signal: Operation not permitted\n", text);
  });
  EXPECT_EQ(code, 0);
}

std::string another(const std::string& kind) {
  return "w: the process that starts it is in another " + kind +
         " namespace than its process server: use StartMethod::fork, or enter the namespace before "
         "the "
         "first Manager, Process or Pool: Operation not permitted";
}

TEST_P(InheritanceFromAServer,
       CapabilitiesOfAUserNamespaceOfTheStartersOwnAreNotThoseOfItsProcessServer) {
  if (detail::test::kThreadSanitized) GTEST_SKIP() << "beside a thread no namespace is entered";
  const int code = detail::test::in_fork([] {
    ensure_server();
    drop_user();
    if (::unshare(CLONE_NEWUSER) != 0) return 2;
    return compare(another("user"), refused_start(GetParam()));
  });
  EXPECT_EQ(code, 0);
}

TEST_P(InheritanceFromAServer, ANamespaceThatTheStarterHasEnteredRefusesTheStart) {
  const int code = detail::test::in_fork([] {
    ensure_server();
    int failed = 0;
    if (::unshare(CLONE_NEWUTS) != 0) return 2;
    failed += compare(another("uts"), refused_start(GetParam()));
    if (::unshare(CLONE_NEWNET) != 0) return 3;
    failed += compare(another("net"), refused_start(GetParam()));
    if (::unshare(CLONE_NEWNS) != 0) return 4;
    return failed + compare(another("mnt"), refused_start(GetParam()));
  });
  EXPECT_EQ(code, 0);
}

// As in a container: nobody may look closely at a process whose rights differ.
void drop_from_the_bounding_set(std::initializer_list<unsigned> capabilities) {
  detail::process::Credentials own(detail::process::StatusFile::of("/proc/self/status").value());
  detail::process::Credentials less = own;
  for (const unsigned each : capabilities) {
    const std::uint64_t kept = ~(1ULL << each);
    less.capabilities.permitted &= kept;
    less.capabilities.effective &= kept;
    less.capabilities.bounding &= kept;
  }
  detail::process::take_over(less, own);
}

TEST_P(InheritanceFromAServer, AProcessServerThatMayNotTraceTakesOverWhatNobodyCanHaveChanged) {
  const int code = detail::test::in_fork([] {
    drop_from_the_bounding_set({CAP_SYS_PTRACE, CAP_SYS_ADMIN});
    ensure_server();
    drop_user();
    return compare(standing(), standing_of_a_process());
  });
  EXPECT_EQ(code, 0);
}

TEST_P(InheritanceFromAServer, AProcessServerThatMayNotTraceSeesAUserNamespaceAllTheSame) {
  if (detail::test::kThreadSanitized) GTEST_SKIP() << "beside a thread no namespace is entered";
  const int code = detail::test::in_fork([] {
    drop_from_the_bounding_set({CAP_SYS_PTRACE, CAP_SYS_ADMIN});
    ensure_server();
    drop_user();
    if (::unshare(CLONE_NEWUSER) != 0) return 2;
    const std::string refused = refused_start(GetParam());
    return refused.find("may be in another user namespace") != std::string::npos
               ? 0 : compare("...", refused);
  });
  EXPECT_EQ(code, 0);
}

TEST_P(InheritanceFromAServer,
       ALimitOfFilesBelowWhatTheProcessServerHasOpenKeepsNothingFromProcesses) {
  const int code = detail::test::in_fork([] {
    rlimit files{};
    ::getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = 80;
    if (::setrlimit(RLIMIT_NOFILE, &files) != 0) return 2;
    ensure_server();
    const Pipe gate;
    std::vector<Process> waiting;
    constexpr int kMany = 30;  // of which the process server has 90 files open
    for (int i = 0; i < kMany; ++i) {
      waiting.emplace_back(
          +[](const std::string& path) { detail::test::hear(path); }, gate.reader());
      waiting.back().start();
    }
    ::umask(077);
    if (::setgroups(0, nullptr) != 0) return 3;
    const int outcome = compare(standing(), standing_of_a_process());
    gate.write(std::string(kMany, 'x'));
    return outcome;
  });
  EXPECT_EQ(code, 0);
}

// The process server is halted, a request is in its way, and before it goes on the starter has
// executed a program that has more rights.
class ExecutionAfterARequest : public testing::Test {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "only root can make programs with rights";
    ASSERT_NE(::mkdtemp(directory_.data()), nullptr);
    ::chmod(directory_.c_str(), 0755);
    std::filesystem::copy_file("/bin/cat", program());
  }
  void TearDown() override { std::filesystem::remove_all(directory_); }

  std::string program() const { return directory_ + "/privileged"; }

  // What the process, or what refused it, says.
  std::string outcome(void (*give_up)(), const std::string& field, const std::string& awaited) {
    const detail::shm::SocketPair channel = detail::shm::seqpacket_pair();
    const Pipe pid;
    const Pipe gate;  // that the privileged program reads
    detail::process::flush_streams();
    const pid_t step = ::fork();
    if (step == 0) ask_and_execute(channel.b.get(), pid, gate, give_up);
    const auto process_server = static_cast<pid_t>(std::stol(pid.read_line()));
    EXPECT_TRUE(detail::test::eventually(
        [&] { return detail::test::status_field(step, field) == awaited; }));
    ::kill(process_server, SIGCONT);
    std::string told;
    while (told.empty()) {
      const auto status =
          detail::process::receive_status(channel.a.get(), detail::shm::Wait::block);
      if (!status) break;
      if (status->kind == detail::process::StatusKind::confirmed) told = status->text;
      if (status->kind != detail::process::StatusKind::refused) continue;
      try {
        detail::process::throw_exception(status->text);
      } catch (const std::exception& error) {
        told = error.what();
      }
    }
    gate.write("x");
    ::kill(step, SIGKILL);
    ::waitpid(step, nullptr, 0);
    return told;
  }

 private:
  [[noreturn]] void ask_and_execute(int channel, const Pipe& pid, const Pipe& gate,
                                    void (*give_up)()) const {
    ensure_server();
    const pid_t process_server = detail::process::fork_server_pid();
    ::kill(process_server, SIGSTOP);
    give_up();
    const auto link = detail::process::ProcessState::get().fork_server();
    detail::process::Request request;
    const detail::process::Entry entry = [](detail::process::ChildContext& context,
                                            std::string_view) {
      context.confirm("started:\n" + standing());
    };
    request.entry = detail::process::locate(reinterpret_cast<const void*>(entry));
    request.identity = {"w", "1", false, ProcessInfo("main", ::getpid(), false)};
    detail::process::send_request(link->socket.get(), request, channel,
                                  detail::process::Encoding::by_size);
    pid.write(std::to_string(process_server) + "\n");
    ::dup2(gate.reader_fd(), STDIN_FILENO);
    ::execl(program().c_str(), "privileged", nullptr);
    ::_exit(1);
  }

  std::string directory_ = testing::TempDir() + "steward-execute-XXXXXX";
};

TEST_F(ExecutionAfterARequest, GivesNoProcessTheUserOfASetuidProgram) {
  ::chmod(program().c_str(), 04755);
  EXPECT_EQ(outcome(drop_user, "Uid", "65534\t0\t0\t0"),
            "w: real, effective and saved ids of the process that starts it differ (users 65534 0 "
            "0, groups 65534 65534 65534), which is taken over from root alone: use "
            "StartMethod::fork: Operation not permitted");
}

TEST_F(ExecutionAfterARequest, GivesNoProcessTheGroupOfASetgidProgram) {
  ::chmod(program().c_str(), 02755);
  EXPECT_EQ(outcome(drop_user, "Gid", "65534\t0\t0\t0"),
            "w: real, effective and saved ids of the process that starts it differ (users 65534 "
            "65534 65534, groups 65534 0 0), which is taken over from root alone: use "
            "StartMethod::fork: Operation not permitted");
}

TEST_F(ExecutionAfterARequest, GivesNoProcessTheCapabilitiesOfAProgramsFile) {
  vfs_cap_data given{};
  given.magic_etc = VFS_CAP_REVISION_2 | VFS_CAP_FLAGS_EFFECTIVE;
  given.data[0].permitted = 1U << CAP_NET_RAW;
  if (::setxattr(program().c_str(), "security.capability", &given, sizeof given, 0) != 0) {
    GTEST_SKIP() << "this file system keeps no capabilities";
  }
  EXPECT_EQ(outcome(drop_user, "CapPrm", "0000000000002000"),
            "w: the process that starts it is of user 65534 and has capabilities, which are taken "
            "over only if they are ambient: raise them (PR_CAP_AMBIENT), or use "
            "StartMethod::fork: Operation not permitted");
}

TEST_P(InheritanceFromAServer, AmbientCapabilitiesOfAnotherUserThanRootAreTakenOver) {
  const int code = detail::test::in_fork([] {
    ensure_server();
    detail::process::Credentials own(detail::process::StatusFile::of("/proc/self/status").value());
    detail::process::Credentials less = own;
    const std::uint64_t kept = 1ULL << CAP_NET_RAW;
    less.capabilities = {kept, kept, kept, own.capabilities.bounding, kept};
    less.users = {kNobody, kNobody, kNobody};
    less.groups = {kNobody, kNobody, kNobody};
    detail::process::take_over(less, own);
    return compare(standing(), standing_of_a_process());
  });
  EXPECT_EQ(code, 0);
}

}  // namespace
}  // namespace steward
