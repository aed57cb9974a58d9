#include <steward/pipe/closing.hpp>

#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <condition_variable>
#include <cstdlib>
#include <exception>
#include <list>
#include <mutex>
#include <utility>

#include <steward/core/clock.hpp>
#include <steward/core/own_threads.hpp>

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

// Whether the other side's kernel has all, or the connection is gone.
bool has_finished(int socket) {
  int unacknowledged = 0;
  if (::ioctl(socket, SIOCOUTQ, &unacknowledged) != 0 || unacknowledged == 0) return true;
  tcp_info info{};
  socklen_t size = sizeof info;
  return ::getsockopt(socket, IPPROTO_TCP, TCP_INFO, &info, &size) != 0 ||
         info.tcpi_state == TCP_CLOSE;
}

// One socket that is being closed.
class Last {
 public:
  explicit Last(PassedFd socket)
      : socket_(std::move(socket)), alone_(!socket_.may_have_copies()), since_(Clock::now()) {
    socket_.keep_from_copies();
  }

  // What another process reads from the same socket is not taken away.
  bool advance() {
    std::array<char, 16U << 10U> rest;
    for (int i = 0; alone_ && i < kReadsAtOnce; ++i) {
      if (::recv(socket_.get(), rest.data(), rest.size(), MSG_DONTWAIT) <= 0) break;
    }
    return has_finished(socket_.get()) || Clock::now() >= since_ + kClosingTime;
  }
  bool is_young() const { return Clock::now() < since_ + kYoung; }

 private:
  PassedFd socket_;
  bool alone_;
  core::Time since_;
};

// All of them, of one process. Leaked at exit, while its thread may still run; a forked child gets
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

  // Leaves the socket where it is if there is no memory or no thread for it.
  void take(PassedFd& socket) {
    std::list<Last> one;
    const std::lock_guard lock(mutex_);
    if (!runs_) start();
    one.emplace_back(std::move(socket));
    arrived_.splice(arrived_.end(), one);
    ++count_;
    changed_.notify_all();
  }

  void settle() noexcept {
    if (process_ != ::getpid()) return;
    std::unique_lock lock(mutex_);
    changed_.wait_until(lock, Clock::now() + kClosingAtExit, [this] { return count_ == 0; });
  }

 private:
  explicit Closing(Closing* parents) : parents_(parents) {}

  void start() {
    core::start_own_thread("steward-closing", [this] { run(); }).detach();
    runs_ = true;
    static const bool registered = std::atexit([] { of_this_process().settle(); }) == 0;
    static_cast<void>(registered);
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
      std::erase_if(mine, [](Last& each) { return each.advance(); });
      const std::size_t gone = before - mine.size();
      lock.lock();
      count_ -= gone;
      if (gone > 0) changed_.notify_all();
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
  bool runs_ = false;
};

std::atomic<Closing*> Closing::current = nullptr;

}  // namespace

void finish_sending(PassedFd& socket) noexcept {
  const int number = socket.get();
  if (number < 0 || !is_tcp(number) || has_finished(number)) return;
  if (!socket.may_have_copies()) ::shutdown(number, SHUT_WR);
  try {
    Closing::of_this_process().take(socket);
  } catch (const std::exception&) {
    // As if the time were up.
  }
}

}  // namespace steward::detail::pipe
