// LiveSession: the Session over a Transport. Its parts, a file each:
//   session_calls.cpp       what the calling thread does: number, send, wait, give up, conclude
//   session_serve.cpp       what the leader does for all: frames, replies, descriptors, alarms
//   session_lifetime.cpp    connections and sessions that come and go: resume, loss, end, fork
//   session_references.cpp  references, and how handles travel
//   session_lease.cpp       of a remote one: that it is heard while the program is busy elsewhere
//
// Thread safety: as Session. One mutex guards everything that changes; it is never held across a
// wait for the network, nor while the State's lock is taken. Ownership: references and State share
// it; transport and descriptors are its own.
#pragma once

#include <atomic>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <unordered_map>

#include <steward/client/call_table.hpp>
#include <steward/client/crew.hpp>
#include <steward/client/grants.hpp>
#include <steward/client/handshake.hpp>
#include <steward/client/holds.hpp>
#include <steward/client/renewal.hpp>
#include <steward/client/session.hpp>
#include <steward/client/side_door.hpp>
#include <steward/client/transport/transport.hpp>

namespace steward::client {

class ClientReference;

class LiveSession final : public Session, private Crew::Duty {
 public:
  // A transport that connects, and what was said at the side door (without one: a ticket, and where
  // the manager is).
  struct Connection {
    std::unique_ptr<Transport> transport;
    Introduction introduction;
  };
  // Makes a connection for a new session with the same manager, by the deadline. Called without the
  // mutex. Empty: a lost session cannot begin anew.
  using Dial = std::function<Connection(core::Deadline)>;

  LiveSession(Connection connection, Dial dial, const ConnectOptions& options);
  ~LiveSession() override;

  // Waits until the manager has welcomed the session. Throws Disconnected, AuthenticationError.
  void establish(core::Deadline deadline);
  // Whether calls may still succeed: the manager is not known to be dead, nor the session ended.
  bool usable() const { return usable_.load(std::memory_order_relaxed); }
  // Whether this process is a fork of the one that made the session.
  bool inherited() const { return inherited_.load(std::memory_order_relaxed); }

  std::optional<std::string> call(core::ObjectId object, std::string_view method,
                                  std::string_view args, const CallOptions& options) override;
  void post(core::ObjectId object, std::string_view method, std::string_view args) override;
  core::Travel& travel() override;
  core::ReferencePtr adopt(core::Token token) override;
  core::ReferencePtr claim(const core::Token& token) override;
  void give_back(std::string_view result, const Grants& taken) noexcept override;
  const core::Incarnation& incarnation() const override { return incarnation_; }
  const std::vector<std::string>& addresses() const override { return addresses_; }
  pid_t server_pid() const override { return pid_; }
  bool manager_has_ended() const override;
  SessionPtr in_this_process() override;
  // How it connected, for those who stand for it later.
  const ConnectOptions& options() const { return options_; }
  void end(core::Duration wait) override;
  Hold hold(core::ObjectId lock) const override;
  void note_grant(core::ObjectId lock, std::uint64_t token, bool previous_owner_died) override;
  void note_unlock(core::ObjectId lock) override;
  bool unlock(core::ObjectId lock) override;
  // Of a session that a fork has copied: see client::end_copied_hold().
  bool end_copied_hold(core::ObjectId lock);

  // The halves of end(), for many sessions at once.
  void say_goodbye();
  void await_goodbye(core::Deadline deadline);

  // The last proxy is gone. Never throws, never waits.
  void release(const ClientReference& reference) noexcept;

 private:
  friend class State;  // fork: locks mutex_, then abandons the session in the child
  friend class Questions;
  using Lock = Crew::Lock;

  enum class Phase : std::uint8_t {
    offline,   // there is no connection
    greeting,  // there is one; nobody has been welcomed on it yet
    online,    // calls flow
    lost,      // the manager does not know the session any more; the leader begins a new one
    closed,    // nothing will ever flow again
  };
  // What is said of a call when it fails here and not in the manager.
  struct Label {
    std::string_view type;
    core::ObjectId object;
    std::string_view method;
    std::string text() const;
  };
  // Waits to be sent: the call of this number, or a frame of another kind.
  struct Outgoing {
    core::Seq call = 0;
    std::string frame;
  };
  struct PostError {
    core::ErrorCode code;
    core::ErrorPayload error;
  };
  class SessionTravel final : public core::Travel {
   public:
    explicit SessionTravel(LiveSession& session) : session_(session) {}
    core::Token outgoing(const core::Reference& reference) override;
    core::ReferencePtr incoming(core::Token token) override;

   private:
    LiveSession& session_;
  };

  // --- session_calls.cpp
  // Into the table, with the next number; throws Overloaded if it is larger than the manager takes.
  PendingCall& number_call(const Label& label, std::string_view args, bool post,
                           core::Deadline deadline = std::nullopt);
  void submit(PendingCall& call);
  void send_control(std::string frame);
  void look_for_swallowed_edge();
  bool wait_for_slot(Lock& lock, core::Deadline deadline);
  void remove(PendingCall& call);
  // The deadline has passed.
  enum class Late : std::uint8_t {
    answered,  // the reply came after all
    not_done,
    unknown,
  };
  Late give_up(Lock& lock, PendingCall& call, CallWaiter& waiter);
  void take_held(std::vector<core::ReferencePtr>& held);
  void cancel(PendingCall& call);
  std::optional<std::string> conclude(Lock& lock, CallWaiter& waiter, const CallOptions& options,
                                      const Label& label);
  void throw_post_error();
  void throw_if_closed(const Label& label) const;
  void post_now(core::ObjectId object, std::string_view method, std::string_view args);
  void submit_post(PendingCall& call);
  bool post_should_ask() const;

  // --- session_serve.cpp: Crew::Duty
  void serve(Lock& lock, const Waiter& waiter) override;
  core::Deadline alarm() const override;
  void polled(const std::vector<pollfd>& entries) override;
  void take_in(const Waiter* waiter);
  void on_frame(std::string_view frame);
  void on_replies(core::OpenEnvelope envelope);
  void on_reply(const core::Reply& reply);
  void acknowledge_complete();
  void on_welcome(const core::Welcome& welcome);
  void learn_addresses(const std::vector<std::string>& told);
  void on_unknown_connection(std::string_view challenge);
  void answer_challenge();
  void on_alarm();
  bool flush();
  void watch();

  // --- session_lifetime.cpp
  void on_connected();
  void on_disconnected();
  void forget_greeting();
  void resume();
  void manager_ends();
  void conclude_ending();
  void lose(const std::string& reason);
  std::map<core::ThreadNumber, core::ObjectId> lose_holds();
  void end_lost_call(std::unique_ptr<PendingCall> call, const std::string& reason,
                     std::map<core::ThreadNumber, core::ObjectId>& losers);
  void note_lost_post(const PendingCall& post);
  void note_lost_hold(core::ThreadNumber thread, core::ObjectId lock, const std::string& reason);
  void renumber(std::unique_ptr<PendingCall> call);
  void begin_anew(Lock& lock);
  void close(const std::string& reason, bool manager_is_dead);
  void refused();
  void fail_calls(const std::string& reason, bool manager_is_dead);
  void await_connection();
  // What it leaves, to be kept for ever: destroying it would touch the parent's sockets and wait
  // for its threads.
  struct Abandoned {
    std::unique_ptr<Transport> transport;
    std::unique_ptr<Renewal> renewal;
  };
  Abandoned abandon();
  SessionPtr successor() const;

  // --- session_lease.cpp
  void keep_alive(std::chrono::milliseconds lease);
  core::Deadline tend();

  // --- session_references.cpp
  void renew_references();
  void renewed(core::ObjectId object);
  void drop(const Grants& grants);
  void hold_until_call_ends(core::ReferencePtr reference);

  // Constant after construction, or after establish().
  const Dial dial_;
  const ConnectOptions options_;
  std::vector<std::string> addresses_;
  std::string where_;  // "the manager at ipc://... (pid 123)"
  core::Incarnation incarnation_;
  pid_t pid_ = 0;
  std::atomic<bool> usable_ = true;
  std::atomic<bool> inherited_ = false;
  SessionTravel travel_{*this};

  // Guarded by mutex_.
  mutable std::mutex mutex_;
  Crew crew_{*this};
  std::unique_ptr<Transport> transport_;
  shm::UniqueFd door_;
  shm::UniqueFd server_;
  Handshake handshake_;
  Phase phase_ = Phase::offline;
  std::string closed_because_;
  bool refused_ = false;          // the transport says that our key is not welcome
  std::string greeting_;          // to be sent as soon as the connection takes it
  std::string challenge_;         // to be answered
  std::string answered_challenge_;
  core::Deadline calm_at_;        // then, if no other one came
  unsigned challenges_answered_ = 0;  // on this connection
  unsigned sessions_lost_ = 0;    // since the last reply
  bool arrived_ = true;           // poll saw something, or nobody has looked yet
  core::Deadline offline_until_;  // then the manager counts as unreachable
  bool door_shut_ = false;
  bool dead_ = false;             // the pidfd says so
  core::Deadline ending_until_;   // the manager hung up: what it said before may still arrive
  CallTable table_;
  std::deque<Outgoing> outbox_;
  std::unique_ptr<Renewal> renewal_;  // of a session that lives by a lease
  std::chrono::milliseconds lease_{};
  std::size_t message_bytes_ = 0;
  std::size_t calls_in_flight_ = 0;
  std::deque<Waiter*> slot_waiters_;
  Waiter* establishing_ = nullptr;
  Waiter* goodbye_ = nullptr;
  bool leaving_ = false;
  std::map<core::ThreadNumber, PostError> post_errors_;
  std::vector<std::pair<core::ThreadNumber, core::ReferencePtr>> held_;
  // The pointers are valid while they stand here: a reference takes its own out as it dies.
  struct Known {
    std::weak_ptr<const ClientReference> pointer;
    const ClientReference* reference = nullptr;
  };
  std::unordered_map<core::ObjectId, Known> references_;
  Holds holds_;
  core::ThreadNumber forked_by_ = 0;  // in the child: the only one that has holds_ to unlock
};

}  // namespace steward::client
