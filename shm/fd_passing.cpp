#include <steward/shm/fd_passing.hpp>

#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <string>
#include <utility>

#include <steward/core/errors.hpp>

namespace steward::detail::shm {
namespace {

using Control =
    std::array<char, CMSG_SPACE(sizeof(int) * kMaxFdsPerMessage) + CMSG_SPACE(sizeof(ucred))>;

void take_fds(const cmsghdr* part, std::vector<UniqueFd>& fds) {
  const std::size_t count = (part->cmsg_len - CMSG_LEN(0)) / sizeof(int);
  for (std::size_t i = 0; i < count; ++i) {
    int fd;
    std::memcpy(&fd, CMSG_DATA(part) + i * sizeof(int), sizeof fd);
    fds.emplace_back(fd);
  }
}

// What came beside the bytes.
void take_control(msghdr& header, FdMessage& message, std::optional<ucred>& sender) {
  for (cmsghdr* part = CMSG_FIRSTHDR(&header); part != nullptr; part = CMSG_NXTHDR(&header, part)) {
    if (part->cmsg_level != SOL_SOCKET) continue;
    if (part->cmsg_type == SCM_RIGHTS) take_fds(part, message.fds);
    if (part->cmsg_type == SCM_CREDENTIALS) {
      std::memcpy(&sender.emplace(), CMSG_DATA(part), sizeof(ucred));
    }
  }
}

// The kernel gives no more descriptors than there is room for, here and in this process.
void check_whole(const FdMessage& message, const msghdr& header) {
  const bool cut = (header.msg_flags & MSG_CTRUNC) != 0;
  const std::size_t count = message.fds.size();
  if ((header.msg_flags & MSG_TRUNC) != 0 || count > kMaxFdsPerMessage ||
      (cut && count == kMaxFdsPerMessage)) {
    throw SystemError(EMSGSIZE, "a message with descriptors was cut");
  }
  if (!cut) return;
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  throw SystemError(EMFILE, "no room for the descriptors of a message (ulimit -n is " +
                                std::to_string(limit.rlim_cur) + ')');
}

}  // namespace

void send_with_fds(int socket, std::string_view bytes, std::span<const int> fds, Wait wait,
                   const std::optional<ucred>& sender) {
  if (fds.size() > kMaxFdsPerMessage) {
    throw SystemError(EINVAL, "too many descriptors in one message");
  }
  if (bytes.empty()) throw SystemError(EINVAL, "a message without bytes would look like the end");
  iovec data{const_cast<char*>(bytes.data()), bytes.size()};
  msghdr header{};
  header.msg_iov = &data;
  header.msg_iovlen = 1;
  alignas(cmsghdr) Control control{};
  const auto put = [&](int type, const void* content, std::size_t size) {
    auto* part = reinterpret_cast<cmsghdr*>(control.data() + header.msg_controllen);
    part->cmsg_level = SOL_SOCKET;
    part->cmsg_type = type;
    part->cmsg_len = CMSG_LEN(size);
    std::memcpy(CMSG_DATA(part), content, size);
    header.msg_controllen += CMSG_SPACE(size);
  };
  if (!fds.empty()) put(SCM_RIGHTS, fds.data(), sizeof(int) * fds.size());
  if (sender) put(SCM_CREDENTIALS, &*sender, sizeof *sender);
  if (header.msg_controllen > 0) header.msg_control = control.data();
  const int flags = MSG_NOSIGNAL | (wait == Wait::none ? MSG_DONTWAIT : 0);
  for (;;) {
    if (::sendmsg(socket, &header, flags) >= 0) return;
    if (errno != EINTR) throw SystemError(errno, "cannot send a message with descriptors");
  }
}

Received receive_with_fds(int socket, std::size_t max_bytes, Wait wait) {
  FdMessage message;
  message.bytes.resize(max_bytes);
  // Whatever came must be held at once, or nobody would close it.
  message.fds.reserve(sizeof(Control) / sizeof(int));
  iovec data{message.bytes.data(), message.bytes.size()};
  alignas(cmsghdr) Control control{};
  msghdr header{};
  header.msg_iov = &data;
  header.msg_iovlen = 1;
  header.msg_control = control.data();
  header.msg_controllen = control.size();
  const int flags = MSG_CMSG_CLOEXEC | (wait == Wait::none ? MSG_DONTWAIT : 0);
  ssize_t size;
  // The other side has closed and not read all: the kernel says so once, and before what the other
  // side had said.
  bool reset = false;
  do {
    size = ::recvmsg(socket, &header, flags);
  } while (size < 0 && (errno == EINTR || (errno == ECONNRESET && !std::exchange(reset, true))));
  if (size < 0 && wait == Wait::none && (errno == EAGAIN || errno == EWOULDBLOCK)) {
    return {std::nullopt, true};
  }
  if (size < 0 && errno == ECONNRESET) return {};
  if (size < 0) throw SystemError(errno, "cannot receive a message with descriptors");
  std::optional<ucred> sender;
  take_control(header, message, sender);
  check_whole(message, header);
  if (size == 0) return {};
  message.bytes.resize(static_cast<std::size_t>(size));
  return {std::move(message), false, sender};
}

SocketPair seqpacket_pair() {
  std::array<int, 2> fds{};
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds.data()) != 0) {
    throw SystemError(errno, "cannot make a pair of sockets");
  }
  return {UniqueFd(fds[0]), UniqueFd(fds[1])};
}

}  // namespace steward::detail::shm
