#include <steward/process/child.hpp>

#include <poll.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include <cerrno>
#include <exception>
#include <mutex>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include <steward/core/errors.hpp>
#include <steward/process/descriptors.hpp>
#include <steward/process/process_server.hpp>
#include <steward/process/request.hpp>
#include <steward/process/status.hpp>
#include <steward/process/streams.hpp>
#include <steward/shm/pidfd.hpp>
#include <steward/shm/poll.hpp>

namespace steward::detail::process {
namespace {

// The next message of the channel; nullopt at its end, which a dead process server also means: some
// other process may hold the channel open by accident. As long as there is no `pidfd` (-1), the
// process server itself owes a message; and after the end of the process, when it has its time.
std::optional<Status> next_status(int channel, const Link& link, const std::string& name,
                                  int give_up, int pidfd) {
  const auto something_comes = [&](core::Deadline deadline) {
    return wait_readable({channel, link.pidfd.get(), give_up}, deadline);
  };
  if (pidfd >= 0) {
    wait_readable({channel, link.pidfd.get(), give_up, pidfd}, std::nullopt);
    if (!something_comes(core::deadline_after(Child::kServerTime))) {
      throw EndedBeforeUp(name, Child::kUnknownExitCode);
    }
  } else {
    while (!something_comes(core::deadline_after(Child::kServerTime))) throw_if_stopped(name, link);
  }
  if (wait_readable({give_up}, core::Time{})) throw Closed(name + ": nobody wants it any more");
  return receive_status(channel, shm::Wait::none);
}

// The channel has ended. `started`: the process server had told of a process.
[[noreturn]] void throw_lost(const std::string& name, const Link& link, bool started) {
  // One for one process ends when it cannot take its request.
  const bool must_be_there = started || link.method != StartMethod::fork;
  if (must_be_there && shm::has_ended(link.pidfd.get())) throw_server_ended(name, link);
  throw RequestNotTaken(fmt::format("{}: {} could not take the request: {}", name, server_of(link),
                                    what_it_may_lack()));
}

// The starter's end of a channel; unless it is kept, the process must not begin its work.
class UnlessKept {
 public:
  explicit UnlessKept(int channel) : channel_(channel) {}
  UnlessKept(const UnlessKept&) = delete;
  UnlessKept& operator=(const UnlessKept&) = delete;
  ~UnlessKept() {
    if (channel_ >= 0) give_up(channel_);
  }
  void keep() { channel_ = -1; }

 private:
  int channel_;
};

}  // namespace

std::string describe_ending(int exit_code) {
  if (exit_code >= 0) return fmt::format("exit code {}", exit_code);
  return fmt::format("signal {} ({})", -exit_code, ::strsignal(-exit_code));
}

EndedBeforeUp::EndedBeforeUp(const std::string& name, int exit_code)
    : WorkerDied(fmt::format("{}: ended before it was up ({})", name, describe_ending(exit_code))),
      exit_code_(exit_code) {}

struct Child::Impl {
  std::shared_ptr<const Link> link;
  shm::UniqueFd channel;
  shm::UniqueFd pidfd;
  pid_t pid = 0;
  std::string confirmation;
  pid_t creator = ::getpid();

  std::mutex mutex;
  std::optional<int> exit_code;  // guarded by mutex

  Impl() = default;
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;
  ~Impl() {
    if (creator == ::getpid()) return;
    // A copy in another process: there the numbers may stand for other files.
    channel.release();
    pidfd.release();
  }

  enum class Sent { directly, through_server, to_nobody };
  Sent send(int number) const {
    try {
      return shm::send_signal(pidfd.get(), number) ? Sent::directly : Sent::to_nobody;
    } catch (const SystemError& error) {
      // One that has got other credentials, or this process has.
      if (error.code().value() != EPERM && error.code().value() != ENOSYS) throw;
      if (link->method == StartMethod::fork) throw;  // such a process server listens no longer
    }
    send_request(link->socket.get(), SignalRequest{pid, number},
                 core::deadline_after(kServerTime));
    return Sent::through_server;
  }

  // The process has ended; its process server is about to tell how, unless it stands still. Nullopt
  // once the deadline has passed; without one it is unknown for good once the process server has
  // had its time.
  std::optional<int> collect(core::Deadline deadline, shm::StoppablePoll& poll) {
    const core::Deadline last = deadline ? deadline : core::deadline_after(kServerTime);
    for (;;) {
      if (const auto known = known_exit_code()) return known;
      std::vector<pollfd> entries{{channel.get(), POLLIN, 0}, {link->pidfd.get(), POLLIN, 0}};
      const bool told = poll.until(entries, last);
      const std::lock_guard hold(mutex);
      if (exit_code) continue;
      if (!told && deadline) return std::nullopt;
      if (!told) return exit_code = kUnknownExitCode;
      take_status();
    }
  }

 private:
  std::optional<int> known_exit_code() {
    const std::lock_guard hold(mutex);
    return exit_code;
  }

  // Under the mutex: another thread may have been faster.
  void take_status() {
    if (!wait_readable({channel.get(), link->pidfd.get()}, core::Time{})) return;
    const std::optional<Status> status = receive_status(channel.get(), shm::Wait::none);
    if (!status) {
      exit_code = kUnknownExitCode;
    } else if (status->kind == StatusKind::ended) {
      exit_code = status->value;
    }
  }
};

Child::Child() = default;
Child::Child(Child&&) noexcept = default;
Child& Child::operator=(Child&&) noexcept = default;
Child::~Child() = default;

pid_t Child::pid() const { return impl_->pid; }
int Child::pidfd() const { return impl_->pidfd.get(); }
const std::string& Child::confirmation() const { return impl_->confirmation; }

bool Child::wait(core::Deadline deadline) const {
  shm::StoppablePoll poll;
  return wait(deadline, poll);
}

bool Child::wait(core::Deadline deadline, shm::StoppablePoll& poll) const {
  if (!poll.until(impl_->pidfd.get(), POLLIN, deadline)) return false;
  return impl_->collect(deadline, poll).has_value();
}

bool Child::gone(core::Deadline deadline) const {
  return shm::poll_until(impl_->pidfd.get(), POLLIN, deadline);
}

bool Child::running() const { return !shm::has_ended(impl_->pidfd.get()); }

std::optional<int> Child::exit_code() const {
  if (running()) return std::nullopt;
  shm::StoppablePoll poll;
  return impl_->collect(std::nullopt, poll);
}

bool Child::signal(int number) const { return impl_->send(number) != Impl::Sent::to_nobody; }

void Child::end(std::chrono::milliseconds patience) const {
  impl_->send(SIGTERM);
  if (wait(core::deadline_after(patience))) return;
  if (impl_->send(SIGKILL) != Impl::Sent::through_server) {
    wait();
  } else if (!wait(core::deadline_after(kServerTime))) {
    throw SystemError(EPERM, fmt::format("the process {} cannot be ended", impl_->pid));
  }
}

bool end_or_tell(const Child& child, const std::string& name,
                 std::chrono::milliseconds patience) noexcept {
  try {
    child.end(patience);
    return true;
  } catch (const std::exception& error) {
    write_error(fmt::format("steward: {} goes on: {}\n", name, error.what()));
    return false;
  }
}

Child await_start(std::shared_ptr<const Link> link, shm::UniqueFd channel,
                  const std::string& name, int give_up) {
  UnlessKept started(channel.get());
  Child child;
  child.impl_ = std::make_unique<Child::Impl>();
  bool confirmed = false;
  while (!confirmed || child.impl_->pid == 0) {
    std::optional<Status> status =
        next_status(channel.get(), *link, name, give_up, child.impl_->pidfd.get());
    if (!status) throw_lost(name, *link, child.impl_->pid != 0);
    switch (status->kind) {
      case StatusKind::started:
        child.impl_->pid = status->value;
        child.impl_->pidfd = lifted(std::move(status->fd));
        break;
      case StatusKind::confirmed:
        child.impl_->confirmation = std::move(status->text);
        confirmed = true;
        break;
      case StatusKind::refused:
        throw_exception(status->text);
      case StatusKind::not_started:
        throw SystemError(status->value, name + ": " + server_of(*link) + " cannot start it");
      case StatusKind::ended:
        throw EndedBeforeUp(name, status->value);
    }
  }
  send_go(channel.get());
  started.keep();
  child.impl_->link = std::move(link);
  child.impl_->channel = std::move(channel);
  return child;
}

}  // namespace steward::detail::process
