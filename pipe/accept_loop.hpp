// AcceptLoop: the thread of a Listener at a tcp port. It greets those who connect, many at once, so
// that none who is silent holds up another, and hands over those who may come in.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <steward/core/auth_key.hpp>
#include <steward/core/clock.hpp>
#include <steward/pipe/greeting.hpp>
#include <steward/pipe/handshake.hpp>
#include <steward/pipe/wrong_keys.hpp>
#include <steward/process/passed_fd.hpp>

namespace steward::detail::pipe {

// Thread safety: run() is for one thread; stop() may be called by any other. Of its files no forked
// copy of this process has one.
class AcceptLoop {
 public:
  // A peer that may come in goes through `handoff`, a socket for descriptors, with the state of its
  // stream. kAccepted comes back for each that was taken out; no more than `backlog` are on the way
  // or, where that socket holds fewer, here. `address` is for what is said of strangers. Throws
  // Overloaded.
  AcceptLoop(process::PassedFd listening, process::PassedFd handoff, std::size_t backlog,
             Secret secret, const std::string& address);
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
  // Who may come in, and the state of the stream: some keys.
  struct LetIn {
    LetIn(process::PassedFd peer, std::string how)
        : socket(std::move(peer)), state(std::move(how)) {}
    LetIn(LetIn&&) = default;
    LetIn& operator=(LetIn&&) = default;
    ~LetIn() { core::erase(state); }

    process::PassedFd socket;
    std::string state;
  };

  void let_in(Handshake& handshake);
  bool hand_over(const LetIn& peer);
  void hand_over_more() noexcept;
  bool is_full() noexcept;
  bool is_pending(std::string_view public_key) const noexcept;
  void drop(std::uint64_t id) noexcept;
  void drop_one() noexcept;
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
  std::size_t on_the_way_ = 0;  // to be accepted
  std::deque<LetIn> held_;      // behind those
  std::map<std::uint64_t, Handshake> handshakes_;  // the oldest first
  std::uint64_t last_id_;
  WrongKeys wrong_keys_;
  core::Deadline paused_;  // until then nobody is taken in: there are no descriptors
  bool stopped_ = false;
};

}  // namespace steward::detail::pipe
