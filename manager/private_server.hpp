// PrivateServer: a server process that belongs to this one, from its start to the removal of what
// it leaves.
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include <sys/types.h>

#include <steward/core/clock.hpp>
#include <steward/manager/options.hpp>
#include <steward/process/child.hpp>

namespace steward::detail::manager {

// A resource: movable. Dropping it ends the process as end() does, but only in the process that
// started it. The server watches its owner: it ends with it in any case.
//
// Thread safety: any thread may call any function, but for moving and destruction.
class PrivateServer {
 public:
  // Up when this returns. Throws what kept it from coming up.
  PrivateServer(Types types, const ManagerOptions& options);
  PrivateServer(PrivateServer&&) noexcept = default;
  PrivateServer& operator=(PrivateServer&&) = delete;
  ~PrivateServer();

  // The one of this host first; another one behind it if it listens at tcp.
  const std::vector<std::string>& addresses() const { return addresses_; }
  pid_t pid() const { return process_.pid(); }
  bool running() const { return process_.running(); }
  // False: the deadline has passed.
  bool wait(core::Deadline deadline) const { return process_.wait(deadline); }
  // SIGTERM, then SIGKILL, each given half of `patience`; the process and its directory are gone
  // when this returns.
  void end(std::chrono::milliseconds patience) const;
  // Whether this process started it, and has not left it to itself.
  bool is_ours() const;
  // Nobody ends it any more: it does so with this process.
  void leave_alone() noexcept { creator_ = 0; }

 private:
  process::Child process_;
  std::vector<std::string> addresses_;
  pid_t creator_;
};

}  // namespace steward::detail::manager
