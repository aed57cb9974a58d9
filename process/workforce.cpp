#include <steward/process/workforce.hpp>

#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <system_error>
#include <utility>

#include <fmt/format.h>

#include <steward/core/errors.hpp>
#include <steward/core/own_threads.hpp>
#include <steward/core/travel.hpp>
#include <steward/process/launch.hpp>
#include <steward/process/state.hpp>
#include <steward/process/worker.hpp>
#include <steward/shm/poll.hpp>

namespace steward::process {
namespace {

constexpr std::chrono::seconds kPatience{2};

// What keeps a process from being started, and may pass.
bool is_want_of_resources(const std::error_code& code) {
  return code == std::errc::resource_unavailable_try_again ||
         code == std::errc::not_enough_memory || code == std::errc::too_many_files_open ||
         code == std::errc::too_many_files_open_in_system;
}

// False: the signal is not allowed.
bool may_signal(const Child& child, int number) noexcept {
  try {
    child.signal(number);
    return true;
  } catch (const std::exception&) {
    return false;
  }
}

// False: not by then, or nobody can tell.
bool has_ended_by(const Child& child, core::Deadline deadline) noexcept {
  try {
    return child.wait(deadline);
  } catch (const std::exception&) {
    return false;
  }
}

}  // namespace

Workforce::Workforce(WorkerPlan plan, Board& board, std::vector<int> files, Owner& owner)
    : plan_(std::move(plan)),
      board_(board),
      files_(std::move(files)),
      owner_(owner),
      bell_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
      restarts_(plan_.restarts),
      seats_(plan_.count) {
  if (!bell_) throw SystemError(errno, "a pool's eventfd");
  try {
    for (std::size_t i = 0; i < seats_.size(); ++i) start_first(i);
    watcher_ = core::start_own_thread("steward-pool", [this] { watch(); });
  } catch (...) {
    kill();
    watch();
    throw;
  }
}

Workforce::~Workforce() {
  kill();
  join();
}

// Only at the beginning, or by the watching thread.
void Workforce::start(std::size_t number) {
  State& state = State::get();
  Launch order;
  order.entry = run_worker;
  order.numbers = state.next_numbers();
  order.name = "PoolWorker-" + order.numbers;
  order.daemon = true;
  order.method = plan_.method;
  order.files = files_;
  {
    // The pool keeps what the initializer's arguments refer to.
    HeldTravel held;
    const core::TravelScope scope(held);
    order.arguments =
        pack_worker_order({number, plan_.tasks_max, plan_.initializer.work()});
  }
  board_.seat(number).store(Board::kStarting);
  auto child = std::make_shared<const Child>(launch(order));
  state.add({ProcessInfo(order.name, child->pid(), true), child});
  bool late = false;
  {
    const std::lock_guard hold(mutex_);
    seats_[number] = {order.name, child, std::nullopt};
    late = retired_;
  }
  // Whoever has just ended the others did not see this one.
  if (late) may_signal(*child, SIGTERM);
}

void Workforce::start_first(std::size_t number) {
  try {
    start(number);
  } catch (const EndedBeforeUp& ended) {
    const EarlyEnd why = early_end_of(ended.exit_code());
    if (why == EarlyEnd::defect || !start_later(number, why)) throw;
  }
}

void Workforce::watch() {
  while (!over()) {
    for (const std::size_t seat : await_ends()) look_after(seat);
    start_due();
  }
}

// The seats whose workers have ended. Maybe none: the bell rings, or somebody is to be started.
std::vector<std::size_t> Workforce::await_ends() {
  std::vector<pollfd> entries;
  core::Deadline next_start;
  {
    const std::lock_guard hold(mutex_);
    for (const Seat& seat : seats_) {
      entries.push_back({seat.child ? seat.child->pidfd() : -1, POLLIN, 0});
      if (seat.due) next_start = std::min(*seat.due, next_start.value_or(*seat.due));
    }
  }
  entries.push_back({bell_.get(), POLLIN, 0});
  shm::poll_until(entries, next_start);
  std::uint64_t count;
  [[maybe_unused]] const ssize_t size = ::read(bell_.get(), &count, sizeof count);
  std::vector<std::size_t> ended;
  for (std::size_t i = 0; i + 1 < entries.size(); ++i) {
    if (entries[i].revents != 0) ended.push_back(i);
  }
  return ended;
}

void Workforce::look_after(std::size_t number) {
  Seat seat;
  {
    const std::lock_guard hold(mutex_);
    seat = std::exchange(seats_[number], {});
  }
  if (!seat.child) return;  // kill() has let go of it
  const int exit_code = seat.child->exit_code().value_or(Child::kUnknownExitCode);
  const Ticket at = board_.seat(number).load();
  State::get().remove(seat.child.get());
  owner_.worker_ended(seat.name, seat.child->pid(), exit_code, at);
  {
    const std::lock_guard hold(mutex_);
    if (retired_) return;
  }
  replace(number, at, exit_code);
}

// A worker has ended at this.
void Workforce::replace(std::size_t number, Ticket at, int exit_code) {
  if (at == Board::kStarting) {
    if (!start_later(number, early_end_of(exit_code))) give_up(too_many(exit_code));
  } else if (at == Board::kReady || (at & Board::kNotBegun) != 0) {
    start_at(number, restarts_.ended_idle(std::chrono::steady_clock::now()));
  } else {
    restarts_.ended();
    start_again(number);
  }
}

// False: no more.
bool Workforce::start_later(std::size_t number, EarlyEnd why) {
  if (somebody_is_ready()) {
    restarts_.somebody_is_ready();
    why = EarlyEnd::outside;  // others came up the same way: it may pass
  }
  const auto due = restarts_.ended_early(why, std::chrono::steady_clock::now());
  if (due) start_at(number, *due);
  return due.has_value();
}

void Workforce::start_at(std::size_t number, core::Time due) {
  const std::lock_guard hold(mutex_);
  seats_[number].due = due;
}

void Workforce::start_due() {
  const core::Time now = std::chrono::steady_clock::now();
  for (std::size_t i = 0; i < seats_.size(); ++i) {
    {
      const std::lock_guard hold(mutex_);
      if (!seats_[i].due || *seats_[i].due > now) continue;
      seats_[i].due.reset();
    }
    start_again(i);
  }
}

void Workforce::start_again(std::size_t number) {
  {
    const std::lock_guard hold(mutex_);
    if (retired_) return;
  }
  try {
    start(number);
  } catch (const EndedBeforeUp& ended) {
    if (!start_later(number, early_end_of(ended.exit_code()))) give_up(too_many(ended.exit_code()));
  } catch (const RequestNotTaken&) {
    if (!start_later(number, EarlyEnd::outside)) give_up(std::current_exception());
  } catch (const std::system_error& error) {
    if (!is_want_of_resources(error.code()) || !start_later(number, EarlyEnd::outside)) {
      give_up(std::current_exception());
    }
  } catch (...) {
    give_up(std::current_exception());
  }
}

void Workforce::give_up(std::exception_ptr why) {
  retire();
  owner_.no_more_workers(std::move(why));
}

std::exception_ptr Workforce::too_many(int exit_code) const {
  return std::make_exception_ptr(WorkerDied(fmt::format(
      "{} workers of a pool in a row ended before they were ready for a task, the last with {}",
      restarts_.early_ends(), describe_ending(exit_code))));
}

bool Workforce::somebody_is_ready() const {
  const std::lock_guard hold(mutex_);
  for (std::size_t i = 0; i < seats_.size(); ++i) {
    if (seats_[i].child && board_.seat(i).load() != Board::kStarting) return true;
  }
  return false;
}

bool Workforce::over() const {
  const std::lock_guard hold(mutex_);
  for (const Seat& seat : seats_) {
    if (seat.child) return false;
  }
  return retired_;
}

std::vector<pid_t> Workforce::pids() const {
  const std::lock_guard hold(mutex_);
  std::vector<pid_t> pids;
  for (const Seat& seat : seats_) {
    if (seat.child) pids.push_back(seat.child->pid());
  }
  return pids;
}

void Workforce::retire() {
  {
    const std::lock_guard hold(mutex_);
    retired_ = true;
  }
  ring();
}

void Workforce::kill() noexcept {
  std::vector<std::shared_ptr<const Child>> children;  // by seat
  {
    const std::lock_guard hold(mutex_);
    retired_ = true;
    for (const Seat& seat : seats_) children.push_back(seat.child);
  }
  for (const auto& child : children) {
    if (child) may_signal(*child, SIGTERM);
  }
  const auto deadline = core::deadline_after(kPatience);
  for (std::size_t i = 0; i < children.size(); ++i) {
    if (!children[i] || has_ended_by(*children[i], deadline)) continue;
    if (!may_signal(*children[i], SIGKILL)) let_go(i, children[i]);
  }
  ring();
}

// Nobody waits for it any more.
void Workforce::let_go(std::size_t number, const std::shared_ptr<const Child>& child) {
  {
    const std::lock_guard hold(mutex_);
    if (seats_[number].child == child) seats_[number] = {};
  }
  State::get().remove(child.get());
}

void Workforce::join() {
  const std::lock_guard hold(joining_);
  if (watcher_.joinable()) watcher_.join();
}

void Workforce::ring() const {
  const std::uint64_t one = 1;
  [[maybe_unused]] const ssize_t size = ::write(bell_.get(), &one, sizeof one);
}

}  // namespace steward::process
