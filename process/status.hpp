// The status channel: what the starter of a process hears about it. One SOCK_SEQPACKET pair a
// process; the starter reads one end, the process server and, until it is up, the child write to
// the other. The child finds there the open files that it was given, and then whether it may go on.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <steward/core/errors.hpp>
#include <steward/core/standard_errors.hpp>
#include <steward/shm/fd_passing.hpp>

namespace steward::detail::process {

enum class StatusKind : std::int32_t {
  started,    // from the process server: value is the pid, the descriptor a pidfd
  not_started,  // from the process server: value is the errno of fork
  confirmed,  // from the child: it is up; text is its message
  refused,    // from the child: it cannot come up; text is a packed ExceptionRecord
  ended,      // from the process server, last: value is the exit code, negative for a signal
};

struct Status {
  StatusKind kind{};
  std::int32_t value = 0;
  std::string text;
  shm::UniqueFd fd;
};

// The largest text of a message. At most three messages wait in a channel, and this size lets them
// fit.
inline constexpr std::size_t kStatusTextBytes = 32U << 10U;

// Without a text it needs no memory. Throws SystemError (EPIPE: the starter no longer listens;
// EAGAIN with Wait::none: nor has it left room).
void send_status(int channel, StatusKind kind, std::int32_t value, std::string_view text = {},
                 std::optional<int> fd = std::nullopt, shm::Wait wait = shm::Wait::block);
// nullopt at the end of the channel, or with Wait::none if nothing is there.
std::optional<Status> receive_status(int channel, shm::Wait wait);

// ---- The last word, from the starter to the child: it knows of it, and its work may begin ----

// Nothing is said to a process that has ended meanwhile. Throws SystemError.
void send_go(int channel);
// False: the starter has given it up, or has ended. Needs no memory, for the starter takes what has
// confirmed to be up. Throws SystemError.
bool await_go(int channel, int starter_pidfd);
// That, for all copies of the channel's end.
void give_up(int channel) noexcept;

// An exception on its way from the child to the starter, where it becomes the same type again if it
// is one of ours or a standard one.
struct ExceptionRecord {
  core::ErrorCode code = core::ErrorCode::remote;
  std::string text;
  std::string type;  // "std::out_of_range"
  core::Standard standard{};
};

// Of the exception that is being handled.
ExceptionRecord record_exception();
std::string pack_exception(const ExceptionRecord& failure);
[[noreturn]] void throw_exception(std::string_view packed);

}  // namespace steward::detail::process
