// CallTable: the calls of a session that have a number and are not complete. Each keeps its body,
// so that it can be sent again after a broken connection.
//
// Complete is: a call whose reply is here; a post when a later call's reply is here, since a
// manager takes a session's frames in order and answers a post only if it failed; an ack or a
// cancel likewise. A call that was cancelled is complete with its cancel: before that the manager
// must not take it for confirmed. So is a take whose result is handed back; one that is kept with
// its ack.
//
// Thread safety: none.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include <steward/client/session.hpp>
#include <steward/client/session/completion.hpp>
#include <steward/core/clock.hpp>
#include <steward/core/wire.hpp>

namespace steward::detail::client {

struct PendingCall {
  core::Seq seq = 0;        // 0: it has none yet, see Calls
  std::uint64_t start = 0;  // how many calls were started before
  core::ThreadNumber thread = 0;
  core::ObjectId object{};
  Effect effect = Effect::change;
  bool post = false;
  bool parks = false;       // the manager may let it wait for what others do
  bool confirm = false;     // an ack leaves before its completion is told
  bool settled_later = false;  // an ack or a cancel leaves when its caller says so
  bool sent = false;        // the manager may have seen it
  bool cancelled = false;   // nobody waits any more, and a cancel says so
  bool forsaken = false;    // likewise, but there was no memory for the cancel yet
  bool unattended =
      false;  // nobody waited from the start: its error is thrown by the thread's next call
  bool aside = false;       // tells of no error that waits for the thread
  bool unlocks = false;     // a post that ends a hold
  bool last_word = false;   // past its deadline, but the manager's answer is still awaited
  std::string body;         // as it is sent, from behind its number
  // Where its end is told. Without one, what the call grants goes back.
  Completion* completion = nullptr;
  // A claim that renews a reference after its session was lost.
  core::ObjectId renews{};
  core::Deadline deadline;
  // Its deadline is that of its wait for a place among those that park; then this one holds.
  bool awaits_place = false;
  core::Deadline with_place;
  std::uint64_t places = 0;  // so many had been given when that wait began
};

class CallTable {
 public:
  // An entry that is not in the table; its body is empty, its memory that of an earlier call.
  std::unique_ptr<PendingCall> draft();
  void discard(std::unique_ptr<PendingCall> call) noexcept;
  core::Seq next() const { return next_seq_; }
  // Gives the call the next number and puts it into the table.
  PendingCall& add(std::unique_ptr<PendingCall>&& call);

  PendingCall* find(core::Seq seq);  // posts too
  // It has ended, or never was. `handed_over`: by a reply that is complete by an ack of its own.
  void remove(PendingCall& call, bool handed_over) noexcept;
  // The manager keeps a reply of so many bytes until it is told that the call is complete.
  void count_reply(std::size_t bytes) { reply_bytes_ += bytes; }

  // The reply of call `seq` has come: posts, acks and cancels before it are complete.
  void prove(core::Seq seq);

  // Acks and cancels that must be sent again after a broken connection.
  void note_ack(core::Seq seq) { acks_.push_back({seq, next_seq_}); }
  void note_cancel(core::Seq seq) { cancels_.push_back({seq, next_seq_}); }
  std::vector<core::Seq> acks() const { return seqs(acks_); }
  std::vector<core::Seq> cancels() const { return seqs(cancels_); }
  // The connection broke: the cancelled calls are abandoned, and not sent again. If one was lost on
  // the way, it never happens. If it was not, its cancel ends it, if that is noted here, but its
  // reply may still come: until the cancel is complete, take_abandoned() knows the call.
  void drop_cancelled();
  // Takes out the calls, but for posts, for which `ended` says true. It must not throw.
  template <class F>
  void remove_if(F ended) noexcept {
    std::erase_if(calls_, [&](const std::unique_ptr<PendingCall>& call) {
      if (!ended(*call)) return false;
      note_complete(call->seq);
      if (call->parks) --parking_;
      return true;
    });
  }
  // Whether this call was abandoned; true once, for its first reply.
  bool take_abandoned(core::Seq seq) { return std::erase(abandoned_, seq) > 0; }

  // The reply of this take has come, but is not complete before its caller's word: while it counts
  // as incomplete the manager keeps what it handed over.
  void note_unsettled(core::Seq seq) { unsettled_.push_back({seq}); }
  // That word. False: it was spoken, or the call was of another session. One that is kept is
  // complete from now on; one that is refused, when its cancel is.
  bool settle(const Unsettled& take, bool kept) noexcept;
  // A refused one for which no cancel is noted yet; 0: none.
  core::Seq refused() const noexcept;
  // Its cancel is noted.
  void forget_refused(core::Seq seq) noexcept;
  // A call that is forsaken and not cancelled yet; null: none.
  PendingCall* forsaken() const noexcept;
  std::uint64_t epoch() const { return epoch_; }

  // Calls that are complete although first_incomplete() has not passed them, if they or the bytes
  // of their replies are many: the manager keeps those until it is told. Each is given once.
  std::vector<core::Seq> take_complete();

  core::Seq first_incomplete() const;
  // Calls that somebody or something awaits; posts do not count.
  std::size_t in_flight() const { return calls_.size(); }
  // Of these, those that park.
  std::size_t parking() const { return parking_; }
  std::size_t posts() const { return posts_.size(); }
  bool post_is_unproven() const;
  std::vector<core::Seq> awaited() const;
  // All in the order of their numbers, posts too.
  std::vector<PendingCall*> in_order() const;

  // In no order.
  template <class F>
  void for_each(F use) noexcept {
    for (const auto& call : calls_) use(*call);
    for (const auto& call : posts_) use(*call);
  }

  // Empties the table for a new session, whose numbers begin again. Returns the calls in their
  // order, with room for `more`. If it throws nothing has changed.
  std::vector<std::unique_ptr<PendingCall>> restart(std::size_t more);
  void clear() noexcept;

 private:
  using Calls = std::deque<std::unique_ptr<PendingCall>>;  // by number
  struct Note {
    core::Seq seq;
    core::Seq before;  // sent before the call of this number
  };
  struct Unspoken {
    core::Seq seq;
    bool refused = false;
  };
  static std::vector<core::Seq> seqs(const std::deque<Note>& notes);
  static Calls::iterator position(Calls& calls, core::Seq seq);
  std::unique_ptr<PendingCall> take_out(PendingCall& call);
  void note_complete(core::Seq seq) noexcept;

  core::Seq next_seq_ = 1;
  std::size_t parking_ = 0;
  Calls calls_;
  Calls posts_;
  std::deque<Note> acks_;
  std::deque<Note> cancels_;
  std::vector<core::Seq> abandoned_;  // all have cancels
  std::vector<Unspoken> unsettled_;
  std::uint64_t epoch_ = 0;             // so many sessions were there before
  std::vector<core::Seq> complete_;  // some of them before first_incomplete()
  std::size_t reply_bytes_ = 0;      // since they were told, or more
  std::vector<std::unique_ptr<PendingCall>> spare_;
};

}  // namespace steward::detail::client
