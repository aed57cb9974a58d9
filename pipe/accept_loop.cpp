#include <steward/pipe/accept_loop.hpp>

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <exception>
#include <functional>
#include <string>
#include <utility>

#include <steward/client/waiting.hpp>
#include <steward/core/errors.hpp>
#include <steward/core/limits.hpp>
#include <steward/pipe/tcp_stream.hpp>
#include <steward/shm/fd_passing.hpp>

namespace steward::detail::pipe {
namespace {

// What epoll says beside the numbers of handshakes, which begin behind these.
enum Watched : std::uint64_t { kListening, kWakeUp, kHandoff, kFirstHandshake };

// So many are taken in before those who are there are looked at.
constexpr int kAcceptedAtOnce = 16;
constexpr std::chrono::milliseconds kPause{100};

using client::now;

process::PassedFd required(const std::function<int()>& open) {
  auto file = process::PassedFd::opened_here_alone(open);
  if (!file) throw Overloaded("Listener: no descriptor is left for it");
  return file;
}

}  // namespace

AcceptLoop::AcceptLoop(process::PassedFd listening, process::PassedFd handoff, std::size_t backlog,
                       Secret secret)
    : listening_(std::move(listening)),
      handoff_(std::move(handoff)),
      epoll_(required([] { return ::epoll_create1(EPOLL_CLOEXEC); })),
      wake_up_(required([] { return ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK); })),
      backlog_(backlog),
      secret_(std::move(secret)),
      last_id_(kFirstHandshake) {
  if (!watch(EPOLL_CTL_ADD, listening_.get(), kListening, EPOLLIN) ||
      !watch(EPOLL_CTL_ADD, wake_up_.get(), kWakeUp, EPOLLIN) ||
      !watch(EPOLL_CTL_ADD, handoff_.get(), kHandoff, EPOLLIN)) {
    throw Overloaded("Listener: the system has no memory for it");
  }
}

// A process that is just being forked may still have a copy of the port.
AcceptLoop::~AcceptLoop() { ::shutdown(listening_.get(), SHUT_RDWR); }

bool AcceptLoop::watch(int operation, int fd, std::uint64_t id, std::uint32_t events) noexcept {
  epoll_event event{};
  event.events = events;
  event.data.u64 = id;
  return ::epoll_ctl(epoll_.get(), operation, fd, &event) == 0;
}

void AcceptLoop::run() noexcept {
  std::array<epoll_event, 64> events;
  while (!stopped_) {
    const int count = ::epoll_wait(epoll_.get(), events.data(), static_cast<int>(events.size()),
                                   wait_ms());
    for (int i = 0; i < count; ++i) on_event(events[static_cast<std::size_t>(i)].data.u64);
    drop_late();
  }
}

void AcceptLoop::stop() noexcept {
  const std::uint64_t one = 1;
  [[maybe_unused]] const ssize_t written = ::write(wake_up_.get(), &one, sizeof one);
}

void AcceptLoop::on_event(std::uint64_t id) noexcept {
  switch (id) {
    case kWakeUp: stopped_ = true; break;
    case kHandoff: on_taken(); break;
    case kListening: take_in_some(); break;
    default: advance(id);
  }
}

void AcceptLoop::on_taken() noexcept {
  char word = 0;
  while (::recv(handoff_.get(), &word, 1, MSG_DONTWAIT) == 1) {
    if (waiting_ > 0) --waiting_;
  }
}

// ---- Taking in ----

void AcceptLoop::take_in_some() noexcept {
  try {
    take_in();
  } catch (const std::exception&) {
    make_room();  // no memory
  }
}

void AcceptLoop::take_in() {
  for (int i = 0; i < kAcceptedAtOnce; ++i) {
    int error = 0;
    auto socket = process::PassedFd::opened_here_alone([&] {
      const int number =
          ::accept4(listening_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
      error = errno;
      return number;
    });
    if (socket) {
      add(std::move(socket));
    } else if (error == EAGAIN || error == EWOULDBLOCK) {
      return;
    } else if (error != EINTR && error != ECONNABORTED) {
      return make_room();
    }
  }
}

// One that cannot be watched is let go, and nobody else.
void AcceptLoop::add(process::PassedFd socket) {
  const core::Limits limits;
  if (handshakes_.size() >= limits.handshakes) drop(handshakes_.begin()->first);
  prepare_tcp(socket.get());
  const std::uint64_t id = ++last_id_;
  const int fd = socket.get();
  handshakes_.try_emplace(id, std::move(socket), now() + limits.handshake_time);
  if (!watch(EPOLL_CTL_ADD, fd, id, EPOLLIN)) handshakes_.erase(id);
}

// Descriptors have run out, or memory. Who has not shown that he may come in has to go first. If
// nobody is there the program has them: those who connect wait until it gives some back.
void AcceptLoop::make_room() noexcept {
  if (!handshakes_.empty()) return drop(handshakes_.begin()->first);
  paused_ = now() + kPause;
  watch(EPOLL_CTL_MOD, listening_.get(), kListening, 0);
}

void AcceptLoop::drop_late() noexcept {
  const core::Time time = now();
  while (!handshakes_.empty() && handshakes_.begin()->second.until() <= time) {
    drop(handshakes_.begin()->first);
  }
  if (paused_ && *paused_ <= time) {
    paused_ = std::nullopt;
    watch(EPOLL_CTL_MOD, listening_.get(), kListening, EPOLLIN);
  }
}

int AcceptLoop::wait_ms() const noexcept {
  core::Deadline until = paused_;
  if (!handshakes_.empty()) until = client::earliest(until, handshakes_.begin()->second.until());
  if (!until) return -1;
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(*until - now());
  return static_cast<int>(std::max(left, std::chrono::milliseconds(0)).count());
}

// ---- Those who are there ----

void AcceptLoop::advance(std::uint64_t id) noexcept {
  const auto place = handshakes_.find(id);
  if (place == handshakes_.end()) return;
  try {
    const Handshake::State state = place->second.advance(secret_);
    if (state == Handshake::State::more) return;
    if (state == Handshake::State::proven) let_in(place->second);
  } catch (const std::exception&) {
    // No memory or no room on the way for this one, or he has gone.
  }
  drop(id);
}

// A peer that was welcomed can be accepted at once, and hears the welcome before all that is said
// by whoever accepts it: the welcome waits in the socket until the peer is handed over.
void AcceptLoop::let_in(Handshake& handshake) {
  if (waiting_ >= backlog_) return handshake.answer(kTooMany);
  hold_back(handshake.fd(), true);
  handshake.answer(kWelcome);
  std::string state = handshake.stream_state();
  try {
    shm::send_with_fds(handoff_.get(), state, {handshake.fd()}, shm::Wait::none);
  } catch (const std::exception&) {
    forget_unsent(handshake.fd());
    throw;
  }
  hold_back(handshake.fd(), false);
  core::erase(state);
  ++waiting_;
}

// Not left to the closing: whoever it was handed to has the same file.
void AcceptLoop::drop(std::uint64_t id) noexcept {
  const auto place = handshakes_.find(id);
  watch(EPOLL_CTL_DEL, place->second.fd(), id, 0);
  handshakes_.erase(place);
}

}  // namespace steward::detail::pipe
