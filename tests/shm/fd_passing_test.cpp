#include <steward/shm/fd_passing.hpp>

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <functional>
#include <iterator>
#include <new>
#include <string>
#include <system_error>
#include <vector>

#include <gtest/gtest.h>

#include <steward/core/errors.hpp>
#include <steward/tests/sanitized.hpp>
#include <steward/tests/shm/failing_new.hpp>

namespace steward::detail::shm {
namespace {

std::size_t open_files() {
  const std::filesystem::directory_iterator files("/proc/self/fd");
  return static_cast<std::size_t>(std::distance(begin(files), end(files))) - 1;
}

bool same_file(int one, int other) {
  struct stat a{};
  struct stat b{};
  return ::fstat(one, &a) == 0 && ::fstat(other, &b) == 0 && a.st_dev == b.st_dev &&
         a.st_ino == b.st_ino;
}

int error_of(const std::function<void()>& call) {
  try {
    call();
  } catch (const std::system_error& error) {
    return error.code().value();
  }
  return 0;
}

FdMessage receive(int socket, std::size_t max_bytes = 1000) {
  Received received = receive_with_fds(socket, max_bytes);
  EXPECT_TRUE(received.message);
  return *std::move(received.message);
}

TEST(FdPassing, LastWordsArriveAlthoughTheirSpeakerDidNotListen) {
  SocketPair pair = seqpacket_pair();
  send_with_fds(pair.a.get(), "never read");
  send_with_fds(pair.b.get(), "one");
  send_with_fds(pair.b.get(), "two");
  pair.b.reset();
  EXPECT_EQ(receive(pair.a.get()).bytes, "one");
  EXPECT_EQ(receive(pair.a.get()).bytes, "two");
  EXPECT_FALSE(receive_with_fds(pair.a.get(), 1000).message);
}

TEST(FdPassing, BytesAndFilesArrive) {
  const SocketPair pair = seqpacket_pair();
  const SocketPair file = seqpacket_pair();
  send_with_fds(pair.a.get(), "two", {file.a.get(), file.b.get()});
  const FdMessage message = receive(pair.b.get());
  EXPECT_EQ(message.bytes, "two");
  ASSERT_EQ(message.fds.size(), 2U);
  EXPECT_NE(message.fds[0].get(), file.a.get());
  EXPECT_TRUE(same_file(message.fds[0].get(), file.a.get()));
  EXPECT_TRUE(same_file(message.fds[1].get(), file.b.get()));
}

TEST(FdPassing, WhatArrivesIsCloseOnExec) {
  const SocketPair pair = seqpacket_pair();
  const int plain = ::dup(pair.a.get());
  send_with_fds(pair.a.get(), "x", {plain});
  const FdMessage message = receive(pair.b.get());
  EXPECT_EQ(::fcntl(message.fds.at(0).get(), F_GETFD), FD_CLOEXEC);
  EXPECT_EQ(::fcntl(pair.a.get(), F_GETFD), FD_CLOEXEC);
  ::close(plain);
}

TEST(FdPassing, MessagesKeepTheirBoundsAndOrder) {
  const SocketPair pair = seqpacket_pair();
  send_with_fds(pair.a.get(), "one");
  send_with_fds(pair.a.get(), std::string("t\0wo", 4), {pair.a.get()});
  send_with_fds(pair.a.get(), std::string(100'000, 'x'));
  EXPECT_EQ(receive(pair.b.get()).bytes, "one");
  const FdMessage second = receive(pair.b.get());
  EXPECT_EQ(second.bytes, std::string("t\0wo", 4));
  EXPECT_EQ(second.fds.size(), 1U);
  const FdMessage third = receive(pair.b.get(), 100'000);
  EXPECT_EQ(third.bytes.size(), 100'000U);
  EXPECT_TRUE(third.fds.empty());
}

TEST(FdPassing, AsManyFilesAsAllowedTravelAndNotOneMore) {
  const SocketPair pair = seqpacket_pair();
  send_with_fds(pair.a.get(), "x", std::vector<int>(kMaxFdsPerMessage, pair.a.get()));
  EXPECT_EQ(receive(pair.b.get()).fds.size(), kMaxFdsPerMessage);
  EXPECT_EQ(error_of([&] {
              send_with_fds(pair.a.get(), "x",
                            std::vector<int>(kMaxFdsPerMessage + 1, pair.a.get()));
            }),
            EINVAL);
}

TEST(FdPassing, AnEmptyMessageWouldLookLikeTheEndAndIsRefused) {
  const SocketPair pair = seqpacket_pair();
  EXPECT_EQ(error_of([&] { send_with_fds(pair.a.get(), ""); }), EINVAL);
}

TEST(FdPassing, ReceivingWithoutWaitingSaysThatNothingIsThere) {
  const SocketPair pair = seqpacket_pair();
  const Received none = receive_with_fds(pair.b.get(), 10, Wait::none);
  EXPECT_FALSE(none.message);
  EXPECT_TRUE(none.would_block);
  send_with_fds(pair.a.get(), "x");
  const Received one = receive_with_fds(pair.b.get(), 10, Wait::none);
  EXPECT_TRUE(one.message);
  EXPECT_FALSE(one.would_block);
}

TEST(FdPassing, TheEndComesAfterWhatWasSent) {
  SocketPair pair = seqpacket_pair();
  send_with_fds(pair.a.get(), "last");
  pair.a.reset();
  EXPECT_EQ(receive(pair.b.get()).bytes, "last");
  for (const Wait wait : {Wait::block, Wait::none}) {
    const Received end = receive_with_fds(pair.b.get(), 10, wait);
    EXPECT_FALSE(end.message);
    EXPECT_FALSE(end.would_block);
  }
}

TEST(FdPassing, APeerThatLeftUnreadBytesIsTheEndToo) {
  SocketPair pair = seqpacket_pair();
  send_with_fds(pair.a.get(), "never read");
  pair.b.reset();
  EXPECT_FALSE(receive_with_fds(pair.a.get(), 10).message);
}

TEST(FdPassing, SendingToNobodyIsAnErrorAndNoSignal) {
  SocketPair pair = seqpacket_pair();
  pair.b.reset();
  EXPECT_EQ(error_of([&] { send_with_fds(pair.a.get(), "x"); }), EPIPE);
}

TEST(FdPassing, AMessageThatWasCutIsAnErrorAndLeaksNothing) {
  const SocketPair pair = seqpacket_pair();
  const std::size_t before = open_files();
  send_with_fds(pair.a.get(), "too long", {pair.a.get()});
  EXPECT_EQ(error_of([&] { receive_with_fds(pair.b.get(), 3); }), EMSGSIZE);
  send_with_fds(pair.a.get(), "next");
  EXPECT_EQ(receive(pair.b.get()).bytes, "next");
  EXPECT_EQ(open_files(), before);
}

TEST(FdPassing, AMessageWithMoreFilesThanAllowedIsAnErrorAndLeaksNothing) {
  const SocketPair pair = seqpacket_pair();
  const std::size_t before = open_files();
  // What a stranger might send.
  constexpr std::size_t kMany = kMaxFdsPerMessage + 8;
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int) * kMany)> control{};
  char byte = 'x';
  iovec data{&byte, 1};
  msghdr header{};
  header.msg_iov = &data;
  header.msg_iovlen = 1;
  header.msg_control = control.data();
  header.msg_controllen = control.size();
  cmsghdr* part = CMSG_FIRSTHDR(&header);
  part->cmsg_level = SOL_SOCKET;
  part->cmsg_type = SCM_RIGHTS;
  part->cmsg_len = CMSG_LEN(sizeof(int) * kMany);
  const std::vector<int> fds(kMany, pair.a.get());
  std::memcpy(CMSG_DATA(part), fds.data(), sizeof(int) * kMany);
  ASSERT_EQ(::sendmsg(pair.a.get(), &header, 0), 1);
  EXPECT_EQ(error_of([&] { receive_with_fds(pair.b.get(), 10); }), EMSGSIZE);
  EXPECT_EQ(open_files(), before);
}

TEST(FdPassing, WithoutRoomForTheFilesTheErrorSaysSoAndNothingLeaks) {
  if (steward::detail::test::kSanitized) GTEST_SKIP() << "the sanitizer needs descriptors itself";
  const SocketPair pair = seqpacket_pair();
  const std::size_t before = open_files();
  send_with_fds(pair.a.get(), "x", {pair.a.get()});
  const int next = ::dup(pair.a.get());
  ::close(next);
  rlimit usual{};
  ::getrlimit(RLIMIT_NOFILE, &usual);
  const rlimit full{static_cast<rlim_t>(next), usual.rlim_max};
  ::setrlimit(RLIMIT_NOFILE, &full);
  std::string text;
  try {
    receive_with_fds(pair.b.get(), 10);
  } catch (const SystemError& error) {
    text = error.what();
  }
  ::setrlimit(RLIMIT_NOFILE, &usual);
  EXPECT_EQ(text, "no room for the descriptors of a message (ulimit -n is " + std::to_string(next) +
                      "): Too many open files");
  EXPECT_EQ(open_files(), before);
}

TEST(FdPassing, WithoutMemoryForAMessageNothingLeaks) {
  const std::size_t before = open_files();
  test::at_each_allocation([](std::size_t n) {
    const SocketPair pair = seqpacket_pair();
    send_with_fds(pair.a.get(), "x", std::vector<int>(kMaxFdsPerMessage, pair.a.get()));
    const test::FailingNew failing(n);
    try {
      receive_with_fds(pair.b.get(), 1000);
    } catch (const std::bad_alloc&) {
    }
    return failing.has_failed();
  });
  EXPECT_EQ(open_files(), before);
}

TEST(FdPassing, SendingNeedsNoMemory) {
  const SocketPair pair = seqpacket_pair();
  const test::FailingNew failing(1);
  send_with_fds(pair.a.get(), "x", {pair.a.get(), pair.b.get()});
  EXPECT_FALSE(failing.has_failed());
}

TEST(FdPassing, TheKernelNamesTheSenderWhereItIsAsked) {
  const SocketPair pair = seqpacket_pair();
  const int on = 1;
  ASSERT_EQ(::setsockopt(pair.b.get(), SOL_SOCKET, SO_PASSCRED, &on, sizeof on), 0);
  send_with_fds(pair.a.get(), "x", std::vector<int>(kMaxFdsPerMessage, pair.a.get()));
  const Received received = receive_with_fds(pair.b.get(), 10);
  ASSERT_TRUE(received.message && received.sender);
  EXPECT_EQ(received.message->fds.size(), kMaxFdsPerMessage);
  EXPECT_EQ(received.sender->pid, ::getpid());
  EXPECT_EQ(received.sender->uid, ::getuid());
}

TEST(FdPassing, NotASocketIsAnError) {
  const UniqueFd file(::open("/dev/null", O_RDWR | O_CLOEXEC));
  EXPECT_EQ(error_of([&] { send_with_fds(file.get(), "x"); }), ENOTSOCK);
  EXPECT_EQ(error_of([&] { receive_with_fds(file.get(), 10); }), ENOTSOCK);
}

}  // namespace
}  // namespace steward::detail::shm
