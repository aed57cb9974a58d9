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
bool has_ended_by(const Child& child, core::Time deadline) noexcept {
  try {
    return child.gone(deadline);
  } catch (const std::exception&) {
    return false;
  }
}

int exit_code_of(const Child& child, core::Time patience) noexcept {
  try {
    return child.wait(patience) ? child.exit_code().value_or(Child::kUnknownExitCode)
                                : Child::kUnknownExitCode;
  } catch (const std::exception&) {
    return Child::kUnknownExitCode;
  }
}

void ring(const shm::UniqueFd& bell) noexcept {
  const std::uint64_t one = 1;
  [[maybe_unused]] const ssize_t size = ::write(bell.get(), &one, sizeof one);
}

shm::UniqueFd eventfd() {
  shm::UniqueFd made(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!made) throw SystemError(errno, "a pool's eventfd");
  return made;
}

}  // namespace

Workforce::Workforce(WorkerPlan plan, Board& board, std::vector<int> files, Owner& owner)
    : plan_(std::move(plan)),
      board_(board),
      files_(std::move(files)),
      owner_(owner),
      bell_(eventfd()),
      end_(eventfd()),
      restarts_(plan_.restarts),
      entries_(plan_.count + 1),
      seats_(plan_.count) {}

void Workforce::start() {
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
  order.give_up = end_.get();
  {
    // The pool keeps what the initializer's arguments refer to.
    HeldTravel held;
    const core::TravelScope scope(held);
    order.arguments =
        pack_worker_order({number, plan_.tasks_max, plan_.initializer.work()});
  }
  board_.seat(number).store(Board::kStarting);
  const auto child = std::make_shared<Child>();
  std::string name = order.name;
  *child = launch(order);
  bool late = false;
  {
    // From here on it is watched, whatever fails.
    const std::lock_guard hold(mutex_);
    seats_[number] = {std::move(name), child, std::nullopt};
    late = killed_.has_value();
  }
  // Whoever has just ended the others did not see this one.
  if (late) may_signal(*child, SIGKILL);
  state.add({ProcessInfo(order.name, child->pid(), true), child});
}

void Workforce::start_first(std::size_t number) {
  try {
    start(number);
  } catch (const EndedBeforeUp& ended) {
    const EarlyEnd why = early_end_of(ended.exit_code());
    if (why == EarlyEnd::defect || !start_later(number, why)) throw;
  }
}

// Nothing leaves it: without memory even for this the pool is broken, and its workers are ended.
void Workforce::watch() noexcept {
  try {
    watch_until_over();
  } catch (...) {
    retire();
    owner_.no_more_workers(std::current_exception());
    kill();
    for (std::size_t i = 0; i < seats_.size(); ++i) let_go(i);
  }
}

void Workforce::watch_until_over() {
  while (!over()) {
    await_ends();
    const core::Time until = patience();
    for (std::size_t i = 0; i < seats_.size(); ++i) {
      if (entries_[i].revents != 0) look_after(i, until);
    }
    start_due();
  }
}

// Which workers have ended, the entries say. Maybe none: the bell rings, or somebody is to be
// started.
void Workforce::await_ends() {
  core::Deadline next_start;
  {
    const std::lock_guard hold(mutex_);
    for (std::size_t i = 0; i < seats_.size(); ++i) {
      const Seat& seat = seats_[i];
      entries_[i] = {seat.child ? seat.child->pidfd() : -1, POLLIN, 0};
      if (seat.due) next_start = std::min(*seat.due, next_start.value_or(*seat.due));
    }
  }
  entries_.back() = {bell_.get(), POLLIN, 0};
  shm::poll_until(entries_, next_start);
  std::uint64_t count;
  [[maybe_unused]] const ssize_t size = ::read(bell_.get(), &count, sizeof count);
}

void Workforce::look_after(std::size_t number, core::Time patience) {
  Seat seat;
  {
    const std::lock_guard hold(mutex_);
    seat = std::exchange(seats_[number], {});
  }
  if (!seat.child) return;  // kill() has let go of it
  const int exit_code = exit_code_of(*seat.child, patience);
  const Ticket at = board_.seat(number).load();
  State::get().remove(seat.child.get());
  owner_.worker_ended(seat.name, seat.child->pid(), exit_code, at);
  if (!retired()) replace(number, at, exit_code);
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
  if (retired()) return;
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
  if (retired()) return;
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
  ring(bell_);
}

bool Workforce::retired() const {
  const std::lock_guard hold(mutex_);
  return retired_;
}

// With a keeper that stands still: one for all that have ended, and for all that were killed.
core::Time Workforce::patience() const {
  const std::lock_guard hold(mutex_);
  return killed_.value_or(std::chrono::steady_clock::now() + Child::kKeepersTime);
}

void Workforce::kill() noexcept {
  {
    const std::lock_guard hold(mutex_);
    retired_ = true;
    if (!killed_) killed_ = std::chrono::steady_clock::now() + kPatience + Child::kKeepersTime;
  }
  ring(end_);
  for (std::size_t i = 0; i < seats_.size(); ++i) {
    if (const auto child = child_at(i)) may_signal(*child, SIGTERM);
  }
  await_all(std::chrono::steady_clock::now() + kPatience);
  for (std::size_t i = 0; i < seats_.size(); ++i) {
    const auto child = child_at(i);
    if (child && !may_signal(*child, SIGKILL)) let_go(i);
  }
  // At once, but where its keeper is to do it.
  await_all(std::chrono::steady_clock::now() + Child::kKeepersTime);
  for (std::size_t i = 0; i < seats_.size(); ++i) {
    const auto child = child_at(i);
    if (child && !has_ended_by(*child, core::Time{})) let_go(i);
  }
  ring(bell_);
}

void Workforce::await_all(core::Time deadline) const noexcept {
  for (std::size_t i = 0; i < seats_.size(); ++i) {
    if (const auto child = child_at(i)) has_ended_by(*child, deadline);
  }
}

std::shared_ptr<const Child> Workforce::child_at(std::size_t number) const {
  const std::lock_guard hold(mutex_);
  return seats_[number].child;
}

// Nobody waits for it any more.
void Workforce::let_go(std::size_t number) {
  Seat seat;
  {
    const std::lock_guard hold(mutex_);
    seat = std::exchange(seats_[number], {});
  }
  if (seat.child) State::get().remove(seat.child.get());
}

void Workforce::join() {
  const std::lock_guard hold(joining_);
  if (watcher_.joinable()) watcher_.join();
}

}  // namespace steward::process
