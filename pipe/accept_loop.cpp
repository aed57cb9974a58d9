#include <steward/pipe/accept_loop.hpp>

#include <linux/sockios.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <exception>
#include <functional>
#include <optional>
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
                       Secret secret, const std::string& address)
    : listening_(std::move(listening)),
      handoff_(std::move(handoff)),
      epoll_(required([] { return ::epoll_create1(EPOLL_CLOEXEC); })),
      wake_up_(required([] { return ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK); })),
      backlog_(backlog),
      secret_(std::move(secret)),
      last_id_(kFirstHandshake),
      wrong_keys_(address) {
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
    if (on_the_way_ > 0) --on_the_way_;
  }
  hand_over_more();
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
    } else if (error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM) {
      return make_room();
    }
    // Else it is about one visitor, who has gone, or whom the system does not let in.
  }
}

// One that cannot be watched is let go, and nobody else.
void AcceptLoop::add(process::PassedFd socket) {
  const core::Limits limits;
  if (handshakes_.size() >= limits.handshakes) drop_one();
  prepare_tcp(socket.get());
  const std::uint64_t id = ++last_id_;
  const int fd = socket.get();
  handshakes_.try_emplace(id, std::move(socket), now() + limits.handshake_time);
  if (!watch(EPOLL_CTL_ADD, fd, id, EPOLLIN)) handshakes_.erase(id);
}

// The oldest of strangers goes first: with any number of them nobody gets those out who hold the
// key, and have to wait for the other side's next word.
void AcceptLoop::drop_one() noexcept {
  const auto stranger =
      std::find_if(handshakes_.begin(), handshakes_.end(),
                   [](const auto& each) { return !each.second.is_expected(); });
  drop(stranger != handshakes_.end() ? stranger->first : handshakes_.begin()->first);
}

// Descriptors have run out, or memory. Who has not shown that he may come in has to go first. If
// nobody is there the program has them: those who connect wait until it gives some back.
void AcceptLoop::make_room() noexcept {
  if (!handshakes_.empty()) return drop_one();
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
    const Handshake::State state = place->second.advance(
        secret_, [this](std::string_view public_key) { return is_pending(public_key); });
    if (state == Handshake::State::more) return;
    if (state == Handshake::State::proven) let_in(place->second);
    if (place->second.had_wrong_key()) wrong_keys_.add(now());
  } catch (const std::exception&) {
    // No memory for this one, or he has gone.
  }
  drop(id);
}

bool AcceptLoop::is_pending(std::string_view public_key) const noexcept {
  return std::any_of(handshakes_.begin(), handshakes_.end(), [&](const auto& each) {
    return each.second.is_expected() && each.second.public_key() == public_key;
  });
}

// Whether as many wait as may. A word that somebody has taken one out may be lost, as with a forked
// copy that is killed: where nothing is on the way, nobody is.
bool AcceptLoop::is_full() noexcept {
  if (on_the_way_ + held_.size() < backlog_) return false;
  int unread = 0;
  if (::ioctl(handoff_.get(), SIOCOUTQ, &unread) == 0 && unread == 0) on_the_way_ = 0;
  return on_the_way_ + held_.size() >= backlog_;
}

// A peer that was welcomed can be accepted at once, and hears the welcome before all that is said
// by whoever accepts it: the welcome waits in the socket until the peer is handed over, or has to
// wait behind others.
void AcceptLoop::let_in(Handshake& handshake) {
  if (is_full()) {
    handshake.answer(kTooMany);
    return;
  }
  const int socket = handshake.fd();
  hold_back(socket, true);
  if (!handshake.answer(kWelcome)) return;
  std::optional<LetIn> peer;
  try {
    peer.emplace(process::PassedFd(), handshake.stream_state());
    peer->socket = handshake.take_socket();
    watch(EPOLL_CTL_DEL, socket, 0, 0);
    if (held_.empty() && hand_over(*peer)) return;
    held_.push_back(*std::move(peer));
  } catch (const std::exception&) {
    forget_unsent(socket);
    throw;
  }
  hold_back(socket, false);
  watch(EPOLL_CTL_MOD, handoff_.get(), kHandoff, EPOLLIN | EPOLLOUT);
}

// False: there is no room on the way.
bool AcceptLoop::hand_over(const LetIn& peer) {
  try {
    shm::send_with_fds(handoff_.get(), peer.state, {peer.socket.get()}, shm::Wait::none);
  } catch (const SystemError& error) {
    if (error.code().value() == EAGAIN) return false;
    throw;
  }
  hold_back(peer.socket.get(), false);
  ++on_the_way_;
  return true;
}

void AcceptLoop::hand_over_more() noexcept {
  if (held_.empty()) return;
  while (!held_.empty()) {
    try {
      if (!hand_over(held_.front())) return;
    } catch (const std::exception&) {
      // No memory, for this one.
    }
    held_.pop_front();
  }
  watch(EPOLL_CTL_MOD, handoff_.get(), kHandoff, EPOLLIN);
}

// Not left to the closing: whoever it was handed to has the same file.
void AcceptLoop::drop(std::uint64_t id) noexcept {
  const auto place = handshakes_.find(id);
  watch(EPOLL_CTL_DEL, place->second.fd(), id, 0);
  handshakes_.erase(place);
}

}  // namespace steward::detail::pipe
