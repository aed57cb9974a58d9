// Connections: which session is behind which route. Speaks hello, welcome, unknown_connection and
// bye; hands everything else to the core under its session. A session outlives its connection: its
// client comes back on another route and proves that it holds the session's secret.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include <steward/core/auth.hpp>
#include <steward/core/clock.hpp>
#include <steward/core/ids.hpp>
#include <steward/core/wire.hpp>
#include <steward/manager/server/core.hpp>
#include <steward/manager/server/listener.hpp>
#include <steward/manager/server/liveness.hpp>
#include <steward/manager/server/outbox.hpp>
#include <steward/manager/server/control_socket.hpp>

namespace steward::detail::server {

// What went wrong with clients since the start.
struct Incidents {
  std::uint64_t malformed = 0;      // sessions or routes closed for what they sent
  std::uint64_t slow = 0;           // sessions closed for what they did not read
  std::uint64_t forged = 0;         // wrong proofs and unknown tickets
  std::uint64_t refused = 0;        // no room for another session
  std::uint64_t expired = 0;        // remote sessions of which nothing was heard any more
  std::uint64_t handshakes = 0;     // peers that failed to get in over tcp
};

// Thread safety: none; the loop's thread only. Everything given to it must outlive it.
class Connections {
 public:
  // Gives an input to the core. Its views last until this returns.
  using Feed = std::function<void(const Input&)>;
  // Told of each session closed for its own fault, and why.
  using Note = std::function<void(std::string_view)>;

  // `control` may be null: then only peers that the listener vouches for get in.
  Connections(const Core& core, ControlSocket* control, Liveness& liveness, Outbox& outbox,
              Feed feed, Note note = {});
  Connections(const Connections&) = delete;
  Connections& operator=(const Connections&) = delete;

  // The session that frames of this route belong to.
  std::optional<core::SessionId> session_at(const std::string& route) const;

  // The last that it had, which may have gone. Empty: it has none, or is no session.
  std::string route_of(const core::SessionId& session) const;

  void receive(const Arrival& arrival, core::Time now);
  // A frame of this route waits for its turn: its client lives.
  void heard(const std::string& route, core::Time now);
  // The route's session is closed, since the client does not read.
  void close_slow(const std::string& route);
  // The replies of one or more inputs, and what the core objects to.
  void take(Outputs& outputs);

  // The session's process has ended, or its lease is over: in order, if it has said that it would.
  void died(const core::SessionId& session);
  // Connections that the outbox found gone, overfull or too slow.
  void look_at_outbox(core::Time now);
  // Every client hears that the manager ends.
  void say_goodbye();

  std::vector<core::SessionId> sessions() const;
  const Incidents& incidents() const { return incidents_; }
  void note_handshakes(std::uint64_t failed) { incidents_.handshakes = failed; }

 private:
  struct Link {
    std::string route = {};   // empty: none is proven yet; else the last one, even if it has gone
    std::string ticket = {};  // that opened it, until the client has shown that it got the welcome
    std::deque<std::string> answered = {};  // challenges that it was resumed by: each is good once
    bool leased = false;
    bool ends_in_order = false;  // its client has said so
  };

  void hello(const Arrival& arrival, const core::Hello& hello, core::Time now);
  void open(const Arrival& arrival, const core::Hello& hello, core::Time now);
  void resume(const std::string& route, const core::Hello& hello, core::Time now);
  void bye(const std::string& route, const core::SessionId& session, bool goes_on);
  void request(const core::SessionId& session, core::Envelope kind, std::string_view frame);

  void send_welcome(const std::string& route, const core::SessionId& session, std::string secret,
                    std::string proof);
  void challenge(const std::string& route, core::Time now);
  // What a connection that has yet to prove which session it is was asked so many spans ago.
  std::string challenge_of(const std::string& route, core::Time now, int spans_ago) const;
  enum class Answered { right, wrong, late };
  Answered judge(const std::string& route, const core::Hello& hello, std::string_view secret,
                 Link& link, core::Time now) const;
  void refuse(const std::string& route, std::string_view reason);
  void bind(const core::SessionId& session, const std::string& route);
  void unbind(Link& link);
  void end(const core::SessionId& session, Ending ending);
  // Ends the session and ignores its route from now on: a ROUTER cannot cut a peer.
  void close(const core::SessionId& session, std::string_view reason);
  void ignore(const std::string& route, std::string_view reason);

  const Core& core_;
  ControlSocket* const control_;
  Liveness& liveness_;
  Outbox& outbox_;
  const Feed feed_;
  const Note note_;

  std::unordered_map<core::SessionId, Link> links_;
  std::unordered_map<std::string, core::SessionId> by_route_;
  std::unordered_map<std::string, core::SessionId> by_ticket_;
  // Challenges follow from this, from their route and from the time: strangers who ask for very
  // many take no place of others.
  const std::string challenge_secret_ = core::random_bytes(core::kSecretBytes);
  // Of the last few routes with any, and of those that are not listened to.
  std::unordered_map<std::string, int> wrong_proofs_;
  std::unordered_set<std::string> ignored_;
  std::deque<std::string> ignored_order_;
  Incidents incidents_;
};

}  // namespace steward::detail::server
