// Calls: the calls of a session from their start to their end. Numbers them, keeps them within the
// number that may be in flight (the others wait in their order), watches their deadlines, composes
// the frames that carry them, and remembers what has to be sent again.
//
// Calls that the manager may park (lock, get, join) never use up all places: whoever has what they
// wait for must be able to call. One ends if for ten seconds nobody has got a place: it may be that
// none of those that have one ends before it.
//
// A value: no clock, no socket, no lock; time comes with the inputs. Completions are told from
// within. Thread safety: none.
#pragma once

#include <algorithm>
#include <cstddef>
#include <deque>
#include <limits>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include <steward/client/session/call_table.hpp>
#include <steward/client/session/completion.hpp>
#include <steward/core/clock.hpp>

namespace steward::detail::client {

// A frame to be sent, in two parts that stand one behind the other.
struct Frame {
  std::string_view head;
  std::string_view body;
};

// No thread has this number.
inline constexpr auto kNobody = std::numeric_limits<core::ThreadNumber>::max();

// What a call says; views need not outlive its start.
struct CallRequest {
  core::ObjectId object;
  std::string_view method;
  std::string_view args;  // a MessagePack array
  core::ThreadNumber thread = 0;
  Effect effect = Effect::change;
  core::Deadline deadline = {};
  bool confirm = false;
  bool settled_later = false;  // by its caller's word: see Outcome::unsettled
  bool parks = false;       // the manager may let it wait for what others do
  bool post = false;        // no answer to a success
  bool unattended = false;  // nobody waits: an error is thrown by the thread's next call
  bool aside = false;       // tells of no error that waits for the thread: see CallOptions
  core::ObjectId renews = {};

  // The encoded call, which start() makes and keeps. A caller with a large one makes it before it
  // takes the session's mutex, so that other threads need not wait.
  std::string body = {};
  void compose(core::Time now);
};

class Calls {
 public:
  // What the manager allows; 0: no limit.
  void limit(std::size_t message_bytes, std::size_t calls_in_flight);

  // --- calls that begin
  // A call that is no post waits for its turn if too many are in flight. False: its frame would be
  // larger than the manager takes, `bytes` says how large; it did not begin. Nor if this throws.
  bool start(CallRequest& request, Completion* completion, core::Time now, std::size_t& bytes);
  std::size_t message_bytes() const { return message_bytes_; }
  // Of those that park; 0: no limit.
  std::size_t parking_limit() const { return limit_ - reserve(); }
  // So many posts may not have arrived that the next one should ask for an answer.
  bool post_should_ask() const;
  bool posts_pile_up() const;
  // Whether a post may not have arrived, and no answer is under way that would tell.
  bool post_is_unproven() const { return table_.post_is_unproven(); }
  // Whether a call that begins now goes out at once.
  bool can_send() const { return waiting_.empty() && has_slot(); }

  // --- calls that end
  PendingCall* find(core::Seq seq) { return table_.find(seq); }
  bool take_abandoned(core::Seq seq) { return table_.take_abandoned(seq); }
  // Its reply has come: out of the table with it. Tells nobody. `ok`: the reply is a success.
  void remove(PendingCall& call, bool ok = false);
  // Its caller has no use for what its reply has handed over: it goes back, and stays in the table
  // until the cancel has been answered by the same reply.
  void hand_back(PendingCall& call) noexcept;
  void count_reply(std::size_t bytes) { table_.count_reply(bytes); }
  // The reply of call `seq` has come: posts, acks and cancels before it are complete.
  void prove(core::Seq seq);
  void ack(core::Seq seq);
  // Its caller's word will come: see settle().
  Unsettled note_unsettled(core::Seq seq);
  void settle(const Unsettled& take, bool kept);
  // Ends the call for its caller. It may stay in the table, cancelled, until the manager has
  // answered.
  void cancel(Completion& completion);
  // Likewise without memory: the manager hears of it later.
  void abandon(Completion& completion) noexcept;
  // Nobody is told of what its posts come to.
  void thread_ended(core::ThreadNumber thread) noexcept;
  // Ends the calls whose deadline has passed.
  void tick(core::Time now);
  core::Deadline next_deadline() const;
  static core::Deadline deadline_of(const Completion& completion);
  // Ends every call for which somebody waits. Nothing of it is sent later.
  void fail(const std::string& reason, bool manager_is_dead) noexcept;
  // Tells of its end whoever waits for it.
  void finish(PendingCall& call, Outcome outcome) noexcept;
  // Likewise that its session or manager is lost.
  void lose(PendingCall& call, Outcome::End end, const std::string& reason) noexcept;

  // --- connections and sessions
  // Nothing can be sent until resume().
  void pause();
  // The manager knows the session again, but not what was lost on the way: acks and cancels go
  // first, since the calls behind them say that older ones are complete.
  void resume();
  bool flowing() const { return flowing_; }
  // Something is queued that was not sent yet.
  bool blocked() const { return first_ < outbox_.size(); }
  // Abandons the cancelled calls: one that was lost on the way never happens.
  void drop_cancelled();
  std::vector<core::Seq> awaited() const { return table_.awaited(); }
  core::Seq first_incomplete() const { return table_.first_incomplete(); }
  // All in order, those that wait for their turn behind the others.
  std::vector<const PendingCall*> in_order() const;
  // For a new session: takes all out, in this order. If it throws nothing has changed.
  std::vector<std::unique_ptr<PendingCall>> restart();
  // Puts one back. If it throws the call is where it was.
  void add(std::unique_ptr<PendingCall>& call);
  // Forgets all, when nobody waits any more.
  void clear() noexcept;

  // --- what is to be sent
  // A frame of another kind, behind what is queued. Dropped while nothing can be sent.
  void send(std::string frame);
  // The first frame that is not sent yet; valid until the next call. The same until sent().
  std::optional<Frame> front();
  void sent();

  // Calls that wait until fewer are in flight go on. After every input.
  void advance();

 private:
  struct Outgoing {
    core::Seq call = 0;  // the call to be sent; 0: `frame` is sent
    std::string frame;
  };
  using Alarm = std::tuple<core::Time, std::uint64_t, PendingCall*>;

  // So many places are not for calls that park.
  std::size_t reserve() const { return limit_ < 2 ? 0 : std::max<std::size_t>(1, limit_ / 16); }
  bool has_slot() const { return limit_ == 0 || table_.in_flight() < limit_; }
  bool has_place() const {
    return has_slot() && (limit_ == 0 || table_.parking() < parking_limit());
  }
  bool must_wait(const PendingCall& call) const;
  std::deque<std::unique_ptr<PendingCall>>& queue_of(const PendingCall& call) {
    return call.parks ? parking_ : waiting_;
  }
  void await_place(PendingCall& call, core::Deadline deadline, core::Time now);
  std::uint64_t places_given_ = 0;
  void enter(std::unique_ptr<PendingCall>& call);
  void queue(std::unique_ptr<PendingCall>& call);
  void watch(PendingCall& call, core::Deadline deadline);
  void end(PendingCall& call, Outcome::End end);
  void late(PendingCall& call, core::Time now);
  void give_up(PendingCall& call);
  void end_unanswered(PendingCall& call) noexcept;
  void tell(core::Envelope kind, core::Seq seq);
  void tell_cancel(PendingCall& call);
  void tell_owed_cancels() noexcept;
  void forget(PendingCall& call);

  CallTable table_;
  // Without a number; the second ones let all others go first.
  std::deque<std::unique_ptr<PendingCall>> waiting_;
  std::deque<std::unique_ptr<PendingCall>> parking_;
  std::set<Alarm> alarms_;
  std::size_t message_bytes_ = 0;
  std::size_t limit_ = 0;
  std::uint64_t started_ = 0;
  bool flowing_ = false;
  bool owes_cancels_ = false;  // perhaps: there was no memory to say them

  // Those before `first_` have been sent. Emptied as a whole, so that its memory stays.
  std::vector<Outgoing> outbox_;
  std::size_t first_ = 0;
  std::size_t composed_ = 0;  // so many entries are in the front frame
  std::string head_;
};

}  // namespace steward::detail::client
