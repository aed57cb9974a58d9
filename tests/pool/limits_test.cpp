// Pools under limits of the system.
#include <grp.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <string>
#include <system_error>
#include <vector>

#include <gtest/gtest.h>

#include <steward/pool/pool.hpp>
#include <steward/process/process.hpp>
#include <steward/tests/process/support.hpp>
#include <steward/tests/refused_call.hpp>
#include <steward/tests/sanitized.hpp>

namespace steward::detail::test {
namespace {

int cube(int x) { return x * x * x; }
std::size_t length(const std::string& text) { return text.size(); }
std::string megabytes(int count) {
  return std::string(static_cast<std::size_t>(count) << 20U, 'r');
}

void limit(__rlimit_resource resource, rlim_t to) {
  const rlimit both{to, to};
  if (::setrlimit(resource, &both) != 0) std::abort();
}

// What a call threw, if not what it should have returned.
template <class Exception, class F>
std::string thrown_by(F&& call) {
  try {
    call();
  } catch (const Exception& error) {
    return error.what();
  }
  return "nothing was thrown";
}

// In a process of its own, where the limits are set; says what went wrong there.
int expect(bool condition, const char* what) {
  if (!condition) std::cerr << "in the fork: not so: " << what << std::endl;
  return condition ? 0 : 1;
}

// Either this process or the fork server is the first to run out of descriptors.
int fails_and_lets_go() {
  Pool(2).apply(cube, 1);
  const std::size_t before = open_files(::getpid());
  int wrong = 0;
  for (int i = 0; i < 3; ++i) {
    const std::string text = thrown_by<std::exception>([] { Pool(40); });
    wrong += expect(text != "nothing was thrown", "a pool of 40 is too many");
    wrong += expect(open_files(::getpid()) == before, "all descriptors are back");
    wrong += expect(active_children().empty(), "no worker is left");
    wrong += expect(Pool(2).apply(cube, 2) == 8, "a smaller pool works");
  }
  return wrong;
}

TEST(PoolLimits, APoolThatCannotBeMadeLetsGoOfItsDescriptorsAndProcesses) {
  if (kSanitized) GTEST_SKIP() << "a sanitizer needs address space and descriptors itself";
  EXPECT_EQ(in_fork([] {
              limit(RLIMIT_NOFILE, 64);
              return fails_and_lets_go();
            }),
            0);
  EXPECT_EQ(in_fork([] {
              rlimit files{};
              ::getrlimit(RLIMIT_NOFILE, &files);
              files.rlim_cur = 64;
              ::setrlimit(RLIMIT_NOFILE, &files);
              const std::string text = thrown_by<std::system_error>([] { Pool(40); });
              return fails_and_lets_go() +
                     expect(text.starts_with("a pool of 40 processes cannot be started (ulimit -n "
                                             "limits open files): "),
                            text.c_str());
            }),
            0);
}

// A user of this test alone, so that nobody else's processes count.
constexpr uid_t kNobodyElse = 54'321;

TEST(PoolLimits, SaysWhichLimitIsOnProcesses) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root, to become a user without other processes";
  if (kThreadSanitized) GTEST_SKIP() << "the threads of the sanitizer count";
  EXPECT_EQ(in_fork([] {
              if (::setgroups(0, nullptr) != 0 || ::setuid(kNobodyElse) != 0) std::abort();
              Pool(1).apply(cube, 1);
              limit(RLIMIT_NPROC, 5);
              const std::string text = thrown_by<std::system_error>([] { Pool(8); });
              return expect(text == "a pool of 8 processes cannot be started: cannot start a "
                                    "thread (look at `ulimit -u` and at filters of system calls, "
                                    "which must allow clone3 or answer ENOSYS): Resource "
                                    "temporarily unavailable",
                            text.c_str()) +
                     expect(Pool(1).apply(cube, 2) == 8, "a smaller pool works");
            }),
            0);
}

TEST(PoolLimits, SaysWhichLimitKeepsTheForkServerFromComingUp) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root, to become a user without other processes";
  EXPECT_EQ(in_fork([] {
              if (::setgroups(0, nullptr) != 0 || ::setuid(kNobodyElse) != 0) std::abort();
              limit(RLIMIT_NPROC, 1);
              const std::string text = thrown_by<std::system_error>([] { Pool(1); });
              return expect(text == "cannot fork (ulimit -u limits processes and threads): "
                                    "Resource temporarily unavailable",
                            text.c_str());
            }),
            0);
}

TEST(PoolLimits, SaysThatItNeedsProc) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root, to have another root directory";
  const std::string root = testing::TempDir() + "steward-no-proc-" + std::to_string(::getpid());
  std::filesystem::create_directory(root);
  EXPECT_EQ(in_fork([&] {
              if (::chroot(root.c_str()) != 0) std::abort();
              const std::string text = thrown_by<std::exception>([] { Pool(1); });
              constexpr const char* kStart =
                  "shared memory cannot be opened again at /proc/self/fd/";
              return expect(text.starts_with(kStart), text.c_str());
            }),
            0);
  std::filesystem::remove(root);
}

// Its workers stay root's, and may not be sent signals any more.
TEST(PoolLimits, EndsQuietlyInAProgramThatHasDroppedItsPrivileges) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root, to drop privileges";
  EXPECT_EQ(in_fork([] {
              Pipe gate;
              Future<std::string> heard;
              {
                Pool idle(2);
                idle.apply(cube, 1);
                Pool busy(1);
                heard = busy.apply_async(hear, gate.reader());
                if (::setgroups(0, nullptr) != 0 || ::setuid(kNobodyElse) != 0) std::abort();
              }
              return expect(active_children().empty(), "none is waited for at the end") +
                     expect(thrown_by<Closed>([&] { heard.get(); }) == "the pool was destroyed",
                            "what has no result is closed");
            }),
            0);
}

TEST(PoolLimits, WorksWithLittleAddressSpace) {
  if (kSanitized) GTEST_SKIP() << "a sanitizer needs address space and descriptors itself";
  for (const std::uint64_t megabytes_there : {2000U, 500U}) {
    EXPECT_EQ(in_fork([&] {
                limit(RLIMIT_AS, megabytes_there << 20U);
                Pool pool(2);
                const std::vector<std::size_t> sizes =
                    pool.map(length, std::vector(8, megabytes(3)));
                int wrong = expect(sizes == std::vector(8, std::size_t{3} << 20U), "results");
                wrong += expect(pool.apply(megabytes, 10).size() == 10U << 20U, "a large result");
                return wrong;
              }),
              0)
        << megabytes_there;
  }
}

TEST(PoolLimits, AnAllocationThatFailsInAWorkerIsTheCallersToCatch) {
  if (kSanitized) GTEST_SKIP() << "a sanitizer needs address space and descriptors itself";
  EXPECT_EQ(in_fork([] {
              limit(RLIMIT_AS, std::uint64_t{1000} << 20U);
              Pool pool(1);
              const auto text = thrown_by<std::bad_alloc>([&] { pool.apply(megabytes, 2000); });
              int wrong = expect(text != "nothing was thrown", text.c_str());
              return wrong + expect(pool.apply(cube, 2) == 8, "the pool goes on");
            }),
            0);
}

TEST(PoolLimits, ARefusedMemoryFileIsOneClearSentence) {
  EXPECT_EQ(in_fork([] {
              refuse_call(SYS_memfd_create, EPERM);
              const std::string text = thrown_by<std::exception>([] { Pool(1); });
              return expect(text == "no shared memory: memfd_create is refused here, by seccomp "
                                    "for instance: Operation not permitted",
                            text.c_str());
            }),
            0);
}

TEST(PoolLimits, APoolThatCannotBeMadeSaysWhatItsWorkerSaid) {
  EXPECT_EQ(in_fork([] {
              Pool(1).apply(cube, 1);  // its fork server has no such filter
              refuse_call(SYS_acct, EPERM);
              const std::string worker = thrown_by<std::system_error>([] {
                Process child([] {});
                child.start();
              });
              const std::string pool = thrown_by<std::system_error>([] { Pool(1); });
              return expect(worker.find("seccomp") != worker.npos, worker.c_str()) +
                     expect(pool.find(worker.substr(worker.find(": "))) != pool.npos,
                            pool.c_str());
            }),
            0);
}

TEST(PoolLimits, WorksWithSmallFiles) {
  for (const std::uint64_t megabytes_there : {3000U, 500U, 16U}) {
    EXPECT_EQ(in_fork([&] {
                limit(RLIMIT_FSIZE, megabytes_there << 20U);
                Pool pool(2);
                return expect(pool.map(length, std::vector(8, megabytes(3))) ==
                                  std::vector(8, std::size_t{3} << 20U),
                              "results");
              }),
              0)
        << megabytes_there;
  }
}

TEST(PoolLimits, FilesThatAreTooSmallAreAClearError) {
  EXPECT_EQ(in_fork([] {
              limit(RLIMIT_FSIZE, 1U << 20U);
              const std::string pool = thrown_by<std::exception>([] { Pool(1); });
              const std::string argument = thrown_by<std::exception>([] {
                Process child([](const std::string&) {}, megabytes(2));
                child.start();
              });
              Process small([](const std::string&) {}, std::string(100'000, 'x'));
              small.start();
              small.join();
              int wrong = 0;
              for (const std::string& text : {pool, argument}) {
                wrong += expect(text.find("the limit on the size of files (ulimit -f) is 1048576 "
                                          "bytes") != text.npos,
                                text.c_str());
              }
              return wrong + expect(small.exitcode() == 0, "a small argument travels");
            }),
            0);
}

}  // namespace
}  // namespace steward::detail::test
