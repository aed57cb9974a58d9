#include <steward/pool/workforce.hpp>

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
#include <steward/core/handle_codec.hpp>
#include <steward/core/own_threads.hpp>
#include <steward/pool/worker.hpp>
#include <steward/process/launch.hpp>
#include <steward/process/state.hpp>
#include <steward/shm/poll.hpp>

namespace steward::detail::pool {
namespace {

constexpr std::chrono::seconds kPatience{2};

// What keeps a process from being started, and may pass.
bool is_want_of_resources(const std::error_code& code) {
  return code == std::errc::resource_unavailable_try_again ||
         code == std::errc::not_enough_memory || code == std::errc::too_many_files_open ||
         code == std::errc::too_many_files_open_in_system;
}

// False: the signal is not allowed.
bool may_signal(const process::Child& child, int number) noexcept {
  try {
    child.signal(number);
    return true;
  } catch (const std::exception&) {
    return false;
  }
}

// False: not by then, or nobody can tell.
bool has_ended_by(const process::Child& child, core::Time deadline) noexcept {
  try {
    return child.gone(deadline);
  } catch (const std::exception&) {
    return false;
  }
}

int exit_code_of(const process::Child& child, core::Time patience) noexcept {
  try {
    return child.wait(patience) ? child.exit_code().value_or(process::Child::kUnknownExitCode)
                                : process::Child::kUnknownExitCode;
  } catch (const std::exception&) {
    return process::Child::kUnknownExitCode;
  }
}

void notify(const shm::UniqueFd& notifier) noexcept {
  const std::uint64_t one = 1;
  [[maybe_unused]] const ssize_t size = ::write(notifier.get(), &one, sizeof one);
}

shm::UniqueFd eventfd() {
  shm::UniqueFd made(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!made) throw SystemError(errno, "a pool's eventfd");
  return made;
}

}  // namespace

Workforce::Workforce(WorkerPlan plan, WorkerTable& table, std::vector<int> files, Owner& owner)
    : plan_(std::move(plan)),
      table_(table),
      files_(std::move(files)),
      owner_(owner),
      notifier_(eventfd()),
      end_(eventfd()),
      restarts_(plan_.restarts),
      entries_(plan_.count + 1),
      slots_(plan_.count) {}

void Workforce::start() {
  try {
    for (std::size_t i = 0; i < slots_.size(); ++i) start_first(i);
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
void Workforce::start(std::size_t number, By by) {
  process::ProcessState& state = process::ProcessState::get();
  process::Launch order;
  order.entry = run_worker;
  order.numbers = state.next_numbers();
  order.name = "PoolWorker-" + order.numbers;
  order.daemon = true;
  order.method = plan_.method;
  order.files = files_;
  order.give_up = end_.get();
  order.on_programs_thread = by == By::program;
  order.environment = &environment_;
  {
    // The pool keeps what the initializer's arguments refer to.
    process::HeldHandleCodec held;
    const core::HandleCodecScope scope(held);
    order.arguments =
        pack_worker_order({number, plan_.tasks_max, plan_.initializer.work()});
  }
  table_.slot(number).store(WorkerTable::kStarting);
  const auto child = std::make_shared<process::Child>();
  std::string name = order.name;
  process::ProcessState::StartedList entry;
  entry.push_back({ProcessInfo(order.name, 0, true), child});
  *child = process::launch(order);
  bool late = false;
  {
    // From here on it is watched, whatever fails.
    const std::lock_guard hold(mutex_);
    slots_[number] = {std::move(name), child, std::nullopt};
    late = killed_.has_value();
  }
  entry.front().info = ProcessInfo(std::move(order.name), child->pid(), true);
  state.add(std::move(entry));
  // Whoever has just ended the others did not see this one.
  if (late && !may_signal(*child, SIGKILL)) let_go(number);
}

void Workforce::start_first(std::size_t number) {
  try {
    start(number, By::program);
  } catch (const process::EndedBeforeUp& ended) {
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
    for (std::size_t i = 0; i < slots_.size(); ++i) let_go(i);
  }
}

void Workforce::watch_until_over() {
  while (!over()) {
    await_ends();
    const core::Time until = patience();
    for (std::size_t i = 0; i < slots_.size(); ++i) {
      if (entries_[i].revents != 0) look_after(i, until);
    }
    start_due();
  }
}

// Which workers have ended, the entries say. Maybe none: the notifier is set, or somebody is to be
// started.
void Workforce::await_ends() {
  core::Deadline next_start;
  {
    const std::lock_guard hold(mutex_);
    for (std::size_t i = 0; i < slots_.size(); ++i) {
      const Slot& slot = slots_[i];
      entries_[i] = {slot.child ? slot.child->pidfd() : -1, POLLIN, 0};
      if (slot.due) next_start = std::min(*slot.due, next_start.value_or(*slot.due));
    }
  }
  entries_.back() = {notifier_.get(), POLLIN, 0};
  shm::poll_until(entries_, next_start);
  std::uint64_t count;
  [[maybe_unused]] const ssize_t size = ::read(notifier_.get(), &count, sizeof count);
}

void Workforce::look_after(std::size_t number, core::Time patience) {
  Slot slot;
  {
    const std::lock_guard hold(mutex_);
    slot = std::exchange(slots_[number], {});
  }
  if (!slot.child) return;  // kill() has let go of it
  const int exit_code = exit_code_of(*slot.child, patience);
  const Ticket at = table_.slot(number).load();
  process::ProcessState::get().remove(slot.child.get());
  owner_.worker_ended(slot.name, slot.child->pid(), exit_code, at);
  if (!retired()) replace(number, at, exit_code);
}

// A worker has ended at this.
void Workforce::replace(std::size_t number, Ticket at, int exit_code) {
  if (at == WorkerTable::kStarting) {
    if (!start_later(number, early_end_of(exit_code))) give_up(too_many(exit_code));
  } else if (at == WorkerTable::kReady || (at & WorkerTable::kNotBegun) != 0) {
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
  slots_[number].due = due;
}

void Workforce::start_due() {
  const core::Time now = std::chrono::steady_clock::now();
  for (std::size_t i = 0; i < slots_.size(); ++i) {
    {
      const std::lock_guard hold(mutex_);
      if (!slots_[i].due || *slots_[i].due > now) continue;
      slots_[i].due.reset();
    }
    start_again(i);
  }
}

void Workforce::start_again(std::size_t number) {
  if (retired()) return;
  try {
    start(number, By::watcher);
  } catch (const process::EndedBeforeUp& ended) {
    if (!start_later(number, early_end_of(ended.exit_code()))) give_up(too_many(ended.exit_code()));
  } catch (const process::RequestNotTaken&) {
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
      "Pool: {} workers in a row ended before they were ready for a task, the last with {}",
      restarts_.early_ends(), process::describe_ending(exit_code))));
}

bool Workforce::somebody_is_ready() const {
  const std::lock_guard hold(mutex_);
  for (std::size_t i = 0; i < slots_.size(); ++i) {
    if (slots_[i].child && table_.slot(i).load() != WorkerTable::kStarting) return true;
  }
  return false;
}

bool Workforce::over() const {
  const std::lock_guard hold(mutex_);
  for (const Slot& slot : slots_) {
    if (slot.child) return false;
  }
  return retired_;
}

std::vector<pid_t> Workforce::pids() const {
  const std::lock_guard hold(mutex_);
  std::vector<pid_t> pids;
  for (const Slot& slot : slots_) {
    if (slot.child) pids.push_back(slot.child->pid());
  }
  return pids;
}

void Workforce::retire() {
  {
    const std::lock_guard hold(mutex_);
    retired_ = true;
  }
  notify(notifier_);
}

bool Workforce::retired() const {
  const std::lock_guard hold(mutex_);
  return retired_;
}

// With a process server that stands still: one for all that have ended, and for all that were
// killed.
core::Time Workforce::patience() const {
  const std::lock_guard hold(mutex_);
  return killed_.value_or(std::chrono::steady_clock::now() + process::Child::kServerTime);
}

void Workforce::kill() noexcept {
  {
    const std::lock_guard hold(mutex_);
    retired_ = true;
    if (!killed_)
      killed_ = std::chrono::steady_clock::now() + kPatience + process::Child::kServerTime;
  }
  notify(end_);
  for (std::size_t i = 0; i < slots_.size(); ++i) {
    if (const auto child = child_at(i)) may_signal(*child, SIGTERM);
  }
  await_all(std::chrono::steady_clock::now() + kPatience);
  for (std::size_t i = 0; i < slots_.size(); ++i) {
    const auto child = child_at(i);
    if (child && !may_signal(*child, SIGKILL)) let_go(i);
  }
  // At once, but where its process server is to do it.
  await_all(std::chrono::steady_clock::now() + process::Child::kServerTime);
  for (std::size_t i = 0; i < slots_.size(); ++i) {
    const auto child = child_at(i);
    if (child && !has_ended_by(*child, core::Time{})) let_go(i);
  }
  notify(notifier_);
}

void Workforce::await_all(core::Time deadline) const noexcept {
  for (std::size_t i = 0; i < slots_.size(); ++i) {
    if (const auto child = child_at(i)) has_ended_by(*child, deadline);
  }
}

std::shared_ptr<const process::Child> Workforce::child_at(std::size_t number) const {
  const std::lock_guard hold(mutex_);
  return slots_[number].child;
}

// Nobody waits for it any more.
void Workforce::let_go(std::size_t number) {
  Slot slot;
  {
    const std::lock_guard hold(mutex_);
    slot = std::exchange(slots_[number], {});
  }
  if (slot.child) process::ProcessState::get().remove(slot.child.get());
}

void Workforce::join() {
  const std::lock_guard hold(joining_);
  if (watcher_.joinable()) watcher_.join();
}

}  // namespace steward::detail::pool
