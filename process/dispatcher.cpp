#include <steward/process/dispatcher.hpp>

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

namespace steward::process {
namespace {

// Enough that no worker has to wait for the next task while somebody looks at its last result.
constexpr std::size_t kWindowPerWorker = 64;
constexpr std::size_t kWindowBytes = 64U << 20U;
// So many results are looked at before the lead may be somebody else's.
constexpr int kResultsAtOnce = 64;
// How soon to look again for room in the ring of tasks where nothing comes back that would tell.
constexpr std::chrono::milliseconds kLookForRoom{20};

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

std::shared_ptr<Dispatcher> Dispatcher::make(Plan plan) {
  return {new Dispatcher(std::move(plan)), destroy};
}

// Of a copy the threads are not here, and its rings are not mapped.
void Dispatcher::destroy(Dispatcher* dispatcher) {
  if (dispatcher->creator_ == ::getpid()) delete dispatcher;
}

void Dispatcher::require_process() const {
  if (creator_ == ::getpid()) return;
  throw BadCall(fmt::format("a Pool belongs to the process that created it (pid {})", creator_));
}

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
  const std::lock_guard hold(mutex_);
  thread_ = core::start_own_thread("steward-pool", [this] {
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
  require_process();
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
    const core::ProgramsCode callback;
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
  if (creator_ != ::getpid()) return;
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
