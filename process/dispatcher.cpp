#include <steward/process/dispatcher.hpp>

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

namespace steward::process {
namespace {

// Enough that no worker has to wait for the next task while somebody looks at its last result.
constexpr std::size_t kWindowPerWorker = 64;
constexpr std::size_t kWindowBytes = 64U << 20U;
// So many results are looked at before the lead may be somebody else's.
constexpr int kResultsAtOnce = 64;
// How soon to look again for room in the ring of tasks where nothing comes back that would tell.
constexpr std::chrono::milliseconds kLookForRoom{20};

std::exception_ptr failure_in(std::string_view packed) {
  try {
    throw_failure(packed);
  } catch (...) {
    return std::current_exception();
  }
}

std::exception_ptr death_of(std::string_view worker, const WorkerEnd& end, const TaskUnit& at) {
  const std::size_t last = at.first + at.count - 1;
  return std::make_exception_ptr(WorkerDied(
      fmt::format("{} (pid {}) ended with {} while it ran {}", worker, end.pid,
                  describe_ending(static_cast<int>(end.exit_code)),
                  at.first == last ? fmt::format("task {}", at.first)
                                   : fmt::format("tasks {} to {}", at.first, last))));
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

// A thread is in help(). Made and destroyed under mutex_.
class Dispatcher::Helping {
 public:
  explicit Helping(Dispatcher& pool) : pool_(pool) { ++pool_.helpers_; }
  Helping(const Helping&) = delete;
  Helping& operator=(const Helping&) = delete;
  ~Helping() {
    --pool_.helpers_;
    if (!pool_.led_ && pool_.helpers_ == 0 && pool_.busy()) pool_.background_.notify_one();
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

Dispatcher::Dispatcher(Plan plan) : Dispatcher(std::move(plan), make_rings()) {}

Dispatcher::Dispatcher(Plan plan, PoolRings rings)
    : plan_(std::move(plan)),
      board_(Board::create()),
      tasks_(std::move(rings.tasks)),
      results_(std::move(rings.results)),
      window_(std::min(kWindowPerWorker * plan_.workers.count, kWindowMax)) {
  // Before any worker can end: whoever watches them tells this object.
  const std::vector<int> files{tasks_->fd(), results_->fd(), board_.fd()};
  Workforce::Owner& owner = *this;
  workforce_ = std::make_unique<Workforce>(plan_.workers, board_, files, owner);
  const core::OwnThreads scope("steward-pool");
  const std::lock_guard hold(mutex_);
  thread_ = std::thread([this] {
    run();
    const auto last = std::move(until_thread_ends_);
  });
  pools_thread_ = thread_.get_id();
}

Dispatcher::~Dispatcher() { shut_down("the pool has ended"); }

// ---- Jobs ----

void Dispatcher::check_open() const {
  if (broken_) std::rethrow_exception(broken_);
  if (closed_) throw Closed("the pool is closed: it takes no more tasks");
}

Dispatcher::JobPtr Dispatcher::open(std::string call, std::unique_ptr<Collector> collector,
                                    Job::Tells tells) {
  const std::lock_guard hold(mutex_);
  check_open();
  return std::make_shared<Job>(++jobs_, std::move(call), std::move(collector), tells);
}

std::size_t Dispatcher::task_bytes_max(const Job& job) const {
  const std::size_t all = tasks_->shape().message_bytes;
  return all - std::min(all, sizeof(TaskHeader) + job.call.size());
}

void Dispatcher::add(const JobPtr& job, TaskUnit unit) {
  std::vector<Losses> losses;
  {
    Lock lock(mutex_);
    const std::size_t bytes = unit.arguments.size();
    pending_.push_back({job, std::move(unit), bytes});
    ++unsettled_;
    send_pending(losses);
    // Nobody else looks at results while this thread makes tasks of a long range.
    if (sent_.size() >= window_ && !led_) lead(lock, core::Time::min());
  }
  lose(losses);
}

void Dispatcher::complete(const JobPtr& job, std::size_t total, Next next) {
  settled(job, job->complete(total));
  if (next == Next::somebody_waits) return;
  const std::lock_guard hold(mutex_);
  if (!led_ && helpers_ == 0 && busy()) background_.notify_one();
}

bool Dispatcher::cancel(Job& job, const char* why) {
  if (!job.cancel()) return false;
  board_.cancel(job.number);
  Losses losses;
  {
    const std::lock_guard hold(mutex_);
    losses = take_out([&](const Job& each) { return &each == &job; },
                      std::make_exception_ptr(BadCall(why)));
  }
  lose_at_once(losses);
  return true;
}

// Nobody wants the results of these jobs any more. What the workers have stays in the books,
// without its job, until they answer.
Dispatcher::Losses Dispatcher::take_out(const std::function<bool(const Job&)>& wanted,
                                        std::exception_ptr why) {
  Losses losses{{}, std::move(why)};
  losses.units.reserve(sent_.size() + pending_.size());  // nothing is taken out and then forgotten
  const auto take = [&](Unit& unit) {
    if (!unit.job || !wanted(*unit.job)) return;
    losses.units.push_back({std::exchange(unit.job, nullptr), std::move(unit.unit)});
  };
  for (auto& [ticket, unit] : sent_) take(unit);
  for (Unit& unit : pending_) take(unit);
  std::erase_if(pending_, [](const Unit& unit) { return unit.job == nullptr; });
  return losses;
}

void Dispatcher::lose_at_once(const Losses& losses) {
  lose({losses});
  // Whoever leads may have waited for this.
  const std::lock_guard hold(mutex_);
  if (led_) look_again();
}

// ---- Sending ----

void Dispatcher::send_pending(std::vector<Losses>& losses) {
  while (!pending_.empty() && sent_.size() < window_ &&
         (sent_bytes_ < kWindowBytes || sent_.empty())) {
    Unit& unit = pending_.front();
    try {
      if (broken_) std::rethrow_exception(broken_);
      if (!send(unit)) return;
    } catch (...) {
      if (!note_loss(losses, unit, std::current_exception())) return;
    }
    pending_.pop_front();
  }
}

// False: there is no memory for it. The unit stays where it is, and is tried again.
bool Dispatcher::note_loss(std::vector<Losses>& losses, Unit& unit, std::exception_ptr why) {
  try {
    losses.push_back({{}, std::move(why)});
    losses.back().units.push_back(std::move(unit));
    return true;
  } catch (const std::bad_alloc&) {
    return false;
  }
}

// False: there is no room just now. Throws Closed, Overloaded, shm::NoMemory, std::bad_alloc; then
// the unit is as it was.
bool Dispatcher::send(Unit& unit) {
  const std::size_t size = sizeof(TaskHeader) + unit.job->call.size() + unit.bytes;
  if (size > tasks_->shape().message_bytes) {
    throw Overloaded(fmt::format("Pool: call {} has {} bytes of arguments; the limit is {}",
                                 unit.unit.first, size, tasks_->shape().message_bytes));
  }
  const Ticket ticket = ++tickets_;
  const TaskHeader header{ticket, unit.job->number, unit.unit.count, unit.job->call.size()};
  std::string message;
  message.reserve(size);
  append_bytes(message, header);
  message += unit.job->call;
  message += unit.unit.arguments;
  const auto entry = sent_.try_emplace(ticket).first;  // nothing may fail once it is put
  try {
    const Queue::Outcome outcome = tasks_->put(shm::bytes_of(message), 0, Queue::kNow);
    if (outcome == Queue::Outcome::closed || outcome == Queue::Outcome::ended) {
      throw Closed("the pool has no more workers");
    }
    if (outcome != Queue::Outcome::done) {
      sent_.erase(entry);
      return false;
    }
  } catch (...) {
    sent_.erase(entry);
    throw;
  }
  sent_bytes_ += unit.bytes;
  entry->second = std::move(unit);
  return true;
}

// Takes it out of the books; what was cancelled meanwhile has no job.
std::optional<Dispatcher::Unit> Dispatcher::settle_ticket(Ticket ticket) {
  const auto found = sent_.find(ticket);
  if (found == sent_.end()) return std::nullopt;
  Unit unit = std::move(found->second);
  sent_.erase(found);
  sent_bytes_ -= unit.bytes;
  return unit;
}

// ---- Waiting ----

void Dispatcher::help(const std::function<bool()>& done, core::Deadline deadline) {
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

void Dispatcher::lead(Lock& lock, core::Deadline deadline) {
  if (!pending_.empty() && sent_.empty()) {
    const auto soon = core::deadline_after(kLookForRoom);
    deadline = deadline ? std::min(deadline, soon) : soon;
  }
  std::vector<Losses> losses;
  {
    const Leading leading(*this);
    {
      const Unlocked unlocked(lock);
      receive(deadline);
    }
    send_pending(losses);
  }
  if (losses.empty()) return;
  const Unlocked unlocked(lock);
  lose(losses);
}

void Dispatcher::receive(core::Deadline deadline) {
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
    forget_workers(std::current_exception());
  }
}

// What they still have to say cannot be read: the ring is damaged, say.
void Dispatcher::forget_workers(std::exception_ptr why) {
  fail_all(std::move(why));
  const std::lock_guard hold(mutex_);
  sent_.clear();
  sent_bytes_ = 0;
}

void Dispatcher::run_later(std::function<void()> next) {
  {
    const std::lock_guard hold(mutex_);
    if (!stopped_) {
      later_.push_back(std::move(next));
      background_.notify_one();
      changed_.notify_all();
      if (pools_thread_leads_ && !on_pools_thread()) look_again();
      return;
    }
  }
  next();
}

void Dispatcher::run_next(Lock& lock) {
  const auto next = std::move(later_.front());
  later_.pop_front();
  {
    const Unlocked unlocked(lock);
    next();
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

// The pool's thread: runs callbacks, and leads where nobody else does. Nothing leaves it: what
// cannot even be noted breaks the pool.
void Dispatcher::run() {
  Lock lock(mutex_);
  while (!stopped_) {
    try {
      run_until_stopped(lock);
    } catch (...) {
      const Unlocked unlocked(lock);
      break_by(std::current_exception());
    }
  }
}

void Dispatcher::break_by(std::exception_ptr why) noexcept {
  try {
    fail_all(std::move(why));
  } catch (const std::exception&) {
    // It is marked as broken, at least; what is in the books fails when it comes up next.
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
    } else if (!led_ && helpers_ == 0 && busy()) {
      lead(lock, std::nullopt);
    } else {
      background_.wait(lock);
    }
  }
}

// ---- Results ----

void Dispatcher::handle(ResultKind kind, std::string_view message) {
  MessageReader in(message);
  const auto ticket = in.number<ResultHeader>().ticket;
  switch (kind) {
    case ResultKind::look_again: return;
    case ResultKind::worker_ended: return lost_worker(in);
    case ResultKind::no_worker: return fail_all(failure_in(in.rest()));
    case ResultKind::part: return keep_part(ticket, in.rest());
    case ResultKind::done:
    case ResultKind::failed:
    case ResultKind::not_begun: break;
  }
  std::optional<Unit> unit;
  try {
    const std::lock_guard hold(mutex_);
    unit = settle_ticket(ticket);
    if (!unit || !unit->job) return;
    if (kind == ResultKind::not_begun) return pending_.push_front(std::move(*unit));
    if (kind == ResultKind::done && !unit->results.empty()) unit->results += in.rest();
  } catch (const std::exception&) {
    return lose(*unit, std::current_exception());
  }
  if (kind == ResultKind::failed) return lose(*unit, failure_in(in.rest()));
  deliver(*unit, unit->results.empty() ? in.rest() : std::string_view(unit->results));
}

// Until the last part is here the task may still be lost, and be run again.
void Dispatcher::keep_part(Ticket ticket, std::string_view results) {
  std::optional<Unit> too_large;
  std::exception_ptr why;
  {
    const std::lock_guard hold(mutex_);
    const auto found = sent_.find(ticket);
    if (found == sent_.end() || !found->second.job) return;
    try {
      found->second.results += results;
      return;
    } catch (const std::exception&) {
      why = std::current_exception();
      too_large = settle_ticket(ticket);
    }
  }
  lose(*too_large, why);
}

void Dispatcher::deliver(const Unit& unit, std::string_view results) {
  settle([&] { settled(unit.job, unit.job->deliver(unit.unit, results)); });
}

void Dispatcher::lose(const Unit& unit, const std::exception_ptr& why) {
  settle([&] { settled(unit.job, unit.job->lose(unit.unit, why)); });
  const std::lock_guard hold(mutex_);
  changed_.notify_all();
}

// A task has come to its end, even if there is no memory to tell so.
template <class Tell>
void Dispatcher::settle(Tell tell) {
  const auto count_off = [this] {
    const std::lock_guard hold(mutex_);
    --unsettled_;
    leave_when_done();
  };
  try {
    tell();
  } catch (...) {
    count_off();
    throw;
  }
  count_off();
}

void Dispatcher::lose(const std::vector<Losses>& losses) {
  for (const Losses& each : losses) {
    for (const Unit& unit : each.units) lose(unit, each.why);
  }
}

void Dispatcher::settled(const JobPtr& job, bool last) {
  if (!last) return tell_progress(job);
  const auto finish = [this, job] {
    job->finish();
    const std::lock_guard hold(mutex_);
    changed_.notify_all();
  };
  if (!tells(*job)) return finish();
  try {
    run_later([this, job, finish] {
      const std::size_t total = job->progress().total.value_or(0);
      if (total > 0) core::run_callback([&] { plan_.on_progress(total, total); });
      finish();
    });
  } catch (const std::bad_alloc&) {
    finish();  // without the news
  }
}

// Of what was cancelled there is no progress.
bool Dispatcher::tells(const Job& job) const {
  return plan_.on_progress && job.tells == Job::Tells::progress && !job.cancelled();
}

// The latest news only: calls that the pool's thread has not come round to are left out.
void Dispatcher::tell_progress(const JobPtr& job) {
  if (!tells(*job) || !job->tell_progress()) return;
  try {
    run_later([this, job] {
      job->told_progress();
      const Job::Settled now = job->progress();
      if (!now.total || now.calls == *now.total) return;  // the last is told by whoever finishes
      core::run_callback([&] { plan_.on_progress(now.calls, *now.total); });
    });
  } catch (const std::bad_alloc&) {
    job->told_progress();
  }
}

// ---- Workers ----

void Dispatcher::worker_ended(const std::string& name, pid_t pid, int exit_code, Ticket at) {
  try {
    tasks_->recover_dead();
    results_->recover_dead();
    std::string body;
    append_bytes(body, WorkerEnd{at, pid, exit_code});
    body += name;
    tell_workers_end(ResultKind::worker_ended, body);
  } catch (...) {
    // No memory to tell that its task is lost. Before there are tasks nothing is.
    if (workforce_) break_by(std::current_exception());
  }
}

void Dispatcher::no_more_workers(std::exception_ptr why) {
  try {
    std::string failure;
    try {
      std::rethrow_exception(why);
    } catch (...) {
      failure = pack_failure(current_failure());
    }
    tell_workers_end(ResultKind::no_worker, failure);
  } catch (...) {
    break_by(why);
  }
}

// Behind everything that workers which have ended put themselves.
void Dispatcher::tell_workers_end(ResultKind kind, std::string_view body) {
  std::string message;
  append_bytes(message, ResultHeader{});
  message += body;
  results_->put(shm::bytes_of(message), static_cast<std::uint32_t>(kind), std::nullopt);
}

void Dispatcher::lost_worker(MessageReader message) {
  const auto end = message.number<WorkerEnd>();
  const bool begun = (end.at & Board::kNotBegun) == 0;
  std::optional<Unit> unit;
  std::exception_ptr why;
  try {
    const std::lock_guard hold(mutex_);
    unit = settle_ticket(end.at & ~Board::kNotBegun);
    if (!unit || !unit->job) return;
    unit->results.clear();
    if (!begun || unit->unit.deaths++ < plan_.retries) {
      return pending_.push_front(std::move(*unit));
    }
    why = death_of(message.rest(), end, unit->unit);
  } catch (const std::exception&) {
    why = std::current_exception();
  }
  lose(*unit, why);
}

// ---- The end ----

// Under mutex_: no task is left, none will come.
void Dispatcher::leave_when_done() {
  if (!closed_ || tasks_closed_ || unsettled_ > 0) return;
  tasks_closed_ = true;
  workforce_->retire();
  tasks_->close();
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
  help([this] { return unsettled_ == 0; }, std::nullopt);
  workforce_->join();
}

void Dispatcher::fail_all(std::exception_ptr why) {
  Losses losses;
  {
    const std::lock_guard hold(mutex_);
    if (!broken_) broken_ = why;
    losses = take_out([](const Job&) { return true; }, std::move(why));
  }
  workforce_->retire();
  for (const Unit& unit : losses.units) {
    if (unit.job->cancel()) board_.cancel(unit.job->number);
  }
  lose_at_once(losses);
}

void Dispatcher::terminate(const char* why) {
  fail_all(std::make_exception_ptr(Closed(why)));
  {
    const std::lock_guard hold(mutex_);
    closed_ = true;
    tasks_closed_ = true;
  }
  tasks_->close();
  workforce_->kill();
}

void Dispatcher::shut_down(const char* why) noexcept {
  try {
    terminate(why);
    workforce_->join();
  } catch (const std::exception&) {
    // Only want of memory brings us here, or a descriptor gone bad. The workers end with this
    // process.
  }
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
  } catch (const std::exception&) {
    // Out of memory: they are computed for nobody.
  }
}

bool JobPromiser::cancel() {
  const auto job = job_.lock();
  return job && dispatcher_->cancel(*job, "the task was cancelled");
}

}  // namespace steward::process
