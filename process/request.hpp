// What the starter of a process asks of a process server, and how that travels: one message over
// the connection, with what is larger than the message in a sealed memory file.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <sys/types.h>

#include <steward/core/auth.hpp>
#include <steward/core/clock.hpp>
#include <steward/process/descriptors.hpp>
#include <steward/process/info.hpp>
#include <steward/process/inheritance.hpp>
#include <steward/process/module.hpp>
#include <steward/process/start_method.hpp>
#include <steward/shm/fd_passing.hpp>

namespace steward::detail::process {

// A request without its descriptors. The entry of a process that is forked is its bare address in
// `offset`. Views live as long as the bytes that they were read from.
struct Request {
  CodeAddress entry;
  Identity identity;
  std::optional<StartMethod> default_method;  // the default method in the new process
  bool server = false;
  std::vector<std::string_view> environment;  // "NAME=value"
  std::size_t files = 0;  // how many files wait in the status channel
  std::string_view arguments;
};

// Asks the process server to send a signal to a process that the sender of the request has started.
struct SignalRequest {
  pid_t pid = 0;
  int number = 0;
};

// A request as the process server receives it. The server uses `starter`, `server`,
// `hang_up_ignored` and `signal`; the rest is for the new process. What they say may be secret: it
// is erased when they go.
struct IncomingRequest {
  IncomingRequest() = default;
  IncomingRequest(IncomingRequest&&) = default;
  IncomingRequest& operator=(IncomingRequest&&) = default;
  ~IncomingRequest() { core::erase(bytes); }

  Starter starter;
  bool server = false;
  bool hang_up_ignored = false;  // SIGHUP, by the starter
  std::optional<SignalRequest> signal;  // if set, the request is for a signal and has nothing else
  std::string bytes;  // of the request, unless they are in `memory`
  shm::UniqueFd memory;
  shm::UniqueFd channel;
  std::optional<shm::UniqueFd> directory;
  std::optional<shm::UniqueFd> standard[3];  // what the starter has as descriptors 0, 1 and 2
};

// Sends the request with this process's directory and standard descriptors and the child's end of
// the status channel. In a memory file it outlives an execve(). Throws SystemError (EPIPE:
// the process server is gone; EAGAIN: it has not made room by then).
enum class Encoding { by_size, in_memory };
void send_request(int connection, const Request& request, int channel, Encoding encoding,
                  core::Deadline deadline = std::nullopt);
// The process server answers nothing. Throws SystemError, likewise.
void send_request(int connection, const SignalRequest& request, core::Deadline deadline);
// Called at the process server's end: from now on the kernel says who has sent each message
// (SO_PASSCRED). Throws SystemError.
void ask_for_sender(int connection);

// Puts copies of the files into the starter's end of the status channel. They wait there for the
// new process, whatever way it comes up; if it never does, they end with the channel. Throws
// SystemError.
void send_files(int channel, const std::vector<int>& files);
// In the new process. Throws SystemError, BadCall if they are not there.
std::vector<shm::UniqueFd> receive_files(int channel, std::size_t count);

// The next request; nullopt at the end of the connection. Throws SystemError or BadCall for a
// message that cannot be used; its sender finds its status channel closed.
std::optional<IncomingRequest> receive_request(int connection);

// The bytes of a request in the process that it is for. Movable.
class RequestBytes {
 public:
  RequestBytes() = default;
  explicit RequestBytes(IncomingRequest& request);
  RequestBytes(RequestBytes&&) = default;
  RequestBytes& operator=(RequestBytes&&) = default;
  ~RequestBytes() { core::erase(inline_); }
  Request decode() const;  // throws BadCall

 private:
  std::string inline_;
  Mapping mapped_;
};

}  // namespace steward::detail::process
