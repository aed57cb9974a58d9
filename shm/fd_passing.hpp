// Sends and receives messages that carry open file descriptors over Unix SOCK_SEQPACKET sockets
// (SCM_RIGHTS).
//
// Thread safety: as the socket calls beneath; a message is sent and received whole.
#pragma once

#include <sys/socket.h>

#include <initializer_list>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <steward/shm/unique_fd.hpp>

namespace steward::detail::shm {

// At most this many descriptors travel in one message (the kernel's limit is 253).
inline constexpr std::size_t kMaxFdsPerMessage = 16;

struct FdMessage {
  std::string bytes;
  std::vector<UniqueFd> fds;  // close-on-exec
};

enum class Wait { block, none };

// Sends the bytes (at least one) and duplicates of the descriptors as one message. Allocates memory
// only for what it throws:
// SystemError; a peer that is gone is EPIPE, never SIGPIPE; with Wait::none no room is EAGAIN.
// `sender`: credentials that the kernel confirms to the receiver in place of the real ids; EPERM if
// this process may not claim them.
void send_with_fds(int socket, std::string_view bytes, std::span<const int> fds = {},
                   Wait wait = Wait::block, const std::optional<ucred>& sender = std::nullopt);
inline void send_with_fds(int socket, std::string_view bytes, std::initializer_list<int> fds,
                          Wait wait = Wait::block) {
  send_with_fds(socket, bytes, std::span(fds.begin(), fds.size()), wait);
}

// The next message, of at most `max_bytes`; nullopt at the end of the stream (bytes of a real
// message are never empty), or with Wait::none when nothing is there (would_block says which).
// A message that was cut, or that brought more descriptors than allowed, throws SystemError
// (EMSGSIZE; EMFILE if this process has no room for its descriptors) and what it brought is closed.
struct Received {
  std::optional<FdMessage> message;
  bool would_block = false;
  std::optional<ucred> sender{};  // the kernel's word, on a socket with SO_PASSCRED
};
Received receive_with_fds(int socket, std::size_t max_bytes, Wait wait = Wait::block);

// A connected pair, close-on-exec.
struct SocketPair {
  UniqueFd a;
  UniqueFd b;
};
SocketPair seqpacket_pair();

}  // namespace steward::detail::shm
