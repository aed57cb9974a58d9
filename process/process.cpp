#include <steward/process/process.hpp>

#include <sched.h>
#include <signal.h>
#include <unistd.h>

#include <cerrno>
#include <exception>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include <steward/core/errors.hpp>
#include <steward/core/travel.hpp>
#include <steward/process/launch.hpp>
#include <steward/process/luggage.hpp>
#include <steward/process/state.hpp>

namespace steward {
namespace {

// How long a daemon may take to end by itself.
constexpr std::chrono::seconds kPatience{2};

void check_method(StartMethod method) {
  if (method == StartMethod::fork_server) return;
  throw BadCall(fmt::format("StartMethod::{} is not available yet: use StartMethod::fork_server",
                            method == StartMethod::spawn ? "spawn" : "fork"));
}

// What a process's arguments have leased that it may never claim.
class Packing final : public core::Travel {
 public:
  core::Token outgoing(const core::Reference& reference) override {
    core::Token token = reference.outgoing();
    if (auto recall = reference.recall(token)) recalls_.push_back(std::move(recall));
    return token;
  }
  core::ReferencePtr incoming(core::Token token) override {
    return std::make_shared<const core::Reference>(std::move(token));
  }

  std::string arguments_of(const process::Work& work, process::Luggage& luggage) {
    const core::TravelScope scope(*this);
    const process::LuggageScope files(luggage);
    return work.pack();
  }
  // The process will not claim anything any more.
  void recall() noexcept {
    for (const auto& recall : std::exchange(recalls_, {})) recall();
  }

 private:
  std::vector<std::function<void()>> recalls_;
};

}  // namespace

struct Process::Impl {
  std::unique_ptr<process::Work> work;  // until the process has it
  std::string name;
  std::string numbers;
  bool daemon = false;
  pid_t creator = ::getpid();
  Packing packing;
  std::shared_ptr<const process::Child> child;  // from start() to close()
  bool closed = false;
};

Process::Process(std::unique_ptr<process::Work> work, ProcessOptions options, Made)
    : impl_(std::make_unique<Impl>()) {
  check_method(options.start_method.value_or(StartMethod::fork_server));
  process::prepare(process::For::process);
  impl_->work = std::move(work);
  impl_->numbers = process::State::get().next_numbers();
  impl_->name = options.name.empty() ? "Process-" + impl_->numbers : std::move(options.name);
  impl_->daemon = options.daemon;
}

Process::Process(Process&& other) noexcept = default;

Process& Process::operator=(Process&& other) noexcept {
  if (this != &other) {
    finish();
    impl_ = std::move(other.impl_);
  }
  return *this;
}

Process::~Process() { finish(); }

void Process::finish() noexcept {
  if (!impl_ || impl_->creator != ::getpid() || !impl_->child) return;
  try {
    if (impl_->daemon) impl_->child->end(kPatience);
    join_until(std::nullopt);
  } catch (const std::exception&) {
    // Only a descriptor gone bad brings us here; there is nobody left to wait for.
  }
}

Process::Impl& Process::own() const {
  if (!impl_) throw BadCall("this Process was moved from");
  if (impl_->creator != ::getpid()) {
    throw BadCall(fmt::format("{} belongs to the process that created it (pid {})", impl_->name,
                              impl_->creator));
  }
  if (impl_->closed) throw BadCall(fmt::format("{} is closed", impl_->name));
  return *impl_;
}

const process::Child& Process::started(const char* function) const {
  const Impl& own_impl = own();
  if (!own_impl.child) {
    throw BadCall(fmt::format("{}.{}: the process has not been started", own_impl.name, function));
  }
  return *own_impl.child;
}

void Process::start() {
  Impl& impl = own();
  if (impl.child) throw BadCall(fmt::format("{}.start: a process starts only once", impl.name));
  process::State& state = process::State::get();
  if (state.identity().daemon) {
    throw BadCall(fmt::format("{}.start: a daemon may not have processes of its own", impl.name));
  }
  process::Launch order;
  order.entry = impl.work->entry();
  order.name = impl.name;
  order.numbers = impl.numbers;
  order.daemon = impl.daemon;
  try {
    process::Luggage luggage;
    order.arguments = impl.packing.arguments_of(*impl.work, luggage);
    order.files = luggage.files();
    impl.child = std::make_shared<const process::Child>(process::launch(order));
  } catch (...) {
    impl.packing.recall();
    throw;
  }
  impl.work.reset();
  state.add({ProcessInfo(impl.name, impl.child->pid(), impl.daemon), impl.child});
}

void Process::join() { join_until(std::nullopt); }

bool Process::join_until(core::Deadline deadline) {
  const process::Child& child = started("join");
  if (!child.wait(deadline)) return false;
  impl_->packing.recall();
  process::State::get().remove(&child);
  return true;
}

bool Process::is_alive() const {
  const Impl& impl = own();
  return impl.child && impl.child->running();
}

void Process::terminate() { started("terminate").signal(SIGTERM); }

void Process::kill() { started("kill").signal(SIGKILL); }

std::optional<int> Process::exitcode() const {
  const Impl& impl = own();
  return impl.child ? impl.child->exit_code() : std::nullopt;
}

const std::string& Process::name() const {
  if (!impl_) throw BadCall("this Process was moved from");
  return impl_->name;
}

bool Process::daemon() const {
  if (!impl_) throw BadCall("this Process was moved from");
  return impl_->daemon;
}

pid_t Process::pid() const { return started("pid").pid(); }

int Process::sentinel() const { return started("sentinel").pidfd(); }

void Process::close() {
  if (impl_ && impl_->closed) return;
  Impl& impl = own();
  if (impl.child && impl.child->running()) {
    throw BadCall(fmt::format("{}.close: the process still runs; join() or terminate() it first",
                              impl.name));
  }
  if (impl.child) {
    impl.child->exit_code();
    impl.packing.recall();
    process::State::get().remove(impl.child.get());
  }
  impl.child.reset();
  impl.work.reset();
  impl.closed = true;
}

ProcessInfo current_process() {
  const process::Identity identity = process::State::get().identity();
  return {identity.name, ::getpid(), identity.daemon};
}

std::optional<ProcessInfo> parent_process() { return process::State::get().identity().parent; }

std::vector<ProcessInfo> active_children() { return process::State::get().active_children(); }

unsigned cpu_count() {
  // The set must have room for every CPU that the kernel knows of; how many is not to be asked.
  for (int room = CPU_SETSIZE;; room *= 2) {
    cpu_set_t* set = CPU_ALLOC(static_cast<std::size_t>(room));
    const std::size_t size = CPU_ALLOC_SIZE(static_cast<std::size_t>(room));
    const bool fits = ::sched_getaffinity(0, size, set) == 0;
    const int error = errno;
    const int count = fits ? CPU_COUNT_S(size, set) : 1;
    CPU_FREE(set);
    if (fits || error != EINVAL) return static_cast<unsigned>(count);
  }
}

void set_start_method(StartMethod method) { check_method(method); }

void child_entry(int, char**) {}

}  // namespace steward
