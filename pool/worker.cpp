#include <steward/pool/worker.hpp>

#include <signal.h>

#include <atomic>
#include <cstdint>
#include <exception>
#include <memory>
#include <utility>

#include <fmt/format.h>

#include <steward/core/errors.hpp>
#include <steward/pool/worker_table.hpp>
#include <steward/pool/calls.hpp>
#include <steward/pool/messages.hpp>
#include <steward/process/request.hpp>
#include <steward/process/status.hpp>
#include <steward/process/streams.hpp>
#include <steward/shm/bytes.hpp>
#include <steward/shm/shared_queue.hpp>

namespace steward::detail::pool {
namespace {

using Queue = shm::SharedQueue;

class Worker final : private Results {
 public:
  Worker(process::ChildContext& context, std::size_t slot)
      : tasks_(Queue::open(context.passed_files().take(kTasksFile))),
        results_(Queue::open(context.passed_files().take(kResultsFile))),
        table_(WorkerTable::open(context.passed_files().take(kTableFile))),
        slot_(table_.slot(slot)) {}

  // False: the pool has been told why there will be no worker.
  bool initialize(std::string_view initializer, const std::string& name) {
    try {
      core::Reader in(initializer);
      const auto entry =
          reinterpret_cast<process::Entry>(process::resolve(process::decode_address(in)));
      // It is up already, and has no files: those have one owner, workers are many.
      process::ChildContext context(name, {}, -1, nullptr);
      entry(context, initializer.substr(in.position()));
      return true;
    } catch (...) {
      begin_result();
      bytes() += process::pack_exception(process::record_exception());
      put(ResultKind::no_worker);
      return false;
    }
  }

  void work(std::size_t tasks_max) {
    slot_.store(WorkerTable::kReady, std::memory_order_relaxed);
    for (std::size_t done = 0; tasks_max == 0 || done < tasks_max; ++done) {
      if (!take()) return;
      run();
      slot_.store(WorkerTable::kIdle, std::memory_order_relaxed);
    }
  }

 private:
  // The next task's message, in message_. What has come back from a worker that died is the pool's
  // to judge: it knows whether that one had begun. A message for which there is no memory is gone
  // all the same: the next worker would have none either. False: there will be none any more.
  bool take() {
    for (;;) {
      bool again = false;
      const Ticket before = slot_.load(std::memory_order_relaxed);
      shm::Held none;
      const auto read = [&](const shm::Item& item) {
        const std::string_view message = shm::text_of(item.bytes);
        ticket_ = MessageReader(message).number<TaskHeader>().ticket;
        again = item.redelivered;
        // Before the ring forgets the task: from here on this worker's death is the task's, or at
        // least tells the pool that nobody has it.
        slot_.store(again ? ticket_ | WorkerTable::kNotBegun : ticket_, std::memory_order_seq_cst);
        if (!again) keep(message);
        return true;
      };
      if (tasks_->get(read, std::nullopt, none) != Queue::Outcome::done) return false;
      if (!again) return true;
      begin_result();
      put(ResultKind::not_begun);
      slot_.store(before, std::memory_order_relaxed);
    }
  }

  void keep(std::string_view message) {
    try {
      message_.assign(message);
    } catch (...) {
      unreadable_ = std::current_exception();
    }
  }

  void run() {
    begin_result();
    ResultKind kind = ResultKind::done;
    try {
      if (unreadable_) std::rethrow_exception(std::exchange(unreadable_, nullptr));
      MessageReader in(message_);
      const auto header = in.number<TaskHeader>();
      const std::string_view call = in.bytes(header.call_bytes);
      prepare(call);
      run_calls_(callable_, in, header.count, Unwanted(table_, header.job), *this);
    } catch (...) {
      kind = ResultKind::failed;
      begin_result();
      bytes() += process::pack_exception(process::record_exception());
    }
    put(kind);
  }

  // The same function is mostly called again.
  void prepare(std::string_view call) {
    if (run_calls_ == nullptr || call != call_) {
      core::Reader in(call);
      run_calls_ = reinterpret_cast<RunCalls>(process::resolve(process::decode_address(in)));
      callable_at_ = in.position();
      call_.assign(call);
    }
    callable_ = std::string_view(call_).substr(callable_at_);
  }

  void begin_result() {
    bytes().clear();
    append_bytes(bytes(), ResultHeader{ticket_});
  }

  std::size_t message_bytes() const { return results_->shape().message_bytes; }

  void check_call(std::size_t begin) const override {
    const std::size_t size = written() - begin;
    const std::size_t limit = message_bytes() - sizeof(ResultHeader);
    if (size <= limit) return;
    throw Overloaded(
        fmt::format("Pool: the result of a call has {} bytes; the limit is {}", size, limit));
  }

  void end_call(std::size_t begin) override {
    if (written() <= message_bytes()) return;
    const std::string last = bytes().substr(begin);
    bytes().resize(begin);
    put(ResultKind::part);
    begin_result();
    bytes() += last;
  }

  void put(ResultKind kind) {
    // Whoever has the result may end this process at any moment.
    process::flush_streams();
    try {
      results_->put(shm::bytes_of(bytes()), static_cast<std::uint32_t>(kind), std::nullopt);
    } catch (const Error&) {
      // There is no memory: that is what came of the task.
      begin_result();
      bytes() += process::pack_exception(process::record_exception());
      constexpr auto kFailed = static_cast<std::uint32_t>(ResultKind::failed);
      results_->put(shm::bytes_of(bytes()), kFailed, std::nullopt);
    }
  }

  std::unique_ptr<Queue> tasks_;
  std::unique_ptr<Queue> results_;
  WorkerTable table_;
  std::atomic<Ticket>& slot_;

  Ticket ticket_ = 0;
  std::string message_;
  std::exception_ptr unreadable_;  // why it is not there

  std::string call_;
  std::size_t callable_at_ = 0;
  std::string_view callable_;
  RunCalls run_calls_ = nullptr;
};

}  // namespace

std::string pack_worker_order(const WorkerOrder& order) {
  std::string out;
  append_bytes(out, std::uint64_t{order.slot});
  append_bytes(out, std::uint64_t{order.tasks_max});
  if (order.initializer == nullptr) return out;
  core::Writer writer(out);
  process::encode_address(writer, process::locate_function(order.initializer->entry()));
  out += order.initializer->pack();
  return out;
}

void run_worker(process::ChildContext& context, std::string_view arguments) {
  // Meant for the program, which has the pool in hand.
  for (const int number : {SIGINT, SIGHUP, SIGQUIT}) ::signal(number, SIG_IGN);
  MessageReader in(arguments);
  const auto slot = in.number<std::uint64_t>();
  const auto tasks_max = in.number<std::uint64_t>();
  const std::string initializer(in.rest());
  Worker worker(context, slot);
  const std::string name = context.name();
  context.confirm();
  if (!initializer.empty() && !worker.initialize(initializer, name)) return;
  worker.work(tasks_max);
}

}  // namespace steward::detail::pool
