#include <steward/pool/dispatcher.hpp>

#include <unistd.h>

#include <algorithm>
#include <new>
#include <span>
#include <utility>

#include <fmt/format.h>

#include <steward/core/errors.hpp>
#include <steward/core/future.hpp>
#include <steward/core/own_threads.hpp>
#include <steward/process/status.hpp>
#include <steward/shm/bytes.hpp>
#include <steward/shm/shared_queue.hpp>

namespace steward::detail::pool {
namespace {

// Enough that no worker has to wait for the next task while somebody looks at its last result.
constexpr std::size_t kWindowPerWorker = 64;
constexpr std::size_t kWindowBytes = 64U << 20U;
// So many results are looked at before the lead may be somebody else's.
constexpr int kResultsAtOnce = 64;
// How soon to look again for room in the ring of tasks where nothing comes back that would tell.
constexpr std::chrono::milliseconds kLookForRoom{20};

// Or that there is no memory for it.
template <class Exception>
std::exception_ptr reason_of(const char* text) noexcept {
  try {
    throw Exception(text);
  } catch (...) {
    return std::current_exception();
  }
}

std::string full_name(const char* method) {
  return method != nullptr ? std::string("Pool.") + method : "Pool";
}

}  // namespace

// While it lives, the lock is not held.
class Dispatcher::Unlocked {
 public:
  explicit Unlocked(Lock& lock) : lock_(lock) { lock_.unlock(); }
  Unlocked(const Unlocked&) = delete;
  Unlocked& operator=(const Unlocked&) = delete;
  ~Unlocked() { lock_.lock(); }

 private:
  Lock& lock_;
};

// A thread is in assist(). Made and destroyed under mutex_.
class Dispatcher::Helping {
 public:
  explicit Helping(Dispatcher& pool) : pool_(pool) { ++pool_.assisting_; }
  Helping(const Helping&) = delete;
  Helping& operator=(const Helping&) = delete;
  ~Helping() {
    --pool_.assisting_;
    if (!pool_.led_ && pool_.assisting_ == 0 && pool_.busy()) pool_.background_.notify_one();
  }

 private:
  Dispatcher& pool_;
};

// This thread leads. Made and destroyed under mutex_.
class Dispatcher::Leading {
 public:
  explicit Leading(Dispatcher& pool) : pool_(pool) {
    pool_.led_ = true;
    pool_.pools_thread_leads_ = pool_.on_pools_thread();
  }
  Leading(const Leading&) = delete;
  Leading& operator=(const Leading&) = delete;
  ~Leading() {
    pool_.led_ = false;
    pool_.pools_thread_leads_ = false;
    pool_.changed_.notify_all();
  }

 private:
  Dispatcher& pool_;
};

// The pool as the executor of its own thread, for what waits there.
class Dispatcher::OnPoolsThread final : public core::Executor {
 public:
  explicit OnPoolsThread(Dispatcher& pool) : pool_(pool) {}
  void assist(const std::function<bool()>& done, core::Deadline deadline) override {
    pool_.assist(done, deadline);
  }
  void wake() noexcept override { pool_.wake(); }
  void run_later(core::LaterList next) noexcept override { pool_.run_later(std::move(next)); }
  void cancel() override {}

 private:
  Dispatcher& pool_;
};

std::shared_ptr<Dispatcher> Dispatcher::make(Plan plan) {
  return {new Dispatcher(std::move(plan)), destroy};
}

// Of a copy the threads are not here, and its rings are not mapped; its mutex may be held for ever.
void Dispatcher::destroy(Dispatcher* dispatcher) {
  if (dispatcher->creator_ == ::getpid()) delete dispatcher;
}

void Dispatcher::require_process(const char* method) const {
  if (creator_ == ::getpid()) return;
  throw BadCall(fmt::format("{}: it belongs to the process that created it (pid {})",
                            full_name(method), creator_));
}

Dispatcher::Dispatcher(Plan plan) : Dispatcher(std::move(plan), make_rings()) {}

Dispatcher::Dispatcher(Plan plan, PoolRings rings)
    : plan_(std::move(plan)),
      table_(WorkerTable::create()),
      tasks_(std::move(rings.tasks)),
      results_(std::move(rings.results)),
      window_(std::min(kWindowPerWorker * plan_.workers.count, kWindowMax)),
      workforce_(plan_.workers, table_, {tasks_->fd(), results_->fd(), table_.fd()}, *this) {
  workforce_.start();
  const std::lock_guard hold(mutex_);
  thread_ = core::start_own_thread("steward-pool", [this] {
    run();
    const auto last = std::move(until_thread_ends_);
  });
  pools_thread_ = thread_.get_id();
}

Dispatcher::~Dispatcher() { shut_down("the pool has ended"); }

// ---- Jobs ----

void Dispatcher::check_open(const char* method) const {
  if (broken_) std::rethrow_exception(broken_);
  if (closed_) throw Closed(full_name(method) + ": the pool is closed and takes no more tasks");
}

Dispatcher::JobPtr Dispatcher::open(const char* method, std::string call,
                                    std::unique_ptr<Collector> collector, Job::Tells tells) {
  const std::lock_guard hold(mutex_);
  check_open(method);
  return std::make_shared<Job>(++jobs_, std::move(call), std::move(collector), tells);
}

std::size_t Dispatcher::task_bytes_max(const Job& job) const {
  const std::size_t all = tasks_->shape().message_bytes;
  return all - std::min(all, sizeof(TaskHeader) + job.call.size());
}

void Dispatcher::add(const JobPtr& job, TaskUnit unit) {
  job->expect(unit);
  Lock lock(mutex_);
  const bool held_back = job->holds_back() || !may_send(*job);
  books_.add(job, std::move(unit),
             held_back ? TaskBooks::Place::held_back : TaskBooks::Place::waiting);
  ++unsettled_;
  send_waiting();
  // Nobody else looks at results while this thread makes tasks of a long range.
  if (books_.sent() >= window_ && !led_) lead(lock, core::Time::min());
  tell_lost(lock);
}

void Dispatcher::complete(const JobPtr& job, std::size_t total, Next next) {
  settled(job, job->complete(total));
  if (next == Next::somebody_waits) return;
  const std::lock_guard hold(mutex_);
  if (!led_ && assisting_ == 0 && busy()) background_.notify_one();
}

void Dispatcher::send_held_back(Job& job) {
  Lock lock(mutex_);
  let_go(job);
  tell_lost(lock);
  if (!led_ && assisting_ == 0 && busy()) background_.notify_one();
}

// Under mutex_: as many as may be sent.
void Dispatcher::let_go(Job& job) {
  if (!job.holds_back()) return;
  while (job.holds_back() && may_send(job)) books_.let_go(job);
  send_waiting();
}

void Dispatcher::cancel(Job& job, const char* why) {
  require_process();
  const auto reason = reason_of<BadCall>(why);
  if (!job.cancel()) return;
  table_.cancel(job.number);
  Lock lock(mutex_);
  books_.lose_all(job, reason);
  tell_lost(lock);
}

// The calls of tasks that are lost have come to their end.
void Dispatcher::tell_lost(Lock& lock) noexcept {
  if (!books_.somebody_is_lost()) return;
  for (;;) {
    PoolTasks lost = books_.take_lost();
    if (lost.empty()) break;
    const Unlocked unlocked(lock);
    lose(lost.front(), lost.front().why);
    lost.clear();  // what was kept for it may be anything
  }
  changed_.notify_all();
  // Whoever leads may have waited for this.
  if (led_) look_again();
}

// ---- Sending ----

void Dispatcher::send_waiting() {
  if (broken_) return books_.lose_all(broken_);  // it may be that nobody is left who would answer
  while (books_.somebody_waits() && books_.sent() < window_ &&
         (books_.sent_bytes() < kWindowBytes || books_.sent() == 0)) {
    try {
      if (!send_first()) return;
    } catch (...) {
      books_.lose_first(std::current_exception());
    }
  }
}

// False: there is no room just now. Throws Closed, Overloaded, shm::NoMemory, std::bad_alloc; then
// the task is where it was.
bool Dispatcher::send_first() {
  const PoolTask& task = books_.first();
  const std::size_t size = sizeof(TaskHeader) + task.job->call.size() + task.bytes;
  if (size > tasks_->shape().message_bytes) {
    throw Overloaded(fmt::format("Pool: call {} has {} bytes of arguments; the limit is {}",
                                 task.unit.first, size, tasks_->shape().message_bytes));
  }
  const Ticket ticket = ++tickets_;
  const TaskHeader header{ticket, task.job->number, task.unit.count, task.job->call.size()};
  std::string message;
  message.reserve(size);
  append_bytes(message, header);
  message += task.job->call;
  message += task.unit.arguments;
  return books_.send_first(ticket, [&] {
    const Queue::Outcome outcome = tasks_->put(shm::bytes_of(message), 0, Queue::kNow);
    if (outcome == Queue::Outcome::closed || outcome == Queue::Outcome::ended) {
      throw Closed("Pool: it has no more workers");
    }
    return outcome == Queue::Outcome::done;
  });
}

// ---- Waiting ----

void Dispatcher::assist(const std::function<bool()>& done, core::Deadline deadline) {
  require_process();
  Lock lock(mutex_);
  const Helping helping(*this);
  const auto passed = [&] { return deadline && std::chrono::steady_clock::now() >= *deadline; };
  while (!done() && !passed()) {
    if (on_pools_thread() && !later_.empty()) {
      run_next(lock);  // a callback that waits itself: nobody else would run the others
    } else if (!led_ && busy()) {
      lead(lock, deadline);
    } else if (deadline) {
      changed_.wait_until(lock, *deadline);
    } else {
      changed_.wait(lock);
    }
  }
}

// A copy of the pool in a forked child has nobody who assists, and its mutex may be held for ever.
void Dispatcher::wake() noexcept {
  if (creator_ != ::getpid()) return;
  const std::lock_guard hold(mutex_);
  changed_.notify_all();
  if (led_) look_again();
}

void Dispatcher::lead(Lock& lock, core::Deadline deadline) {
  if (books_.somebody_is_lost()) return tell_lost(lock);
  if (books_.somebody_waits() && books_.sent() == 0) {
    const auto soon = core::deadline_after(kLookForRoom);
    deadline = deadline ? std::min(deadline, soon) : soon;
  }
  {
    const Leading leading(*this);
    {
      const Unlocked unlocked(lock);
      receive(deadline);
    }
    send_waiting();
  }
  tell_lost(lock);
}

void Dispatcher::receive(core::Deadline deadline) noexcept {
  const auto read = [this](const shm::Item& item) {
    try {
      handle(static_cast<ResultKind>(item.format), shm::text_of(item.bytes));
    } catch (const BadCall&) {
      // No worker writes such a message. If one has run wild, its end will come as well.
    }
    return true;
  };
  shm::Held none;
  shm::Until until = deadline;
  try {
    for (int i = 0; i < kResultsAtOnce; ++i) {
      if (results_->get(read, until, none) != Queue::Outcome::done) return;
      until = Queue::kNow;
    }
  } catch (...) {
    // What the workers still have to say cannot be read: the ring is damaged, say.
    const std::lock_guard hold(mutex_);
    fail(std::current_exception());
    books_.forget_sent();
  }
}

void Dispatcher::run_later(core::LaterList next) noexcept {
  if (next.empty()) return;
  {
    const std::lock_guard hold(mutex_);
    if (!stopped_) {
      later_.splice(later_.end(), next);
      background_.notify_one();
      changed_.notify_all();
      if (pools_thread_leads_ && !on_pools_thread()) look_again();
      return;
    }
  }
  for (const core::Later& each : next) each.run();
}

void Dispatcher::run_next(Lock& lock) {
  core::LaterList next;
  next.splice(next.end(), later_, later_.begin());
  {
    const Unlocked unlocked(lock);
    const core::ProgramsCode callback;
    next.front().run();
    next.clear();  // what it has kept may be anything
  }
  // A future may be ready by that, and somebody who leads may wait for it.
  changed_.notify_all();
  if (led_) look_again();
}

// Wakes whoever leads. Full, or no memory for one message more: then it has something to look at.
void Dispatcher::look_again() noexcept {
  try {
    const ResultHeader about_no_task;
    results_->put(std::as_bytes(std::span(&about_no_task, 1)),
                  static_cast<std::uint32_t>(ResultKind::look_again), Queue::kNow);
  } catch (const std::exception&) {
  }
}

// The pool's thread: runs callbacks, and leads where nobody else does. Nothing leaves it.
void Dispatcher::run() {
  OnPoolsThread executor(*this);
  const core::ExecutorsThread own(executor);
  Lock lock(mutex_);
  while (!stopped_) {
    try {
      run_until_stopped(lock);
    } catch (...) {
      fail(std::current_exception());
    }
  }
}

void Dispatcher::run_until_stopped(Lock& lock) {
  for (;;) {
    if (!later_.empty()) {
      run_next(lock);
    } else if (stopping_) {
      stopped_ = true;
      changed_.notify_all();
      return;
    } else if (!led_ && assisting_ == 0 && busy()) {
      lead(lock, std::nullopt);
    } else {
      background_.wait(lock);
    }
  }
}

// ---- The end ----

// Under mutex_: no task is left, none will come.
void Dispatcher::leave_when_done() noexcept {
  if (!closed_ || tasks_closed_ || unsettled_ > 0) return;
  workforce_.retire();
  close_tasks();
}

// Under mutex_. From a ring that one of them has damaged, by running wild, the workers may not hear
// that they are to leave.
void Dispatcher::close_tasks() noexcept {
  tasks_closed_ = true;
  try {
    tasks_->close();
  } catch (const std::exception&) {
    workers_are_deaf_ = true;
  }
}

void Dispatcher::close() {
  const std::lock_guard hold(mutex_);
  closed_ = true;
  leave_when_done();
}

bool Dispatcher::closed() const {
  const std::lock_guard hold(mutex_);
  return closed_;
}

void Dispatcher::join() {
  {
    // Or it would wait for somebody who takes what is there, and that may be the caller.
    Lock lock(mutex_);
    awaited_ = true;
    books_.let_all_go();
    send_waiting();
    tell_lost(lock);
  }
  assist([this] { return unsettled_ == 0; }, std::nullopt);
  bool deaf = false;
  {
    const std::lock_guard hold(mutex_);
    deaf = workers_are_deaf_;
  }
  if (deaf) workforce_.kill();
  workforce_.join();
}

// Under mutex_: the pool is broken, and nobody wants what the workers have. Whoever leads next
// tells what is lost by that; who leads, or could, is woken for it.
void Dispatcher::fail(const std::exception_ptr& why) noexcept {
  if (!broken_) broken_ = why;
  books_.lose_all(why);
  for (const PoolTask& task : books_.lost()) {
    if (task.job->cancel()) table_.cancel(task.job->number);
  }
  workforce_.retire();
  changed_.notify_all();
  background_.notify_one();
  if (led_) look_again();
}

void Dispatcher::fail_all(const std::exception_ptr& why) noexcept {
  Lock lock(mutex_);
  fail(why);
  tell_lost(lock);
}

void Dispatcher::terminate(const char* why) noexcept {
  fail_all(reason_of<Closed>(why));
  {
    const std::lock_guard hold(mutex_);
    closed_ = true;
    close_tasks();
  }
  workforce_.kill();
}

void Dispatcher::shut_down(const char* why) noexcept {
  if (creator_ != ::getpid()) return;
  terminate(why);
  workforce_.join();
  {
    const std::lock_guard hold(mutex_);
    stopping_ = true;
    background_.notify_one();
    if (led_) look_again();
  }
  if (!thread_.joinable()) return;
  if (on_pools_thread()) {
    until_thread_ends_ = shared_from_this();
    thread_.detach();
  } else {
    thread_.join();
  }
}

void give_up(Dispatcher& dispatcher, Job& job) noexcept {
  try {
    dispatcher.cancel(job, "nobody waits for the results any more");
  } catch (const BadCall&) {
    // In a copy of the process, where they never were anybody's.
  }
}

void JobExecutor::cancel() {
  if (const auto job = job_.lock()) dispatcher_->cancel(*job, "the task was cancelled");
}

}  // namespace steward::detail::pool
