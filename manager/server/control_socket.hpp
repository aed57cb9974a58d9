// The control socket: a Unix socket beside the manager's ZeroMQ socket, for what only a Unix socket
// can do. The kernel says who connects, both sides pass their pidfds, and the peer gets a ticket
// for its hello. A peer that redeems it stays connected: see Liveness. Or it asks for the memory of
// a queue's ring, and leaves with the descriptor; or who this is, and leaves with the answer.
#pragma once

#include <cstdint>
#include <list>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include <sys/types.h>

#include <steward/core/clock.hpp>
#include <steward/core/ids.hpp>
#include <steward/core/limits.hpp>
#include <steward/manager/server/poller.hpp>
#include <steward/shm/unique_fd.hpp>

namespace steward::detail::server {

// The process at the other end of a connection to the control socket.
struct LocalPeer {
  shm::UniqueFd socket;  // closed by whoever of the two ends first
  shm::UniqueFd pidfd;
  pid_t pid = 0;
};

// A peer that wants the ring of this queue. It waits for one answer.
struct RingRequest {
  shm::UniqueFd socket;
  core::ObjectId object{};

  // Whether it is worth asking again.
  enum class Holds : std::uint8_t { for_now, for_good };

  void grant(std::uint64_t maxsize, int fd) const;
  void refuse(std::string_view reason, Holds holds) const;
};

// A peer that wants to know which manager this is. It waits for one answer.
struct Inquiry {
  shm::UniqueFd socket;

  void answer(std::uint64_t started_unix_ms, std::size_t objects,
              const std::vector<std::string>& addresses) const;
};

// Thread safety: none; the loop's thread only. The poller must outlive it. Nothing that a peer does
// or leaves undone blocks it or costs more than that peer's own connection.
class ControlSocket {
 public:
  // What a peer is told beside its ticket.
  struct Welcome {
    core::Incarnation incarnation;
    std::vector<std::string> addresses;
  };

  // Listens at `path`, in a directory that only this user may enter. `descriptors` is how many the
  // process may have open. Throws SystemError.
  ControlSocket(Poller& poller, Clock clock, const std::string& path, Welcome welcome,
           core::Limits limits, std::size_t descriptors);
  ControlSocket(const ControlSocket&) = delete;
  ControlSocket& operator=(const ControlSocket&) = delete;
  ~ControlSocket();

  // Accepts connections at this listening socket, too. The caller keeps it open as long as this
  // object lives.
  void open_at(int listening);

  // A ticket is good once, for a while.
  std::optional<LocalPeer> redeem(std::string_view ticket);

  // Requests for rings that have come in, first come first.
  std::vector<RingRequest> take_ring_requests() { return std::exchange(ring_requests_, {}); }

  // Likewise questions of who this is.
  std::vector<Inquiry> take_inquiries() { return std::exchange(inquiries_, {}); }

  // Peers are turned away with this reason from now on; empty: they are let in.
  void refuse(std::string reason) { refusal_ = std::move(reason); }

  // Turns away who has taken too long, and listens again after a lack of descriptors.
  void tick(core::Time now);
  core::Deadline next_deadline() const;

  // Peers who have no session yet.
  std::size_t pending() const { return pending_.size(); }
  std::uint64_t turned_away() const { return turned_away_; }

 private:
  struct Pending {
    LocalPeer peer;
    std::string ticket;  // empty: has not spoken yet
    core::Time deadline;
  };
  using Place = std::list<Pending>::iterator;

  void listen();
  void accept(int listening);
  void add(shm::UniqueFd socket);
  void serve(Place place);
  // What the peer must show; empty: nothing is missing.
  std::string objection(Place place, const std::string& bytes,
                        std::vector<shm::UniqueFd>& fds) const;
  // Takes the peer's socket out of this object, which no longer watches it.
  shm::UniqueFd release(Place place);
  void drop(Place place);

  Poller& poller_;
  const Clock clock_;
  const shm::UniqueFd socket_;
  std::vector<int> listening_;  // socket_, and those it was opened at
  const shm::UniqueFd own_pidfd_;
  const Welcome welcome_;
  const core::Limits limits_;
  const std::size_t descriptors_;

  std::string refusal_;
  core::Deadline closed_until_;   // descriptors ran out
  std::list<Pending> pending_;    // in order of their deadlines
  std::unordered_map<std::string, Place> tickets_;
  std::vector<RingRequest> ring_requests_;
  std::vector<Inquiry> inquiries_;
  std::uint64_t turned_away_ = 0;
};

}  // namespace steward::detail::server
