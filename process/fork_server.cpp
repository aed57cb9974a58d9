#include <steward/process/fork_server.hpp>

#include <unistd.h>

#include <cerrno>
#include <optional>
#include <utility>

#include <steward/core/errors.hpp>
#include <steward/core/signals_blocked.hpp>
#include <steward/process/descriptors.hpp>
#include <steward/process/state.hpp>
#include <steward/process/streams.hpp>
#include <steward/shm/fd_passing.hpp>
#include <steward/shm/pidfd.hpp>

namespace steward::detail::process {
namespace {

struct Copy {
  StartMethod method;
  bool beside_threads;
  bool keeps_files;
  bool on_programs_thread;
};

std::shared_ptr<Link> fork_as(const Copy& copy) {
  if (copy.on_programs_thread) flush_streams();
  shm::SocketPair pair = lifted_pair();
  ServerArguments arguments{copy.method, std::move(pair.b), lifted(shm::pidfd_of(::getpid())),
                            ::getpid(), copy.beside_threads};
  pid_t step = 0;
  {
    // No handler of the program may run in the copy.
    const core::SignalsBlocked blocked;
    std::optional<CopiesLoseFiles> alone;
    if (!copy.keeps_files) alone.emplace();
    step = ::fork();
    if (step == 0) {
      const pid_t pid = ::fork();
      if (pid != 0) end_step(arguments.connection.get(), pid);
      pair.a.reset();
      if (!copy.keeps_files) ProcessState::get().lose_held_files();
      if (!copy.on_programs_thread) forget_output();
      serve_processes(std::move(arguments));
    }
    if (step < 0) {
      throw SystemError(errno, errno == EAGAIN
                                   ? "cannot fork (ulimit -u limits processes and threads)"
                                   : "cannot fork");
    }
  }
  arguments = {};
  return await_server(copy.method, step, std::move(pair.a));
}

}  // namespace

std::shared_ptr<Link> start_fork_server(bool beside_threads) {
  return fork_as({StartMethod::fork_server, beside_threads, false, true});
}

std::shared_ptr<Link> fork_process_server(bool keeps_files, bool on_programs_thread) {
  return fork_as({StartMethod::fork, true, keeps_files, on_programs_thread});
}

}  // namespace steward::detail::process
