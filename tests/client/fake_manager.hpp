// FakeManager: the other end of a session, scripted. Speaks the envelopes as a manager does (retry
// store, challenges, proofs) but serves only a handful of made-up methods, and does what the test
// says: keep a reply back, forget a session, be somebody else.
//
// Thread safety: everything may be called from any thread. Ownership: outlives what uses it.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include <steward/core/auth.hpp>
#include <steward/core/token.hpp>
#include <steward/core/wire.hpp>

namespace steward::detail::test {

// The methods, of any object but 0:
//   echo(x) -> x              a read
//   add(n) -> the sum so far  a change
//   park() -> nil             a change, answered when the test says so
//   fail(text)                BadCall
//   handle(n) -> handle of object n
//   unlock()
// and of object 0: claim, lease, drop. Of leases it knows who has claimed by them.
class FakeManager {
 public:
  using Seq = core::Seq;

  // Says to be this one.
  explicit FakeManager(core::Incarnation incarnation = core::random_id<core::Incarnation>());

  // What a frame on a connection is answered with.
  std::vector<std::string> take(std::uint64_t connection, std::string_view frame);

  const core::Incarnation& incarnation() const { return incarnation_; }
  std::string new_ticket();

  // --- what was seen
  struct Seen {
    std::string method;
    Seq seq = 0;
    bool post = false;
    core::ThreadNumber thread = 0;
    bool timed = false;
    std::string args;
  };
  std::vector<Seen> calls() const;
  std::vector<Seq> acks() const;
  std::vector<Seq> cancels() const;
  std::vector<core::Hello> hellos() const;
  std::int64_t sum() const;
  // How often a method ran (a retry answered from the store does not count).
  std::size_t runs(const std::string& method) const;
  std::map<std::uint64_t, std::uint64_t> grants() const;
  std::size_t kept() const;  // replies, of all sessions
  std::size_t sessions() const;
  std::size_t byes() const;
  std::size_t ends_announced() const;  // byes of sessions that go on until their process ends
  // Blocks until the predicate holds; it is looked at after each frame.
  void wait_until(const std::function<bool(const FakeManager&)>& predicate) const;

  // --- what it does
  // Answers the oldest parked call: the replies frame to deliver, empty if none is parked.
  std::string release_parked(std::string_view result = "\xc0");
  void forget_sessions();
  // From now on it proves nothing.
  void forget_secrets();
  // Replies to these are made and stored, but not sent.
  void swallow_replies(bool swallow);
  void answer_bye(bool answer);
  void limit(std::uint64_t message_bytes, std::uint64_t calls_in_flight);
  // What the welcome says of it.
  void lease(std::uint64_t milliseconds);
  // As a manager over tcp: whoever comes is let in without a ticket, and lives by this lease.
  void be_remote(std::uint64_t lease_ms);
  // The addresses that its welcome says.
  void tell_addresses(std::vector<std::string> addresses);
  // The handles that it gives are changed so on their way.
  void lie(std::function<core::Token(core::Token)> lie);

 private:
  struct Session {
    std::string secret;
    std::map<Seq, std::string> replies;
    std::map<Seq, bool> parked;
    std::map<std::uint64_t, std::uint64_t> grants;
    std::map<std::string, std::uint64_t> spent;             // leases, by those it has the object
    std::map<Seq, std::pair<std::string, std::uint64_t>> claims;  // by leases, not confirmed
  };
  struct Connection {
    bool known = false;
    core::SessionId session;
    std::string challenge;
    int wrong_proofs = 0;
  };

  std::string on_hello(Connection& connection, const core::Hello& hello);
  std::string welcome(const core::SessionId& id, const std::string& secret,
                      const std::string& proof);
  std::string serve(Session& session, const core::Call& call);
  std::string run(Session& session, const core::Call& call, const std::string& method);
  std::string handle(Session& session, std::uint64_t object);
  std::string claim(Session& session, core::Reader& args, std::size_t count, Seq seq);

  const core::Incarnation incarnation_;

  mutable std::mutex mutex_;
  mutable std::condition_variable changed_;
  std::map<core::SessionId, Session> sessions_;
  std::map<std::uint64_t, Connection> connections_;
  std::set<std::string> tickets_;
  std::vector<Seen> calls_;
  std::vector<Seq> acks_;
  std::vector<Seq> cancels_;
  std::vector<core::Hello> hellos_;
  std::map<std::string, std::size_t> runs_;
  std::int64_t sum_ = 0;
  std::uint64_t frames_ = 0;
  std::size_t byes_ = 0;
  std::size_t ends_announced_ = 0;
  bool swallow_ = false;
  bool answer_bye_ = true;
  bool remote_ = false;
  std::uint64_t lease_ms_ = 0;
  std::vector<std::string> told_addresses_;
  std::map<std::string, std::uint64_t> leases_;  // the object of a nonce
  std::function<core::Token(core::Token)> lie_;
  std::uint64_t message_bytes_ = 1U << 20U;
  std::uint64_t calls_in_flight_ = 1024;
};

// Arguments and results of the methods above.
std::string encoded(std::int64_t value);
std::string encoded(std::string_view text);
std::string arguments(const std::vector<std::string>& encoded);
std::int64_t integer_of(std::string_view encoded);
// Of a list of this manager.
core::Token list_token(const core::Incarnation& incarnation, std::uint64_t object);

}  // namespace steward::detail::test
