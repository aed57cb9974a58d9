// CallTable: the calls of a session that are not complete. Each keeps its frame, so that it can be
// sent again after a broken connection.
//
// Complete is: a call whose reply is here; a post when a later call's reply is here, since a
// manager takes a session's frames in order and answers a post only if it failed; an ack or a
// cancel likewise.
//
// Thread safety: none; guarded by the session's mutex.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <steward/client/crew.hpp>
#include <steward/client/session.hpp>
#include <steward/core/errors.hpp>

namespace steward::client {

// How a call ended, for the thread that waits for it.
struct CallWaiter : Waiter {
  enum class End : std::uint8_t {
    replied,          // `code` and `payload` are the manager's
    disconnected,     // it had no effect, or the manager is gone; `payload` says why
    outcome_unknown,  // it may have had one; likewise
  };
  End end = End::replied;
  core::Seq seq = 0;  // of the reply
  core::ErrorCode code = core::ErrorCode::ok;
  std::string payload;
};

struct PendingCall {
  core::Seq seq = 0;
  core::ThreadNumber thread = 0;
  Effect effect = Effect::change;
  bool post = false;
  bool sent = false;       // the manager may have seen it
  bool cancelled = false;  // nobody waits any more
  bool unattended = false; // nobody ever waited: an error is thrown by the thread's next call
  unsigned repeats = 0;    // on new sessions, after the old one was lost
  std::string frame;
  // Where its end is told. Without one, what the call grants goes back.
  CallWaiter* waiter = nullptr;
  // A claim that renews a reference after its session was lost.
  core::ObjectId renews{};
};

// Appends a calls envelope of one call.
void append_calls_frame(std::string& frame, core::Seq first_incomplete, const core::Call& call);

class CallTable {
 public:
  // The next number, and an entry that is not in the table yet; its frame is empty, its memory that
  // of an earlier call.
  std::unique_ptr<PendingCall> draft();
  void discard(std::unique_ptr<PendingCall> call);
  PendingCall& add(std::unique_ptr<PendingCall> call);

  PendingCall* find(core::Seq seq);  // posts too
  void remove(PendingCall& call);

  // The reply of call `seq` has come: posts, acks and cancels before it are complete.
  void prove(core::Seq seq);

  // Acks and cancels that must be sent again after a broken connection.
  void note_ack(core::Seq seq) { acks_.push_back({seq, next_seq_}); }
  void note_cancel(core::Seq seq) { cancels_.push_back({seq, next_seq_}); }
  std::vector<core::Seq> acks() const { return seqs(acks_); }
  std::vector<core::Seq> cancels() const { return seqs(cancels_); }
  // Nobody awaits this call any more, and it is not sent again: was it lost on the way, it never
  // happens. Was it not, its cancel (noted here) ends it, and its reply may still come: until the
  // cancel is complete, the manager keeps that, and take_forsaken() knows the call.
  void forsake(PendingCall& call);
  // The connection broke: the calls that were cancelled are forsaken.
  void drop_cancelled();
  // Whether the reply of this forsaken call is news; once.
  bool take_forsaken(core::Seq seq) { return std::erase(forsaken_, seq) > 0; }

  core::Seq first_incomplete() const;
  // Calls that somebody or something awaits; posts do not count.
  std::size_t in_flight() const { return calls_.size(); }
  std::size_t posts() const { return posts_.size(); }
  std::vector<core::Seq> awaited() const;
  // All in the order of their numbers, posts too.
  std::vector<PendingCall*> in_order() const;

  // Empty, for a new session: numbers begin again. Returns what was in it, in order.
  std::vector<std::unique_ptr<PendingCall>> restart();

 private:
  using Calls = std::deque<std::unique_ptr<PendingCall>>;  // by number
  struct Note {
    core::Seq seq;
    core::Seq before;  // sent before the call of this number
  };
  static std::vector<core::Seq> seqs(const std::deque<Note>& notes);
  static Calls::iterator position(Calls& calls, core::Seq seq);

  core::Seq next_seq_ = 1;
  Calls calls_;
  Calls posts_;
  std::deque<Note> acks_;
  std::deque<Note> cancels_;
  std::vector<core::Seq> forsaken_;
  std::vector<std::unique_ptr<PendingCall>> spare_;
};

}  // namespace steward::client
