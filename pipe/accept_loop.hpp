// AcceptLoop: the thread of a Listener at a tcp port. It greets those who connect, many at once, so
// that none who is silent holds up another, and hands over those who may come in.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string_view>

#include <steward/core/clock.hpp>
#include <steward/pipe/greeting.hpp>
#include <steward/pipe/handshake.hpp>
#include <steward/process/passed_fd.hpp>

namespace steward::detail::pipe {

// Thread safety: run() is for one thread; stop() may be called by any other. Of its files no forked
// copy of this process has one.
class AcceptLoop {
 public:
  // A peer that may come in goes through `handoff`, a socket for descriptors, with the state of its
  // stream. kAccepted comes back for each that was taken out; no more than `backlog` are on the
  // way. Throws Overloaded.
  AcceptLoop(process::PassedFd listening, process::PassedFd handoff, std::size_t backlog,
             Secret secret);
  AcceptLoop(const AcceptLoop&) = delete;
  AcceptLoop& operator=(const AcceptLoop&) = delete;
  ~AcceptLoop();

  static constexpr std::string_view kAccepted = "a";

  void run() noexcept;
  void stop() noexcept;

 private:
  void on_event(std::uint64_t id) noexcept;
  void on_taken() noexcept;
  void take_in_some() noexcept;
  void take_in();
  void add(process::PassedFd socket);
  void advance(std::uint64_t id) noexcept;
  void let_in(Handshake& handshake);
  void drop(std::uint64_t id) noexcept;
  void make_room() noexcept;
  void drop_late() noexcept;
  int wait_ms() const noexcept;
  bool watch(int operation, int fd, std::uint64_t id, std::uint32_t events) noexcept;

  const process::PassedFd listening_;
  const process::PassedFd handoff_;
  const process::PassedFd epoll_;
  const process::PassedFd wake_up_;  // an eventfd
  const std::size_t backlog_;
  const Secret secret_;
  std::size_t waiting_ = 0;  // to be accepted
  std::map<std::uint64_t, Handshake> handshakes_;  // the oldest first
  std::uint64_t last_id_;
  core::Deadline paused_;  // until then nobody is taken in: there are no descriptors
  bool stopped_ = false;
};

}  // namespace steward::detail::pipe
