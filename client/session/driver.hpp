// SessionDriver: the Session over a Transport. It drives a SessionCore, which decides everything,
// with what the outside has: the mutex, the clock, the connection, the descriptors, the threads
// that wait.
//   driver.cpp         what the leader does for all: arrivals, descriptors, dialling, the end
//   driver_session.cpp what callers see: calls, references, holds
//
// Thread safety: as Session. One mutex guards everything that changes; it is never held across a
// wait for the network, nor while the ClientState's lock is taken. Nothing but a steward::Error
// leaves it, whatever a transport throws. Ownership: references and ClientState share it; transport
// and descriptors are its own, and are given back when the session is closed.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <new>
#include <optional>
#include <vector>

#include <steward/client/proof.hpp>
#include <steward/client/session.hpp>
#include <steward/client/session/background.hpp>
#include <steward/client/session/core.hpp>
#include <steward/client/session/leadership.hpp>
#include <steward/client/control_socket.hpp>
#include <steward/client/terms.hpp>
#include <steward/client/transport/transport.hpp>
#include <steward/core/errors.hpp>

namespace steward::detail::client {

class ClientReference;

class SessionDriver final : public Session, private Leadership::EventHandler {
 public:
  // A transport that connects, what was said at the control socket (without one: a ticket, and
  // where the manager is), and what proves who is at the other end. The same for every connection
  // of a session.
  struct Connection {
    std::unique_ptr<Transport> transport;
    Welcome welcome;
    Proof proof;
  };
  // Makes a connection for a new session with the same manager, by the deadline. Called on a thread
  // of its own, perhaps after the session's end. Empty: a lost session cannot begin anew.
  using Dial = std::function<Connection(core::Deadline)>;

  // For make(): what is made otherwise, a fork does not find.
  SessionDriver(Connection connection, Dial dial, TermsPtr terms);
  static std::shared_ptr<SessionDriver> make(Connection connection, Dial dial, TermsPtr terms);
  ~SessionDriver() override;

  // Waits until the manager has welcomed the session. Throws Disconnected, AuthenticationError.
  void establish(core::Deadline deadline);
  // Whether calls may still succeed: the manager is not known to be dead, nor the session ended.
  bool usable() const { return usable_.load(std::memory_order_relaxed); }
  // Whether it is connected, as far as was noticed.
  bool online() const;
  // Whether references to objects of its manager are in use.
  bool has_references() const;
  // Whether its manager is there: at once if it runs on this host and has not hung up, else by its
  // answer, which a lost session is repaired for. False: it has ended, or the session has. Throws
  // Disconnected if it cannot be reached by the deadline, Interrupted.
  bool finds_manager(core::Deadline deadline);
  // Whether this process is a fork of the one that made the session.
  bool inherited() const { return inherited_.load(std::memory_order_relaxed); }

  std::optional<Result> call(core::ObjectId object, std::string_view method,
                             std::string_view args, const CallOptions& options) override;
  void start(core::ObjectId object, std::string_view method, std::string_view args,
             const CallOptions& options, Completion& completion) override;
  void cancel(Completion& completion) noexcept override;
  void settle(const Unsettled& take, bool kept) noexcept override;
  bool await(Waiter& waiter, core::Deadline deadline) override;
  void finish(Waiter& waiter) noexcept override { leadership_.finish(waiter); }
  void interrupt(Waiter& waiter) noexcept override;
  std::size_t parked_calls() const override;
  void post(core::ObjectId object, std::string_view method, std::string_view args) override;
  core::HandleCodec& codec() override;
  core::Token outgoing(const core::Reference& reference, core::Deadline deadline,
                       Kept& kept) override;
  core::ReferencePtr adopt(core::Token token,
                           std::optional<SessionNumber> granted_to = {}) override;
  core::ReferencePtr claim(const core::Token& token, core::Deadline deadline,
                           ClaimBy by) override;
  void give_back(std::string_view result, const Grants& taken,
                 std::optional<SessionNumber> granted_to) noexcept override;
  const core::Incarnation& incarnation() const override { return incarnation_; }
  const Proof& proof() const { return proof_; }
  const std::vector<std::string>& addresses() const override { return addresses_; }
  pid_t server_pid() const override { return pid_; }
  bool manager_has_ended() const override;
  SessionPtr in_this_process() override;
  TermsPtr terms() const override;
  // Somebody else has connected it on these terms: whom it may dial, they decide, too, as long as
  // he, or a reference that was made meanwhile, keeps them alive.
  void also_on(const Terms& terms);
  void end(core::Duration wait) override;
  Hold hold(core::ObjectId lock) const override;
  void note_grant(core::ObjectId lock, std::uint64_t token, bool previous_owner_died,
                  std::optional<SessionNumber> granted_by = {}) override;
  void note_unlock(core::ObjectId lock) override;
  bool unlock(core::ObjectId lock) override;
  // A thread of this process has ended: see SessionCore::thread_ended(). Waits for nothing.
  void thread_ended(core::ThreadNumber thread) noexcept;
  // For a session that was copied by a fork: see client::end_copied_hold().
  bool end_copied_hold(core::ObjectId lock);

  // The halves of end(), for many sessions at once.
  void say_goodbye();
  void await_goodbye(core::Deadline deadline);
  // The process ends soon: see SessionCore::announce_end(). Then waits until the manager knows.
  void announce_end() noexcept;
  void await_end_known(core::Deadline deadline);

  // The last proxy of an object is gone. Never waits. True: no proxy of any object of this session
  // is left.
  bool release(const ClientReference& reference) noexcept;

 private:
  friend class ClientState;  // counts uses_; fork: locks mutex_, then abandons the session in the
                             // child
  using Lock = Leadership::Lock;
  class BlockingCall;
  // Holds the mutex. At its end a session that was closed meanwhile gives everything back.
  class Use {
   public:
    explicit Use(SessionDriver& driver) : lock(driver.mutex_), driver_(driver) {}
    Use(const Use&) = delete;
    Use& operator=(const Use&) = delete;
    ~Use();
    Lock lock;

   private:
    SessionDriver& driver_;
  };
  struct Dialled {
    Connection connection;
    std::string failure;
    bool is_gone = false;  // the manager is not there any more
  };
  class SessionHandleCodec final : public core::HandleCodec {
   public:
    explicit SessionHandleCodec(SessionDriver& session) : session_(session) {}
    core::Token outgoing(const core::Reference& reference) override;
    core::ReferencePtr incoming(core::Token token) override;

   private:
    SessionDriver& session_;
  };

  // Runs what callers want, and throws a steward::Error whatever that throws.
  template <class F>
  auto guarded(F&& what) const try {
    return what();
  } catch (const Error&) {
    throw;
  } catch (const std::bad_alloc&) {
    throw Overloaded("no memory is left for the session with " + core_.where());
  } catch (const std::exception& error) {
    throw Disconnected("the session with " + core_.where() + " failed: " + error.what());
  }

  // --- driver.cpp
  bool handle(const Waiter& waiter) override;
  bool prepare_to_sleep() override;
  core::Deadline next_deadline() const override { return core_.next_deadline(); }
  void awake(std::span<const pollfd> entries) override;
  void check_interrupt() override;
  bool may_be_interrupted() const override;
  // False: more is there than is taken in at once.
  bool take_in(const Waiter* waiter);
  void arrived(Arrival arrival, std::string_view frame);
  void repeat_unfinished();
  void tick();
  void act();
  void submit(core::Deadline due) noexcept;
  void pump();
  void watch();
  void dial();
  void dialled(Dialled result);
  void dialled_in_vain() noexcept;
  void install();
  void await_welcome(core::Deadline deadline);
  void learn_addresses();
  void keep_alive();
  core::Deadline renew();
  void drop_connection() noexcept;
  // What must not be destroyed in a forked child.
  struct Abandoned {
    std::unique_ptr<Transport> transport;
    std::unique_ptr<Dialled> dialled;
  };
  Abandoned abandon();
  std::shared_ptr<Session> successor(core::Deadline deadline = {}) const;
  bool is_answered() const;
  void await_answer(Use& use, core::Deadline deadline) noexcept;

  std::vector<Terms::Allow> also_allow() const;

  // --- driver_session.cpp
  void run(BlockingCall& waiting, const CallLabel& label, std::string_view args,
           const CallOptions& options);
  void await_end(Use& use, BlockingCall& waiting);
  void end_call(Completion& completion) noexcept;
  CallRequest request(core::ObjectId object, std::string_view method, std::string_view args,
                      const CallOptions& options) const;

  // Constant after construction, or after establish().
  const Dial dial_;
  const TermsPtr terms_;
  const Proof proof_;
  std::vector<std::string> addresses_;
  core::Incarnation incarnation_;
  pid_t pid_ = 0;
  std::atomic<bool> usable_ = true;
  std::atomic<bool> inherited_ = false;
  SessionHandleCodec codec_{*this};

  std::size_t uses_ = 0;  // guarded by ClientState's lock, and told there what they are

  // Guarded by mutex_.
  mutable std::mutex mutex_;
  AlsoAllow also_;  // beside terms_
  Leadership leadership_{*this};
  SessionCore core_;
  std::unique_ptr<Transport> transport_;  // null: closed
  shm::UniqueFd control_;                 // the manager hangs up here when the session is over
  shm::UniqueFd process_;                 // the manager's pidfd
  bool watched_ = false;                  // watch() has come to its end
  std::optional<Arrival> unfinished_;     // memory ended while it was handled
  bool dialling_ = false;
  std::unique_ptr<Dialled> dialled_;      // kept until no thread sleeps at the old descriptors
  std::shared_ptr<BackgroundStop> renewal_;  // of a session that lives by a lease
  Waiter* establishing_ = nullptr;
  Waiter* goodbye_ = nullptr;             // awaits an answer to it, or to announce_end()
  bool forgotten_ = false;                // ClientState was told of the end
  bool process_ended_ = false;            // as process_ said, before it was given back
  core::ThreadNumber forked_by_ = 0;      // in the child: the only one that has holds to unlock
};

}  // namespace steward::detail::client
