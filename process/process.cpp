#include <steward/process/process.hpp>

#include <sched.h>
#include <signal.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <exception>
#include <functional>
#include <mutex>
#include <string>
#include <string_view>
#include <typeinfo>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include <steward/core/errors.hpp>
#include <steward/core/handle_codec.hpp>
#include <steward/process/launch.hpp>
#include <steward/process/passed_files.hpp>
#include <steward/process/state.hpp>
#include <steward/process/unwinding.hpp>
#include <steward/shm/poll.hpp>

namespace steward {
namespace detail::process {

// What a process's arguments have leased that it may never claim.
class Packing final : public core::HandleCodec {
 public:
  core::Token outgoing(const core::Reference& reference) override {
    core::Token token = reference.outgoing();
    if (auto recall = reference.recall(token)) recalls_.push_back(std::move(recall));
    return token;
  }
  core::ReferencePtr incoming(core::Token token) override {
    return std::make_shared<const core::Reference>(std::move(token));
  }

  // The process will not claim anything any more.
  void recall() noexcept {
    for (const auto& recall : std::exchange(recalls_, {})) recall();
  }

 private:
  std::vector<std::function<void()>> recalls_;
};

}  // namespace detail::process

namespace {

// How long a daemon may take to end by itself.
constexpr std::chrono::seconds kPatience{2};

// The entry of a forked process, which has the work of its starter: told by its address.
void run_copied(detail::process::ChildContext& context, std::string_view bytes) {
  detail::process::Work* work = nullptr;
  std::memcpy(&work, bytes.data(), sizeof work);
  work->run_copy(context, bytes.substr(sizeof work));
}

std::string address_bytes(const detail::process::Work* work) {
  return {reinterpret_cast<const char*>(&work), sizeof work};
}

}  // namespace

struct Process::Impl {
  std::unique_ptr<detail::process::Work> work;  // of the target; until the process has it
  std::string name;
  std::string numbers;
  bool daemon = false;
  std::optional<StartMethod> method;
  pid_t creator = ::getpid();
  bool current = false;  // stands for the process that it lies in
  detail::process::Packing packing;
  std::shared_ptr<const detail::process::Child> child;  // from start() to close()
  bool closed = false;
  std::mutex letting_go;

  // The process has ended, or never was. Several threads may find that out.
  void let_go() noexcept {
    const std::lock_guard hold(letting_go);
    packing.recall();
    work.reset();
  }
};

// A subclass that is forked with all that it has.
class Process::ForkedSelf final : public detail::process::Work {
 public:
  explicit ForkedSelf(Process& self) : self_(&self) {}

  bool travels() const override { return false; }
  detail::process::Entry entry() const override { return nullptr; }
  std::string pack() const override { return {}; }
  std::string pack_for_copy() const override { return {}; }
  void run_copy(detail::process::ChildContext& context, std::string_view) override {
    self_->become_current();
    context.confirm();
    self_->run();
  }
  bool stays() const override { return false; }
  void run_here() override {}  // nobody asks: run() is overridden

 private:
  Process* self_;
};

Process::Process(ProcessOptions options) : impl_(std::make_unique<Impl>()) {
  impl_->numbers = detail::process::ProcessState::get().next_numbers();
  impl_->name = options.name.empty() ? "Process-" + impl_->numbers : std::move(options.name);
  impl_->daemon = options.daemon;
  impl_->method = options.start_method;
}

Process::Process(std::unique_ptr<detail::process::Work> work, ProcessOptions options, Made)
    : Process(std::move(options)) {
  impl_->work = std::move(work);
  if (!impl_->work->travels()) {
    if (!impl_->method) impl_->method = detail::process::ProcessState::get().default_method();
    if (impl_->method != StartMethod::fork) {
      throw BadCall(fmt::format(
          "Process {}: a lambda with captures, or what else cannot be packed, is started by "
          "StartMethod::fork only; for other methods pass what it captures as arguments",
          impl_->name));
    }
  }
  detail::process::prepare(detail::process::For::process, impl_->method);
}

Process::Process(Process&& other) noexcept : impl_(std::move(other.impl_)) {}

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
  bool ends = true;
  if (impl_->daemon) {
    ends = detail::process::end_or_tell(*impl_->child, impl_->name, kPatience);
  } else if (std::uncaught_exceptions() > exceptions_) {
    ends = detail::process::end_in_unwinding(*impl_->child, impl_->name);
  }
  try {
    if (ends) {
      impl_->child->wait();  // whatever asks it to wait no longer
      ended(*impl_->child);
    }
  } catch (const std::exception&) {
    // Only a descriptor gone bad brings us here; there is nobody left to wait for.
  }
  // One that cannot be ended is not awaited at the end of the program either.
  detail::process::ProcessState::get().remove(impl_->child.get());
}

const Process::Impl& Process::there(const char* function) const {
  if (impl_) return *impl_;
  throw BadCall(fmt::format("Process.{}: this object was moved from", function));
}

void Process::refuse(const char* function, const std::string& why) const {
  throw BadCall(fmt::format("Process {}.{}: {}", impl_->name, function, why));
}

Process::Impl& Process::own(const char* function) const {
  const Impl& impl = there(function);
  if (impl.creator != ::getpid()) {
    refuse(function,
           fmt::format("it belongs to the process that created it (pid {})", impl.creator));
  }
  if (impl.closed) refuse(function, "it is closed");
  return *impl_;
}

const detail::process::Child& Process::started(const char* function) const {
  const Impl& impl = own(function);
  if (impl.child) return *impl.child;
  refuse(function,
         impl.current ? "this is the process itself" : "the process has not been started");
}

void Process::start() {
  const Impl& impl = own("start");
  if (impl.child || impl.current) refuse("start", "a process starts only once");
  if (detail::process::ProcessState::get().identity().daemon) {
    refuse("start", "a daemon may not have processes of its own");
  }
  if (typeid(*this) != typeid(Process)) {
    start(*work_of_subclass());
  } else if (impl.work) {
    start(*impl.work);
  } else {
    refuse("start", "it was moved out of a subclass of Process, whose run() is lost");
  }
}

// What its run() does is known to the object alone, so the object must be there.
std::unique_ptr<detail::process::Work> Process::work_of_subclass() {
  auto work = work_of_self();
  if (work->travels()) return work;
  if (impl_->method.value_or(StartMethod::fork) != StartMethod::fork) {
    refuse("start", "a subclass of Process is started by StartMethod::fork only; for other methods "
                    "derive it from ProcessOf");
  }
  impl_->method = StartMethod::fork;
  return work;
}

void Process::start(detail::process::Work& work) {
  Impl& impl = *impl_;
  detail::process::ProcessState& state = detail::process::ProcessState::get();
  detail::process::Launch order;
  order.name = impl.name;
  order.numbers = impl.numbers;
  order.daemon = impl.daemon;
  order.method = detail::process::prepare(detail::process::For::process, impl.method);
  order.keeps_files = !work.travels();
  detail::process::PassedFiles passed_files;
  // All that takes memory comes before the process, which nobody could take back.
  auto child = std::make_shared<detail::process::Child>();
  detail::process::ProcessState::StartedList entry;
  entry.push_back({ProcessInfo(impl.name, 0, impl.daemon), child});
  try {
    {
      const detail::core::HandleCodecScope scope(impl.packing);
      const detail::process::PassedFilesScope files(passed_files);
      const bool copied = order.method == StartMethod::fork;
      order.entry = copied ? run_copied : work.entry();
      order.arguments = copied ? address_bytes(&work) + work.pack_for_copy() : work.pack();
    }
    order.files = passed_files.files();
    *child = detail::process::launch(order);
  } catch (...) {
    impl.packing.recall();
    throw;
  }
  impl.child = std::move(child);
  detail::process::have_patience_again();
  passed_files.hand_over();
  if (impl.work && !impl.work->stays()) impl.work.reset();
  ProcessInfo& info = entry.front().info;
  info = ProcessInfo(std::move(order.name), impl.child->pid(), impl.daemon);
  state.add(std::move(entry));
}

std::unique_ptr<detail::process::Work> Process::work_of_self() {
  return std::make_unique<ForkedSelf>(*this);
}

void Process::run() {
  if (impl_ && impl_->work) impl_->work->run_here();
}

void Process::become_current() {
  const detail::process::Identity identity = detail::process::ProcessState::get().identity();
  impl_->name = identity.name;
  impl_->numbers = identity.numbers;
  impl_->daemon = identity.daemon;
  impl_->creator = ::getpid();
  impl_->current = true;
}

void Process::join(std::stop_token stop) { join_until(std::nullopt, stop); }

bool Process::join_until(detail::core::Deadline deadline, const std::stop_token& stop) {
  const detail::process::Child& child = started("join");
  detail::shm::StoppablePoll poll(stop, impl_->name + ".join");
  if (!child.wait(deadline, poll)) return false;
  ended(child);
  return true;
}

void Process::ended(const detail::process::Child& child) {
  impl_->let_go();
  detail::process::ProcessState::get().remove(&child);
}

bool Process::is_alive() const {
  const Impl& impl = own("is_alive");
  return impl.current || (impl.child && impl.child->running());
}

void Process::terminate() { started("terminate").signal(SIGTERM); }

void Process::kill() { started("kill").signal(SIGKILL); }

std::optional<int> Process::exitcode() const {
  const Impl& impl = own("exitcode");
  return impl.child ? impl.child->exit_code() : std::nullopt;
}

const std::string& Process::name() const { return there("name").name; }

bool Process::daemon() const { return there("daemon").daemon; }

pid_t Process::pid() const { return own("pid").current ? ::getpid() : started("pid").pid(); }

int Process::sentinel() const { return started("sentinel").pidfd(); }

void Process::close() {
  if (impl_ && impl_->closed) return;
  Impl& impl = own("close");
  if (impl.child && impl.child->running()) {
    refuse("close", "the process still runs; join() or terminate() it first");
  }
  if (impl.child) {
    impl.child->exit_code();
    detail::process::ProcessState::get().remove(impl.child.get());
  }
  impl.let_go();
  impl.child.reset();
  impl.closed = true;
}

ProcessInfo current_process() {
  const detail::process::Identity identity = detail::process::ProcessState::get().identity();
  return {identity.name, ::getpid(), identity.daemon};
}

std::optional<ProcessInfo> parent_process() {
  return detail::process::ProcessState::get().identity().parent;
}

std::vector<ProcessInfo> active_children() {
  return detail::process::ProcessState::get().active_children();
}

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

void set_start_method(StartMethod method) {
  if (method == StartMethod::spawn) detail::process::check_spawn();
  detail::process::ProcessState::get().set_default_method(method);
}

}  // namespace steward
