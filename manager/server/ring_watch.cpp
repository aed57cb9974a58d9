#include <steward/manager/server/ring_watch.hpp>

#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <memory>
#include <span>
#include <utility>

#include <steward/core/errors.hpp>
#include <steward/core/own_threads.hpp>
#include <steward/shm/wait_any.hpp>

namespace steward::detail::server {
namespace {

bool contains(const std::vector<RingWatch::Word>& words, const shm::FutexWord* word) {
  return std::ranges::find(words, word, &RingWatch::Word::word) != words.end();
}

// Each of them may have had a wake that was meant for one sleeper, and nobody here wants it.
void pass_on(const std::vector<RingWatch::Word>& before,
             const std::vector<RingWatch::Word>& now) {
  for (const RingWatch::Word& old : before) {
    if (!contains(now, old.word)) shm::wake(*old.word, 1);
  }
}

}  // namespace

RingWatch::RingWatch() : event_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  if (!event_) throw SystemError(errno, "cannot make an eventfd");
}

RingWatch::~RingWatch() {
  if (!thread_.joinable()) return;
  {
    const std::lock_guard lock(mutex_);
    end_ = true;
  }
  shm::wake_all(kick_);
  thread_.join();
}

RingWatch::News RingWatch::take_news() {
  std::uint64_t count = 0;
  const bool any = ::read(event_.get(), &count, sizeof count) == sizeof count;
  return {any, slice_passed_.exchange(false)};
}

void RingWatch::tell(bool slice) {
  if (slice) slice_passed_ = true;
  const std::uint64_t one = 1;
  [[maybe_unused]] const ssize_t written = ::write(event_.get(), &one, sizeof one);
}

void RingWatch::watch(std::vector<Word> words, core::Duration slice) {
  const auto is_watched = [&] {
    const std::lock_guard lock(mutex_);
    const bool same = words.empty() || (slice == turn_->slice && thread_.joinable());
    return !idle_ && words == turn_->words && same;
  };
  if (is_watched()) return;
  const auto turn = std::make_shared<Turn>();
  turn->seen.resize(1);
  for (const Word& word : words) turn->seen.push_back({word.word, word.seen});
  turn->words = std::move(words);
  turn->slice = slice;
  {
    const std::lock_guard lock(mutex_);
    turn_ = turn;
    idle_ = false;
  }
  shm::wake_all(kick_);
  if (thread_.joinable()) return;
  thread_ = core::start_own_thread("steward-rings", [this] { run(); });
}

// Needs no memory: nobody could be told that there is none.
void RingWatch::run() {
  std::shared_ptr<Turn> turn;
  bool idle = true;
  for (;;) {
    // Before the look at what there is to do: what is handed over after it changes the word.
    const std::uint32_t kick = kick_.load(std::memory_order_seq_cst);
    std::shared_ptr<Turn> before;
    bool interrupted = false;
    {
      const std::lock_guard lock(mutex_);
      if (end_) break;
      if (turn != turn_) {
        before = std::exchange(turn, turn_);
        // A wake may have come while the list was being changed: the loop has to look again.
        interrupted = !idle && before && !before->words.empty();
        idle = false;
      } else if (idle) {
        idle_ = true;
      }
    }
    if (before) pass_on(before->words, turn->words);
    if (interrupted) tell(false);
    const bool nothing = idle || turn->words.empty();
    // First, for it is slept on alone where the kernel cannot sleep on so many.
    turn->seen.front() = {&kick_, kick};
    const std::span<const shm::SeenWord> seen(turn->seen);
    const shm::Slept slept =
        shm::sleep_on_any(nothing ? seen.first(1) : seen,
                          std::chrono::steady_clock::now() + (nothing ? kLong : turn->slice));
    if (nothing) continue;
    {
      const std::lock_guard lock(mutex_);
      if (turn != turn_ || end_) continue;
      idle = idle_ = true;
    }
    tell(slept == shm::Slept::timeout);
  }
  // Whoever sleeps elsewhere goes on by itself: the rings end with their server.
}

}  // namespace steward::detail::server
