#include <steward/manager/wait.hpp>

#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <string_view>
#include <system_error>
#include <thread>
#include <utility>

#include <steward/client/reference.hpp>
#include <steward/client/ring.hpp>
#include <steward/client/session/leadership.hpp>
#include <steward/core/codec.hpp>
#include <steward/core/errors.hpp>
#include <steward/core/interrupt.hpp>
#include <steward/core/own_threads.hpp>
#include <steward/shm/poll.hpp>
#include <steward/shm/shared_queue.hpp>
#include <steward/shm/standard_descriptors.hpp>
#include <steward/shm/wait_any.hpp>

namespace steward::detail::manager {
namespace {

using Clock = std::chrono::steady_clock;

// How long the managers' word on what is ready now is awaited, whatever the timeout.
constexpr std::chrono::milliseconds kLastWord{100};
constexpr std::string_view kWaitReady = "wait_ready";

constexpr std::string_view kWait = "wait";

// The indexes of what is ready.
class Ready {
 public:
  explicit Ready(std::size_t count) : marks_(count) {}
  void mark(std::size_t i) { marks_[i] = 1; }
  bool any() const { return std::ranges::count(marks_, 1) > 0; }
  std::vector<std::size_t> indexes() const {
    std::vector<std::size_t> indexes;
    for (std::size_t i = 0; i < marks_.size(); ++i) {
      if (marks_[i] != 0) indexes.push_back(i);
    }
    return indexes;
  }

 private:
  std::vector<char> marks_;
};

// What a thread can sleep on, of one kind. Thread safety: interrupt() is for any thread.
class Source {
 public:
  virtual ~Source() = default;
  // Until something of it may have become ready, the deadline has passed, or an interrupt came.
  virtual void sleep(core::Deadline deadline) = 0;
  virtual void interrupt() = 0;
};

// Queues in shared memory.
class Rings final : public Source {
 public:
  void add(std::size_t index, shm::SharedQueue& queue) {
    queues_.push_back({index, &queue});
  }
  bool empty() const { return queues_.empty(); }

  void look(Ready& ready) const {
    for (const auto& [index, queue] : queues_) {
      if (is_ready(*queue)) ready.mark(index);
    }
  }

  void sleep(core::Deadline deadline) override {
    bool slept = false;
    while (!interrupted_.load()) {
      std::vector<shm::SeenWord> words{{&kick_, kick_.load(std::memory_order_seq_cst)}};
      for (const auto& [index, queue] : queues_) {
        words.push_back(shm::see(queue->event(shm::Event::not_empty)));
      }
      const core::Time now = Clock::now();
      if (interrupted_.load() || any() || (deadline && now >= *deadline)) break;
      core::Time until = now + slice();
      if (deadline) until = std::min(until, *deadline);
      slept = true;
      if (shm::sleep_on_any(words, until) == shm::Slept::timeout) look_around();
    }
    // Nothing was taken: whatever wake came here is somebody else's.
    for (const auto& [index, queue] : queues_) {
      if (slept) shm::wake(queue->event(shm::Event::not_empty), 1);
    }
  }

  void interrupt() override {
    interrupted_ = true;
    shm::wake_all(kick_);
  }
  // Another sleep may begin.
  void reset() { interrupted_ = false; }

 private:
  struct One {
    std::size_t index;
    shm::SharedQueue* queue;
  };

  static bool is_ready(shm::SharedQueue& queue) {
    try {
      return queue.ready();
    } catch (const std::exception&) {
      return true;  // its memory is damaged: whoever calls it is told
    }
  }
  bool any() const {
    return std::ranges::any_of(queues_, [](const One& one) { return is_ready(*one.queue); });
  }
  core::Duration slice() const {
    core::Duration least = queues_.front().queue->slice();
    for (const One& one : queues_) least = std::min(least, one.queue->slice());
    return least;
  }
  void look_around() const {
    for (const One& one : queues_) {
      try {
        one.queue->look_around();
      } catch (const std::exception&) {
        // The same.
      }
    }
  }

  std::vector<One> queues_;
  shm::FutexWord kick_{0};
  std::atomic<bool> interrupted_ = false;
};

// The objects of one manager, by their indexes.
struct Asked {
  client::SessionPtr session;
  std::vector<std::size_t> indexes;
  std::vector<client::CallLabel> calls;  // without their method
};

// What a manager says of its objects: one call to each, of a method without arguments that changes
// nothing. What has no answer at the end is cancelled.
class Answers final : public Source {
 public:
  // `sleep` ends when `enough` of them have ended. Throws Overloaded if they are more than may wait
  // in the manager.
  Answers(const Asked& asked, std::string_view method, std::size_t enough)
      : asked_(asked), session_(*asked.session), enough_(enough) {
    const std::size_t limit = session_.parked_calls();
    if (limit != 0 && asked.calls.size() > limit) {
      throw Overloaded("wait: " + std::to_string(limit) + " calls may wait in a manager at once");
    }
    client::CallOptions options;
    options.effect = client::Effect::read;
    options.parks = method == kWaitReady;
    options.aside = true;
    try {
      for (const client::CallLabel& call : asked.calls) {
        options.object_type = call.type;
        session_.start(call.object, method, core::kNoArguments, options,
                       answers_.emplace_back(*this));
      }
    } catch (...) {
      cancel();
      throw;
    }
  }
  ~Answers() override { cancel(); }

  void sleep(core::Deadline deadline) override { session_.await(waiter_, deadline); }
  void interrupt() override { session_.interrupt(waiter_); }

  // Marks what has ended: with whatever error, or with a result for which `means` says true.
  template <class F>
  void collect(Ready& ready, F means) const {
    for (std::size_t i = 0; i < answers_.size(); ++i) {
      const Answer& answer = answers_[i];
      if (!answer.ended.load(std::memory_order_acquire)) continue;
      const client::Outcome& outcome = answer.outcome;
      if (outcome.end == client::Outcome::End::no_place) {
        throw Overloaded("wait: too many calls of this process wait in the manager");
      }
      if (!outcome.succeeded() || means(outcome.payload)) ready.mark(asked_.indexes[i]);
    }
  }

 private:
  struct Answer final : client::Completion {
    explicit Answer(Answers& all) : all(all) {}
    void done(client::Outcome told) noexcept override {
      outcome = std::move(told);
      ended.store(true, std::memory_order_release);
      if (++all.ended_ == all.enough_) all.session_.finish(all.waiter_);
    }
    Answers& all;
    client::Outcome outcome;
    std::atomic<bool> ended = false;
  };

  void cancel() noexcept {
    for (Answer& answer : answers_) session_.cancel(answer);
  }

  const Asked& asked_;
  client::Session& session_;
  const std::size_t enough_;
  client::Waiter waiter_;
  std::size_t ended_ = 0;       // guarded by the session's lock
  std::deque<Answer> answers_;  // their addresses stay
};

// A thread that sleeps on a source in another's place, and notifies it when it wakes.
class Sleeper {
 public:
  Sleeper(Source& source, int notifier, core::Deadline deadline) : source_(source) {
    thread_ = core::start_own_thread("steward-wait", [&source, notifier, deadline] {
      try {
        source.sleep(deadline);
      } catch (const std::exception&) {
        // It cannot sleep: the other thread looks, and meets the same.
      }
      const std::uint64_t one = 1;
      [[maybe_unused]] const ssize_t written = ::write(notifier, &one, sizeof one);
    });
  }
  Sleeper(const Sleeper&) = delete;
  Sleeper& operator=(const Sleeper&) = delete;
  ~Sleeper() {
    source_.interrupt();
    thread_.join();
  }

 private:
  Source& source_;
  std::thread thread_;
};

class Wait {
 public:
  Wait(const std::vector<Waitable>& things, std::stop_token stop)
      : things_(things), stop_(std::move(stop)), poll_(stop_, kWait), ready_(things.size()) {
    for (std::size_t i = 0; i < things.size(); ++i) {
      things[i].type().empty() ? add_descriptor(i) : add_object(i);
    }
  }

  std::vector<std::size_t> run(core::Deadline deadline) {
    look();
    ask(deadline);
    while (!ready_.any() && !(deadline && Clock::now() >= *deadline)) {
      core::heed_stop(stop_, kWait);
      sleep(deadline);
      look();
      if (!ready_.any()) core::heed_interrupt_check(kWait);
    }
    return ready_.indexes();
  }

 private:
  void add_descriptor(std::size_t i) {
    descriptors_.push_back({things_[i].descriptor(), POLLIN, 0});
    described_.push_back(i);
  }

  void add_object(std::size_t i) {
    const core::ReferencePtr& reference = things_[i].reference();
    if (reference == nullptr) {
      throw BadCall("wait: an empty " + std::string(things_[i].type()) + " proxy");
    }
    try {
      const core::StopScope scope(stop_);
      if (things_[i].type() == "queue") {
        shm::SharedQueue* const ring = client::ring_of(reference, std::nullopt);
        if (ring != nullptr) return rings_.add(i, *ring);
      }
      const client::SessionPtr session = client::session_of(reference);
      auto known = std::ranges::find(asked_, session, &Asked::session);
      if (known == asked_.end()) known = asked_.insert(known, Asked{session, {}, {}});
      known->indexes.push_back(i);
      known->calls.push_back({things_[i].type(), reference->token().object, {}});
    } catch (const Interrupted&) {
      core::throw_interrupted(kWait);
    } catch (const Disconnected&) {
      ready_.mark(i);
    } catch (const StaleHandle&) {
      ready_.mark(i);
    }
  }

  void look() {
    shm::poll_until(descriptors_, Clock::now());
    for (std::size_t i = 0; i < described_.size(); ++i) {
      const pollfd& entry = descriptors_[i];
      if ((entry.revents & POLLNVAL) != 0) {
        throw BadCall("wait: descriptor " + std::to_string(entry.fd) + " is not open");
      }
      if (things_[described_[i]].look(entry.revents != 0)) ready_.mark(described_[i]);
    }
    rings_.look(ready_);
  }

  // What is ready now, in the managers' words.
  void ask(core::Deadline deadline) {
    const core::Deadline word = core::deadline_after(kLastWord);
    if (ready_.any() || (deadline && *deadline < *word)) deadline = word;
    std::vector<std::unique_ptr<Answers>> all;
    for (const Asked& asked : asked_) {
      all.push_back(std::make_unique<Answers>(asked, "ready", asked.calls.size()));
    }
    for (const auto& answers : all) {
      sleep_on(*answers, deadline);
      answers->collect(ready_, [](const std::string& result) {
        return core::unpack<bool>(result);
      });
    }
  }

  void sleep(core::Deadline deadline) {
    std::vector<std::unique_ptr<Answers>> answers;
    std::vector<Source*> sources;
    if (!rings_.empty()) sources.push_back(&rings_);
    for (const Asked& asked : asked_) {
      answers.push_back(std::make_unique<Answers>(asked, kWaitReady, 1));
      sources.push_back(answers.back().get());
    }
    if (sources.empty()) {
      poll_.until(descriptors_, deadline);
    } else if (sources.size() == 1 && descriptors_.empty()) {
      // Of a session the check is asked there, of a ring here.
      sleep_on(*sources.front(), rings_.empty() ? deadline : core::next_look(deadline));
    } else {
      sleep_on_all(sources, deadline);
    }
    rings_.reset();
    for (const auto& each : answers) each->collect(ready_, [](const auto&) { return true; });
  }

  // A stop ends it.
  void sleep_on(Source& source, core::Deadline deadline) try {
    struct Interrupt {
      void operator()() const noexcept { source.interrupt(); }
      Source& source;
    };
    const std::stop_callback<Interrupt> interrupt(stop_, Interrupt{source});
    source.sleep(deadline);
  } catch (const Interrupted&) {
    core::throw_interrupted(kWait);  // by the check: a session has asked it
  }

  // A thread for each kind that cannot be polled; this one polls the rest.
  void sleep_on_all(const std::vector<Source*>& sources, core::Deadline deadline) {
    shm::keep_standard_descriptors();
    const shm::UniqueFd notifier(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    if (!notifier) throw Overloaded("wait: no descriptor is left");
    std::vector<pollfd> entries = descriptors_;
    entries.push_back({notifier.get(), POLLIN, 0});
    std::vector<std::unique_ptr<Sleeper>> sleepers;
    try {
      for (Source* source : sources) {
        sleepers.push_back(std::make_unique<Sleeper>(*source, notifier.get(), deadline));
      }
    } catch (const std::system_error&) {
      throw Overloaded("wait: no thread is left");
    }
    poll_.until(entries, deadline);
  }

  const std::vector<Waitable>& things_;
  const std::stop_token stop_;
  shm::StoppablePoll poll_;
  Ready ready_;
  std::vector<pollfd> descriptors_;
  std::vector<std::size_t> described_;  // whose they are
  Rings rings_;
  std::vector<Asked> asked_;
};

}  // namespace

std::vector<std::size_t> wait_for(const std::vector<Waitable>& things, core::Deadline deadline,
                                  const std::stop_token& stop) {
  core::heed_stop(stop, kWait);
  if (things.empty()) return {};
  return Wait(things, stop).run(deadline);
}

}  // namespace steward::detail::manager
