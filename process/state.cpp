#include <steward/process/state.hpp>

#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <exception>
#include <utility>

#include <fmt/format.h>

#include <steward/core/auth.hpp>
#include <steward/core/clock.hpp>
#include <steward/core/errors.hpp>
#include <steward/process/fork_server.hpp>
#include <steward/process/spawn.hpp>
#include <steward/process/streams.hpp>
#include <steward/process/threads.hpp>
#include <steward/shm/pidfd.hpp>

namespace steward::detail::process {

void check_spawn() {
  if (ProcessState::get().program()) return;
  throw BadCall("StartMethod::spawn executes this program anew: call steward::child_entry(argc, "
                "argv) in the first line of main()");
}

std::atomic<ProcessState*> ProcessState::current = nullptr;

namespace {

// Of a program that returns from main() or calls exit(). A forked process ends before it.
[[gnu::destructor]] void end_of_program() { ProcessState::end(); }

}  // namespace

CopiesLoseFiles::CopiesLoseFiles() {
  ProcessState& state = ProcessState::get();
  const std::lock_guard hold(state.mutex_);
  state.lose_files_.push_back(std::this_thread::get_id());
}

CopiesLoseFiles::~CopiesLoseFiles() {
  ProcessState& state = ProcessState::get();
  const std::lock_guard hold(state.mutex_);
  std::erase(state.lose_files_, std::this_thread::get_id());
}

ProcessState& ProcessState::get() {
  static const bool made = [] {
    // Or a thread may be at that when this process is forked, and its copy wait for it for ever.
    // What the program forks itself before it has anything of ours is not seen to.
    core::require_sodium();
    current = new ProcessState;
    ::pthread_atfork(before_fork, after_fork_in_parent, after_fork_in_child);
    return true;
  }();
  static_cast<void>(made);
  return *current;
}

void ProcessState::before_fork() { current.load()->mutex_.lock(); }

void ProcessState::after_fork_in_parent() {
  ProcessState& own = *current;
  const auto& losing = own.lose_files_;
  if (std::find(losing.begin(), losing.end(), std::this_thread::get_id()) == losing.end()) {
    for (auto& [number, file] : own.held_) file.shared |= file.in_copies == InCopies::stays;
  }
  own.mutex_.unlock();
}

void ProcessState::after_fork_in_child() {
  ProcessState& parents = *current;
  auto* own = new ProcessState;
  own->identity_ = parents.identity_;
  own->program_ = parents.program_;
  own->default_method_ = parents.default_method_;
  for (const auto& [number, file] : parents.held_) {
    if (file.in_copies == InCopies::stays) {
      own->held_.emplace(number, HeldFile{InCopies::stays, true});
    } else if (const int fd = number->exchange(-1); fd >= 0) {
      ::close(fd);
    }
  }
  own->parent_ = &parents;
  for (const auto& link : {parents.fork_server_, parents.spawn_server_}) {
    if (!link) continue;
    link->socket.reset();  // the copies, while they still are
    link->pidfd.reset();
  }
  current = own;
  parents.mutex_.unlock();
}

Identity ProcessState::identity() {
  const std::lock_guard hold(mutex_);
  return identity_;
}

std::string ProcessState::next_numbers() {
  const std::lock_guard hold(mutex_);
  ++processes_made_;
  if (identity_.numbers.empty()) return std::to_string(processes_made_);
  return fmt::format("{}:{}", identity_.numbers, processes_made_);
}

int ProcessState::processes_made() {
  const std::lock_guard hold(mutex_);
  return processes_made_;
}

void ProcessState::set_processes_made(int count) {
  const std::lock_guard hold(mutex_);
  processes_made_ = count;
}

std::shared_ptr<const Link> ProcessState::fork_server() {
  const std::lock_guard hold(mutex_);
  return fork_server_;
}

namespace {

[[noreturn]] void refuse_beside(int others) {
  throw BadCall(fmt::format(
      "the fork server cannot be started beside {} other thread{} of this program, whose locks "
      "would stay locked in every process: make the first Manager, Process or Pool before the "
      "first thread, or call steward::child_entry(argc, argv) in the first line of main(), for "
      "StartMethod::spawn",
      others, others == 1 ? "" : "s"));
}

}  // namespace

std::shared_ptr<const Link> ProcessState::ensure_fork_server(Threads allowed) {
  const std::lock_guard once(starting_);
  std::shared_ptr<const Link> known = fork_server();
  const int others = known ? beside_fork_server_ : other_threads();
  if (allowed == Threads::none && others > 0) refuse_beside(others);
  if (known) return known;
  std::shared_ptr<Link> made = start_fork_server(others > 0);
  beside_fork_server_ = others;
  const std::lock_guard hold(mutex_);
  fork_server_ = made;
  return made;
}

std::shared_ptr<const Link> ProcessState::ensure_spawn_server(const Environment* environment) {
  check_spawn();
  const std::lock_guard once(starting_);
  {
    const std::lock_guard hold(mutex_);
    if (spawn_server_ && !shm::has_ended(spawn_server_->pidfd.get())) return spawn_server_;
  }
  std::shared_ptr<Link> made = start_spawn_server(environment);
  const std::lock_guard hold(mutex_);
  spawn_server_ = made;
  return made;
}

bool ProcessState::spawns_for_want_of_better() {
  const std::lock_guard once(starting_);
  {
    const std::lock_guard hold(mutex_);
    const bool forks = fork_server_ && beside_fork_server_ == 0;
    if (forks || spawns_ || !program_) return spawns_;
  }
  const bool threads = beside_fork_server_ > 0 || other_threads() > 0;
  const std::lock_guard hold(mutex_);
  return spawns_ = threads;
}

void ProcessState::enter(std::string program) {
  const std::lock_guard hold(mutex_);
  program_ = std::move(program);
}

std::optional<std::string> ProcessState::program() {
  const std::lock_guard hold(mutex_);
  return program_;
}

std::optional<StartMethod> ProcessState::default_method() {
  const std::lock_guard hold(mutex_);
  return default_method_;
}

void ProcessState::set_default_method(std::optional<StartMethod> method) {
  const std::lock_guard hold(mutex_);
  default_method_ = method;
}

void ProcessState::become(Identity identity, std::optional<StartMethod> default_method,
                   std::shared_ptr<Link> link) {
  const std::lock_guard hold(mutex_);
  identity_ = std::move(identity);
  default_method_ = default_method;
  if (link) (link->method == StartMethod::spawn ? spawn_server_ : fork_server_) = std::move(link);
}

void ProcessState::add(StartedList one) noexcept {
  const std::lock_guard hold(mutex_);
  static const bool registered = std::atexit([] { get().settle_processes(); }) == 0;
  static_cast<void>(registered);
  started_.splice(started_.end(), one);
}

void ProcessState::remove(const Child* child) {
  const std::lock_guard hold(mutex_);
  std::erase_if(started_, [&](const Started& each) { return each.child.get() == child; });
}

std::vector<ProcessInfo> ProcessState::active_children() {
  const std::lock_guard hold(mutex_);
  std::vector<ProcessInfo> active;
  for (const Started& each : started_) {
    if (each.child->running()) active.push_back(each.info);
  }
  return active;
}

void ProcessState::close_held(std::atomic<int>& number) noexcept {
  const std::lock_guard hold(mutex_);
  held_.erase(&number);
  if (const int fd = number.exchange(-1); fd >= 0) ::close(fd);
}

void ProcessState::lose_held_files() {
  for (const auto& [number, file] : HeldFiles(held_)) close_held(*number);
}

namespace {

// False: something keeps the signal from its process, which is said in the end.
bool signal_quietly(const Child& child, int number) noexcept {
  try {
    child.signal(number);
    return true;
  } catch (const std::exception&) {
    return false;
  }
}

// False: not by then, or nobody can tell.
bool gone_quietly(const Child& child, core::Time by) noexcept {
  try {
    return child.gone(by);
  } catch (const std::exception&) {
    return false;
  }
}

void await_or_tell(const ProcessState::Started& process) noexcept {
  try {
    process.child->gone(std::nullopt);
  } catch (const std::exception& error) {
    write_error(
        fmt::format("steward: {} cannot be awaited: {}\n", process.info.name(), error.what()));
  }
}

// One that nothing has helped against. If the reason is not heard, its process server may have been
// asked.
void tell_that_it_goes_on(const ProcessState::Started& process) noexcept {
  try {
    process.child->signal(SIGKILL);
    throw SystemError(EPERM, fmt::format("the process {} cannot be ended", process.child->pid()));
  } catch (const std::exception& error) {
    write_error(fmt::format("steward: {} goes on: {}\n", process.info.name(), error.what()));
  }
}

}  // namespace

void ProcessState::settle() noexcept {
  settle_processes();
  end();
}

void ProcessState::end() noexcept {
  const ProcessState* const here = current;
  const AtEnd what = here != nullptr ? here->at_end_.load() : nullptr;
  if (what != nullptr) what();
}

void ProcessState::settle_processes() noexcept {
  struct Step {
    int signal;
    std::chrono::seconds patience;
  };
  constexpr std::array kSteps{Step{SIGTERM, std::chrono::seconds{2}},
                              Step{SIGKILL, Child::kServerTime}};
  StartedList started;
  {
    const std::lock_guard hold(mutex_);
    started.swap(started_);
  }
  // All together: how each has ended their process server may tell too late, and nobody asks any
  // more.
  for (const Step& step : kSteps) {
    const core::Time end = std::chrono::steady_clock::now() + step.patience;
    const auto signalled = std::partition(started.begin(), started.end(), [&](const auto& each) {
      return each.info.daemon() && signal_quietly(*each.child, step.signal);
    });
    std::for_each(started.begin(), signalled,
                  [&](const auto& each) { gone_quietly(*each.child, end); });
  }
  for (const Started& each : started) {
    if (!each.info.daemon()) {
      await_or_tell(each);
    } else if (!gone_quietly(*each.child, core::Time{})) {
      tell_that_it_goes_on(each);
    }
  }
}

}  // namespace steward::detail::process
