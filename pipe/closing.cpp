#include <steward/pipe/closing.hpp>

#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <exception>
#include <list>
#include <mutex>
#include <utility>

#include <steward/core/clock.hpp>
#include <steward/core/own_threads.hpp>
#include <steward/process/state.hpp>
#include <steward/process/threads.hpp>

namespace steward::detail::pipe {
namespace {

using process::PassedFd;
using Clock = std::chrono::steady_clock;

// There is nothing to wait for: the kernel does not tell when all is acknowledged.
constexpr std::chrono::milliseconds kLookAgain{2};
constexpr std::chrono::milliseconds kLookAgainLate{50};
constexpr std::chrono::milliseconds kYoung{200};
constexpr std::chrono::seconds kIdle{1};  // the thread stays for the next one
constexpr int kReadsAtOnce = 64;         // of what still comes

bool is_tcp(int socket) {
  int protocol = 0;
  socklen_t size = sizeof protocol;
  return ::getsockopt(socket, SOL_SOCKET, SO_PROTOCOL, &protocol, &size) == 0 &&
         protocol == IPPROTO_TCP;
}

// How much the other side's kernel does not have yet.
std::size_t unacknowledged(int socket) {
  int bytes = 0;
  return ::ioctl(socket, SIOCOUTQ, &bytes) == 0 ? static_cast<std::size_t>(bytes) : 0;
}

// Whether the other side's kernel has all, or the connection is gone.
bool has_finished(int socket) {
  if (unacknowledged(socket) == 0) return true;
  tcp_info info{};
  socklen_t size = sizeof info;
  return ::getsockopt(socket, IPPROTO_TCP, TCP_INFO, &info, &size) != 0 ||
         info.tcpi_state == TCP_CLOSE;
}

// As has_finished(). What still comes is read, and counted, where nobody else reads it: `alone`.
bool advance(int socket, bool alone, std::size_t& heard) {
  std::array<char, 16U << 10U> rest;
  for (int i = 0; alone && i < kReadsAtOnce; ++i) {
    const ssize_t count = ::recv(socket, rest.data(), rest.size(), MSG_DONTWAIT);
    if (count <= 0) break;
    heard += static_cast<std::size_t>(count);
  }
  return has_finished(socket);
}

// One socket that is being closed.
class Last {
 public:
  Last(PassedFd socket, bool alone)
      : socket_(std::move(socket)), alone_(alone), since_(Clock::now()) {}

  // Whether it may go.
  bool advance() {
    const bool finished = pipe::advance(socket_.get(), alone_, heard_);
    return finished || Clock::now() >= since_ + kClosingTime;
  }
  std::size_t left() const { return unacknowledged(socket_.get()) - heard_; }
  bool is_young() const { return Clock::now() < since_ + kYoung; }

 private:
  PassedFd socket_;
  bool alone_;
  core::Time since_;
  std::size_t heard_ = 0;
};

// All of them, of one process. Leaked at exit, while its thread still runs; a forked child gets
// another one, and the sockets are closed there.
class Closing {
 public:
  static Closing& of_this_process() {
    Closing* known = current.load();
    while (known == nullptr || known->process_ != ::getpid()) {
      auto* own = new Closing(known);
      if (current.compare_exchange_strong(known, own)) return *own;
      delete own;
    }
    return *known;
  }

  void take(std::list<Last> one) noexcept {
    const std::lock_guard lock(mutex_);
    arrived_.splice(arrived_.end(), one);
    ++count_;
    while (arrived_.size() > kClosingSockets) drop_oldest();
    if (!runs_) start();
    changed_.notify_one();
  }

  // Whether all have gone.
  static bool all_gone() {
    Closing* const known = of_this_process_if_any();
    return known == nullptr || known->is_empty();
  }
  // How much of what those have sent has not arrived yet, as far as is known, less what has come:
  // another number whenever something went either way.
  static std::size_t left() {
    Closing* const known = of_this_process_if_any();
    return known == nullptr ? 0 : known->left_.load();
  }

 private:
  explicit Closing(Closing* parents) : parents_(parents) {}

  static Closing* of_this_process_if_any() {
    Closing* const known = current.load();
    return known != nullptr && known->process_ == ::getpid() ? known : nullptr;
  }

  // Where there is no thread they wait for one, that of the next who closes, or for the end of the
  // process. The kernel sends what they have meanwhile.
  void start() noexcept try {
    core::start_own_thread("steward-closing", [this] { run(); }).detach();
    runs_ = true;
  } catch (const std::exception&) {
  }

  bool is_empty() {
    const std::lock_guard lock(mutex_);
    if (!runs_) count_ -= advance(arrived_);
    return count_ == 0;
  }

  // How many of them have gone.
  std::size_t advance(std::list<Last>& all) {
    const std::size_t gone = std::erase_if(all, [](Last& each) { return each.advance(); });
    std::size_t left = 0;
    for (const Last& each : all) left += each.left();
    left_ = left;
    return gone;
  }

  void drop_oldest() noexcept {
    arrived_.pop_front();
    --count_;
  }

  void run() noexcept {
    std::list<Last> mine;
    std::unique_lock lock(mutex_);
    for (;;) {
      const auto some = [this] { return !arrived_.empty(); };
      if (mine.empty() && !changed_.wait_until(lock, Clock::now() + kIdle, some)) break;
      mine.splice(mine.end(), arrived_);
      lock.unlock();
      const std::size_t before = mine.size();
      while (mine.size() > kClosingSockets) mine.pop_front();
      static_cast<void>(advance(mine));
      const std::size_t gone = before - mine.size();
      lock.lock();
      count_ -= gone;
      if (mine.empty()) continue;
      const auto pause = mine.back().is_young() ? kLookAgain : kLookAgainLate;
      changed_.wait_until(lock, Clock::now() + pause, some);
    }
    runs_ = false;
  }

  static std::atomic<Closing*> current;

  const pid_t process_ = ::getpid();
  [[maybe_unused]] Closing* const parents_;  // never touched, but no leak either
  std::mutex mutex_;
  std::condition_variable changed_;
  std::list<Last> arrived_;
  std::size_t count_ = 0;  // not closed yet
  std::atomic<std::size_t> left_ = 0;
  bool runs_ = false;
};

std::atomic<Closing*> Closing::current = nullptr;

// Whether all that is still open has arrived.
bool open_ends_have_finished(bool alone, std::size_t& heard) {
  bool finished = true;
  PassedFd::for_each([&](int socket, bool unshared) {
    if (is_tcp(socket) && !advance(socket, alone && unshared, heard)) finished = false;
  });
  return finished;
}

std::size_t bytes_of_open_ends() {
  std::size_t bytes = 0;
  PassedFd::for_each([&](int socket, bool) {
    if (is_tcp(socket)) bytes += unacknowledged(socket);
  });
  return bytes;
}

bool has_one_thread() noexcept try {
  return process::other_threads() == 0;
} catch (const std::exception&) {
  return false;
}

// At the end of this process. From a thread that is still receiving nothing is taken away, and one
// that is still sending is not told of an end.
void settle() noexcept {
  const core::Time latest = Clock::now() + kClosingAtExitMost;
  std::size_t heard = 0;
  if (open_ends_have_finished(false, heard) && Closing::all_gone()) return;
  const bool alone = has_one_thread();
  if (alone) {
    // What is the last is acknowledged at once.
    PassedFd::for_each([](int socket, bool unshared) {
      if (unshared && is_tcp(socket)) ::shutdown(socket, SHUT_WR);
    });
  }
  const auto all_have_finished = [alone, &heard] {
    const bool open = open_ends_have_finished(alone, heard);
    return Closing::all_gone() && open;
  };
  // A slow reader is waited for, and one that sends before it reads; whoever does neither is not.
  core::Time end = Clock::now() + kClosingAtExit;
  for (std::size_t before = 0; !all_have_finished() && Clock::now() < std::min(end, latest);) {
    const std::size_t left = Closing::left() + bytes_of_open_ends() - heard;
    if (std::exchange(before, left) != left) end = Clock::now() + kClosingAtExit;
    ::poll(nullptr, 0, kLookAgain.count());
  }
}

}  // namespace

void settle_at_end() { process::ProcessState::get().at_end(settle); }

void finish_sending(PassedFd& socket, bool was_used) noexcept {
  const int number = socket.get();
  if (number < 0 || !is_tcp(number) || has_finished(number)) return;
  try {
    settle_at_end();
    auto& closing = Closing::of_this_process();
    std::list<Last> one;
    // In this order: no copy that is forked from now on has it.
    const bool alone = socket.keep_from_copies() && (was_used || !socket.was_given());
    if (alone) ::shutdown(number, SHUT_WR);
    one.emplace_back(std::move(socket), alone);
    closing.take(std::move(one));
  } catch (const std::exception&) {
    // No memory: as if the time were up.
  }
}

}  // namespace steward::detail::pipe
