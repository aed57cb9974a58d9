#include <steward/pool/pool.hpp>

#include <algorithm>
#include <mutex>
#include <string>
#include <system_error>
#include <unordered_map>
#include <utility>

#include <fmt/format.h>

#include <steward/core/errors.hpp>
#include <steward/pool/worker_table.hpp>
#include <steward/pool/cpu_quota.hpp>
#include <steward/process/launch.hpp>
#include <steward/process/state.hpp>

namespace steward {
namespace {

detail::pool::Dispatcher::Plan plan_of(PoolOptions options) {
  if (detail::process::ProcessState::get().identity().daemon) {
    throw BadCall("Pool: a daemon may not have processes of its own");
  }
  if (options.processes > detail::pool::WorkerTable::kSlotsMax) {
    throw BadCall(fmt::format("Pool: {} processes; the limit is {}", options.processes,
                              detail::pool::WorkerTable::kSlotsMax));
  }
  if (options.retries < 0) throw BadCall("Pool: retries cannot be negative");
  detail::process::prepare(detail::process::For::process, options.start_method);
  detail::pool::Dispatcher::Plan plan;
  plan.workers.count = options.processes == 0 ? detail::pool::usable_cpus() : options.processes;
  plan.workers.tasks_max = options.max_tasks_per_child;
  plan.workers.initializer = std::move(options.initializer);
  plan.workers.method = options.start_method;
  plan.retries = options.retries;
  plan.on_progress = std::move(options.on_progress);
  return plan;
}

// What may be behind it, for the reader of the error's text.
const char* limit_behind(const std::error_code& code) {
  if (code == std::errc::too_many_files_open) return " (ulimit -n limits open files)";
  if (code == std::errc::resource_unavailable_try_again) {
    return " (ulimit -u limits processes and threads)";
  }
  return "";
}

// What the system error says beside its code: "PoolWorker-3: ... cannot start it: ". Maybe nothing.
std::string words_of(const std::system_error& error) {
  const std::string text = error.what();
  const std::string code = error.code().message();
  return text.ends_with(code) ? text.substr(0, text.size() - code.size()) : text + ": ";
}

std::shared_ptr<detail::pool::Dispatcher> start(detail::pool::Dispatcher::Plan plan) {
  const std::size_t count = plan.workers.count;
  try {
    return detail::pool::Dispatcher::make(std::move(plan));
  } catch (const std::system_error& error) {
    const std::string why = words_of(error);
    const char* limit = why.find("ulimit") == why.npos ? limit_behind(error.code()) : "";
    std::string words =
        fmt::format("a pool of {} processes cannot be started{}: {}", count, limit, why);
    words.resize(words.size() - 2);  // SystemError goes on with a colon itself
    throw SystemError(error.code().value(), words);
  }
}

}  // namespace

struct Pool::Addresses {
  std::mutex mutex;
  std::unordered_map<const void*, std::string> known;
};

Pool::Pool(PoolOptions options)
    : dispatcher_(start(plan_of(std::move(options)))),
      addresses_(std::make_shared<Addresses>()) {}

Pool::Pool(std::size_t processes)
    : Pool(processes > 0 ? PoolOptions{.processes = processes}
                         : throw BadCall("Pool: it takes at least one process")) {}

Pool& Pool::operator=(Pool&& other) noexcept {
  if (this != &other) {
    finish();
    dispatcher_ = std::move(other.dispatcher_);
    addresses_ = std::move(other.addresses_);
  }
  return *this;
}

Pool::~Pool() { finish(); }

void Pool::finish() noexcept {
  if (dispatcher_) dispatcher_->shut_down("the pool was destroyed");
}

const std::shared_ptr<detail::pool::Dispatcher>& Pool::dispatcher(const char* method) const {
  if (!dispatcher_) {
    throw BadCall(fmt::format("Pool.{}: this object was moved from", method));
  }
  dispatcher_->require_process(method);
  return dispatcher_;
}

std::size_t Pool::automatic_chunk(std::size_t count) const {
  constexpr std::size_t kSteps = 100;  // of a bar that moves smoothly
  const std::size_t chunks = 4 * dispatcher_->workers();
  std::size_t chunk = (count + chunks - 1) / chunks;
  if (dispatcher_->tells_progress()) chunk = std::min(chunk, count / kSteps);
  return std::max<std::size_t>(chunk, 1);
}

std::size_t Pool::task_bytes_max(const detail::pool::Job& job, std::size_t chunk_size) const {
  constexpr std::size_t kChosenBytes = std::size_t{1} << 20U;
  const std::size_t max = dispatcher_->task_bytes_max(job);
  return chunk_size == 0 ? std::min(max, kChosenBytes) : max;
}

const std::string& Pool::address_of(const void* function) {
  const std::lock_guard hold(addresses_->mutex);
  std::string& address = addresses_->known[function];
  if (address.empty()) {
    detail::core::Writer out(address);
    detail::process::encode_address(out, detail::process::locate(function));
  }
  return address;
}

std::size_t Pool::processes() const { return dispatcher("processes")->workers(); }
std::vector<pid_t> Pool::pids() const { return dispatcher("pids")->pids(); }

void Pool::close() { dispatcher("close")->close(); }

void Pool::join() {
  if (!dispatcher("join")->closed()) {
    throw BadCall("Pool.join: the pool still takes calls; close() or terminate() it first");
  }
  dispatcher_->join();
}

void Pool::terminate() { dispatcher("terminate")->terminate("the pool was terminated"); }

}  // namespace steward
