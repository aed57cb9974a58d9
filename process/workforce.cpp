#include <steward/process/workforce.hpp>

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdint>
#include <system_error>
#include <utility>

#include <fmt/format.h>

#include <steward/core/errors.hpp>
#include <steward/core/signals_blocked.hpp>
#include <steward/core/travel.hpp>
#include <steward/process/launch.hpp>
#include <steward/process/state.hpp>
#include <steward/process/worker.hpp>

namespace steward::process {
namespace {

// So many workers in a row may end before they are ready for the first task. A stray kill meets one
// now and then; an initializer that ends its process meets all.
constexpr int kEarlyDeathsMax = 8;
constexpr std::chrono::seconds kPatience{2};

}  // namespace

Workforce::Workforce(WorkerPlan plan, Board& board, std::vector<int> files, Owner& owner)
    : plan_(std::move(plan)),
      board_(board),
      files_(std::move(files)),
      owner_(owner),
      bell_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
      seats_(plan_.count) {
  if (!bell_) throw std::system_error(errno, std::generic_category(), "a pool's eventfd");
  try {
    for (std::size_t i = 0; i < seats_.size(); ++i) start(i);
    const core::SignalsBlocked blocked;
    watcher_ = std::thread([this] { watch(); });
  } catch (...) {
    kill();
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
    seats_[number] = {order.name, child};
    late = retired_;
  }
  // Whoever has just ended the others did not see this one.
  if (late) child->signal(SIGTERM);
}

void Workforce::watch() {
  ::pthread_setname_np(::pthread_self(), "steward-pool");
  std::vector<pollfd> entries(seats_.size() + 1);
  while (!over()) {
    entries[seats_.size()] = {bell_.get(), POLLIN, 0};
    {
      const std::lock_guard hold(mutex_);
      for (std::size_t i = 0; i < seats_.size(); ++i) {
        entries[i] = {seats_[i].child ? seats_[i].child->pidfd() : -1, POLLIN, 0};
      }
    }
    if (::poll(entries.data(), entries.size(), -1) < 0) continue;
    std::uint64_t count;
    [[maybe_unused]] const ssize_t size = ::read(bell_.get(), &count, sizeof count);
    for (std::size_t i = 0; i < seats_.size(); ++i) {
      if (entries[i].revents != 0) look_after(i);
    }
  }
}

// Somebody who sat there has ended.
void Workforce::look_after(std::size_t number) {
  Seat seat;
  {
    const std::lock_guard hold(mutex_);
    seat = std::exchange(seats_[number], {});
  }
  const int exit_code = seat.child->exit_code().value_or(Child::kUnknownExitCode);
  const Ticket at = board_.seat(number).load();
  State::get().remove(seat.child.get());
  owner_.worker_ended(seat.name, seat.child->pid(), exit_code, at);
  {
    const std::lock_guard hold(mutex_);
    if (retired_) return;
  }
  early_deaths_ = at == Board::kStarting ? early_deaths_ + 1 : 0;
  try {
    if (early_deaths_ > kEarlyDeathsMax) {
      throw WorkerDied(fmt::format("{} workers in a row ended before they were ready for a task, "
                                   "the last with {}",
                                   early_deaths_, describe_ending(exit_code)));
    }
    start(number);
  } catch (...) {
    retire();
    owner_.no_more_workers(std::current_exception());
  }
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

void Workforce::kill() {
  std::vector<std::shared_ptr<const Child>> children;
  {
    const std::lock_guard hold(mutex_);
    retired_ = true;
    for (const Seat& seat : seats_) {
      if (seat.child) children.push_back(seat.child);
    }
  }
  for (const auto& child : children) child->signal(SIGTERM);
  const auto deadline = core::deadline_after(kPatience);
  for (const auto& child : children) {
    if (!child->wait(deadline)) child->signal(SIGKILL);
  }
  ring();
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
