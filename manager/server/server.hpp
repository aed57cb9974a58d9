// Server: the manager's one loop on its one thread. Collects a batch of what clients sent, looks
// who is still alive, applies the batch to the core, lets the engine keep it, and only then
// releases what follows from it.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <steward/core/clock.hpp>
#include <steward/core/limits.hpp>
#include <steward/engine/engine.hpp>
#include <steward/engine/memory.hpp>
#include <steward/manager/server/backlog.hpp>
#include <steward/manager/server/class.hpp>
#include <steward/manager/server/connections.hpp>
#include <steward/manager/server/core.hpp>
#include <steward/manager/server/directory.hpp>
#include <steward/manager/server/listener.hpp>
#include <steward/manager/server/listener_zmq.hpp>
#include <steward/manager/server/liveness.hpp>
#include <steward/manager/server/notes.hpp>
#include <steward/manager/server/outbox.hpp>
#include <steward/manager/server/poller.hpp>
#include <steward/manager/server/ring_host.hpp>
#include <steward/manager/server/control_socket.hpp>
#include <steward/manager/server/statistics.hpp>
#include <steward/shm/socket_path.hpp>

namespace steward::detail::server {

struct ServerOptions {
  core::Limits limits = {};
  // Where other hosts come in; nowhere, if its address is empty.
  RemoteEntrance entrance = {};
  // A second path at which the control socket listens; empty: none.
  std::string control = {};
  Clock clock = std::chrono::steady_clock::now;
  // Told in a sentence of what an operator should know: a client cut off, and why.
  std::function<void(std::string_view)> note = {};
  // nullptr: memory. Must outlive the server.
  engine::Engine* engine = nullptr;
};

// A resource. Thread safety: one thread at a time uses it; but stop() may be called by any thread,
// and by signal handlers.
class Server {
 public:
  // With a directory of its own, a ZeroMQ socket and a control socket in it; clients may connect
  // when this returns. Throws SystemError, Overloaded (descriptors), BadCall (the entrance).
  explicit Server(Registry classes, ServerOptions options = {});
  // Over a listener that exists already; `entrance` is not used then. Without a directory there is
  // no control socket: only those get in whom the listener vouches for.
  Server(std::unique_ptr<Directory> directory, std::unique_ptr<Listener> listener,
         Registry classes, ServerOptions options = {});
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;
  // As after a shutdown call: clients are told, and nothing stays behind.
  ~Server();

  const std::vector<std::string>& addresses() const { return addresses_; }
  // Until run() has returned.
  const Core& core() const { return *core_; }
  const Incidents& incidents() const { return connections_->incidents(); }
  // Of queues whose items are in shared memory.
  const RingHost& rings() const { return *rings_; }
  std::size_t peers_pending() const { return control_ ? control_->pending() : 0; }

  // Ends the loop once this is readable: an owner's pidfd, a signalfd. Borrowed.
  void end_with(int fd);

  // Serves until somebody called stop() or shutdown, or end_with() says so; then shuts down.
  void run();
  // One pass of the loop, which waits at most `longest` for something to do (nullopt: for ever).
  void step(std::optional<core::Duration> longest);
  bool ended() const { return ended_; }
  void stop();

 private:
  // Dead, but for what they have asked for before.
  struct Dying {
    core::SessionId session;
    std::string route;
    core::Time found;
    core::Deadline ended = {};  // since then nothing more comes from there; nullopt: not known
    bool first_served = false;  // before all others, as far as there was time
  };

  Server(std::unique_ptr<Directory> directory, std::unique_ptr<Listener> listener, Registry classes,
         ServerOptions options, std::size_t descriptors);

  // How long it may have waited.
  std::optional<core::Duration> wait(std::optional<core::Duration> longest);
  void excuse_silence(core::Time before, std::optional<core::Duration> patience);
  void expire_leases();
  void watch_listener();
  void note_handshakes();
  // Until the batch has so many frames or bytes.
  void collect(std::size_t frames, std::size_t most);
  void find_dead();
  // All that they have said, if it comes in time.
  void hear_last_words();
  bool is_heard(const Dying& dying) const;
  // Ends the sessions of the dead that have been served to the end.
  void bury_dead();
  void apply_batch();
  bool is_too_much(const Arrival& arrival) const;
  // Puts off what is not to be served now. False: the frame may be served.
  bool put_off(Arrival& arrival);
  void serve(Arrival& arrival);
  // All that has come from this route. What takes longer stays in the backlog.
  void serve_all_of(const std::string& route, core::Time end);
  void serve_backlog();
  bool pass_is_over() const;
  void feed(const Input& input);
  // Counts what has ended, answers who has asked.
  void keep_statistics();
  void pass_gate();
  void append_inputs();
  // Gives those who have asked for rings what they get, behind the gate.
  void serve_ring_requests();
  void serve(const RingRequest& request);
  // Tells those who have asked which manager this is; the last address is what it was told to
  // listen at, if it was told.
  void answer_inquiries();
  core::Deadline next_deadline() const;
  void shut_down();

  // In an order that destroys users before what they use.
  const Registry classes_;
  ServerOptions options_;
  engine::Memory memory_;
  engine::Engine& engine_;
  std::unique_ptr<Directory> directory_;
  std::unique_ptr<Listener> listener_;
  const std::vector<std::string> addresses_;
  std::unique_ptr<Core> core_;
  Poller poller_;
  std::optional<RingHost> rings_;
  std::optional<shm::SocketPath> control_path_;
  std::optional<ControlSocket> control_;
  std::optional<Liveness> liveness_;
  std::optional<Outbox> outbox_;
  std::optional<Connections> connections_;
  std::optional<Statistics> statistics_;

  shm::UniqueFd stop_;
  std::size_t burst_ = 1;                  // frames that the next pass takes in at most
  bool listener_woke_ = false;
  Notes notes_;
  core::Time next_note_{};  // of handshakes that failed
  bool ended_ = false;
  core::Time now_;
  std::vector<Arrival> batch_;  // only the first batch_size_ count; the others keep their memory
  std::size_t batch_size_ = 0;
  std::size_t batch_bytes_ = 0;
  Backlog backlog_;
  std::vector<Dying> dying_;
  core::Time heard_all_;  // when the listener had no more
  bool backlog_waits_ = false;  // for clients to read: there is nothing to do for it now
  core::Time pass_began_;
  core::Time served_;               // when the last frame of this pass had been
  std::size_t calls_at_once_ = 32;  // of a long message
  Outputs outputs_;
  std::vector<std::string> inputs_;  // of this batch, if the engine keeps them
  bool failed_ = false;  // the engine or the core: nothing must leave any more
};

}  // namespace steward::detail::server
