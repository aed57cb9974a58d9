// The class `queue`: first in, first out, bounded or not.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include <steward/core/value.hpp>
#include <steward/manager/server/class.hpp>
#include <steward/manager/server/classes/texts.hpp>
#include <steward/manager/server/waiters.hpp>

namespace steward::detail::server {

// Nobody overtakes: who waits longer is served first, and items come out in the order in which they
// went in, also those that come back from a taker who never got them.
//
// What a get takes stays here, in flight, until the taker has confirmed it; what is returned goes
// back to where it was, in front of everything that entered later, marked as redelivered. Items in
// flight do not count in size(), and do not keep others out: a returned item may exceed maxsize.
//
// What a reserve takes is in flight beyond its confirmation: until its session has acknowledged it,
// which also reports it as done, or gives it back, or ends, or its time is over.
//
// The first local client that asks for it moves the items into a ring in shared memory (mapped),
// and from then on the ring is the only store: calls become work that is done there, and park until
// its result comes in. What a ring cannot hold stays here, under a number, and the ring gets a stub
// with that number: values with handles inside, whose references must be counted, oversized ones,
// and those for which it has no memory. Which those are the ring says: until then all are kept.
// Other than in here, put_many of several items is not atomic then: items of others may come
// between its own, and where it fails (closed, no memory) those before stay in. Who waits longest
// among the callers here is still served first, but local clients do not queue up with them. An
// item that is no value reaches its getter as bytes. Items in the ring do not count in bytes().
//
// Watchers wait until a get would not, and take nothing: any number of them is told at once.
//
// Invariants, whenever no method runs and the items are in here: 1. a get waits, and somebody
// watches, only while there is no item; 2. a put waits only while the queue is full; 3. items_
// rises by Item::number; 4. once closed, nobody waits but in join.
class QueueObject final : public Object {
 public:
  // [maxsize]; 0 or nothing: unbounded.
  QueueObject(const Environment& environment, Arguments& arguments);
  QueueObject(const Environment& environment, Loader& in);

  // All of them throw Closed on a closed queue; taking does so only once it is empty.
  Outcome put(Call& call, Value item);
  Outcome try_put(Call& call, Value item);
  Outcome put_many(Call& call, std::vector<Value> items);
  Outcome get(Call& call);
  Outcome try_get(Call& call);
  // At least one item, at most `max` of those that are there.
  Outcome get_many(Call& call, std::uint64_t max);
  // As get, for at most that long (nullopt: without end): [number, redelivered, item].
  Outcome reserve(Call& call, std::optional<std::uint64_t> time_ms);
  // Of what the session has reserved. False: its time is over, or it was settled already.
  bool ack(Call& call, std::uint64_t number);
  bool nack(Call& call, std::uint64_t number);
  // Its time begins anew.
  bool touch(Call& call, std::uint64_t number, std::optional<std::uint64_t> time_ms);

  Outcome task_done(Call& call);
  Outcome join(Call& call);
  Outcome close(Call& call);
  // Whether get() would not wait: there is an item, or never will be one.
  bool ready() const { return closed_ || !items_.empty(); }
  Outcome wait_ready(Call& call);

  std::size_t size() const { return items_.size(); }
  bool empty() const { return items_.empty(); }
  bool full() const { return maxsize_ > 0 && items_.size() >= maxsize_; }
  std::uint64_t maxsize() const { return maxsize_; }
  std::string str(TextLimit limit) const;
  // The same of a ring. Its text says how many items there are, and not which.
  Outcome ask_size(Call& call);
  Outcome ask_empty(Call& call);
  Outcome ask_full(Call& call);
  Outcome ask_ready(Call& call);
  Outcome ask_str(Call& call, TextLimit limit);

  // For who has taken a stub from the ring: its value, which stays until it is said to be redeemed.
  // Throws OutOfRange if there is none. Should the session end without a word, the ring says
  // whether the stub is still there; where it is not, the value was that session's, and is dropped.
  Value redeem(Call& call, std::uint64_t number);
  void redeemed(Call& call, std::uint64_t number);

  // Of the items that are here, in flight, or wait to enter; of a ring those behind its stubs, and
  // those of which it has not said yet that it carries them.
  std::size_t bytes() const override { return bytes_; }
  std::uint64_t changes() const override { return changes_; }
  void save(Saver& out) const override;
  void gave_up(ParkId parked, GaveUp why, Context& context) override;
  void confirmed(CallKey key, Context& context) override;
  void returned(CallKey key, Context& context) override;
  void session_ended(SessionNumber session, Ending ending, Context& context) override;
  void alarm(Context& context) override;
  std::optional<std::uint64_t> ring_maxsize() const override { return maxsize_; }
  void mapped(Context& context) override;
  void work_done(ParkId parked, const WorkResult& result, Context& context) override;
  bool is_outside() const override { return outside_.has_value(); }
  void destroyed(Context& context) override;

 private:
  struct Item {
    Value value;
    std::uint64_t number;  // of its entry: 1, 2, 3, ...
    bool redelivered = false;
  };
  // A put that waits: what has not entered yet.
  using Putter = std::deque<Value>;
  // What a call has asked for, here or of the ring.
  enum class Asked : std::uint8_t {
    put, try_put, get, try_get, get_many, size, empty, full, str, task_done, join, close, reserve,
    ready, wait_ready
  };
  struct Getter {
    Asked asked = Asked::get;
    std::uint64_t max = 1;
    std::optional<std::uint64_t> time_ms = {};  // of a reserve
  };
  struct Waiting {
    Asked asked = Asked::size;
    std::uint64_t max = 1;  // of a get
    std::optional<std::uint64_t> text_limit = {};
    std::optional<std::uint64_t> time_ms = {};  // of a reserve
  };
  // What a ring's get has given to a caller that has not confirmed it, or has reserved it.
  struct Taken {
    ParkId parked{};
    std::vector<std::uint64_t> stubs = {};
  };
  // The value behind a stub, or of an item on its way into the ring.
  struct Kept {
    Value value;
    std::optional<SessionNumber> redeemer = {};  // who asked for it last
  };
  // All of it empty at first: the items are in the ring.
  struct Outside {
    std::uint64_t last_number = 0;
    std::map<std::uint64_t, Kept> kept = {};
    std::set<std::pair<SessionNumber, std::uint64_t>> by_redeemer = {};
    std::map<CallKey, Taken> taken = {};
  };

  struct Reservation {
    CallKey key;  // who asked, with which call
    core::Deadline end;
    std::variant<Item, Taken> what;  // of here, or of the ring
  };
  struct Reservations {
    std::uint64_t last_number = 0;
    std::map<std::uint64_t, Reservation> by_number = {};
    std::set<std::pair<CallKey, std::uint64_t>> by_key = {};
    std::set<std::pair<core::Time, std::uint64_t>> by_end = {};
  };

  // queue_reserve.cpp
  Value reserved(CallKey key, std::optional<std::uint64_t> time_ms, bool redelivered, Value value,
                 std::variant<Item, Taken> what, Context& context);
  // nullptr: the caller has none of this number (any more).
  Reservation* find_reserved(Call& call, std::uint64_t number);
  Reservation take_reserved(std::uint64_t number, Context& context);
  // The session goes on.
  Reservation release_reserved(std::uint64_t number, Context& context);
  void give_back(Reservation reservation, Context& context);
  bool returned_reserved(CallKey key, Context& context);
  void end_overdue(Context& context);
  void set_alarm(Context& context) const;
  void save_reserved(Saver& out) const;
  void load_reserved(Loader& in);

  // queue_outside.cpp
  static RingItem encode(const Value& value);
  static std::vector<RingItem> encode(const std::vector<Value>& values);
  // Under the numbers that the items get.
  void keep(std::vector<RingItem>& items, std::vector<Value> values);
  std::vector<RingItem> to_ring(std::vector<Value> values);
  void put_outside(ParkId parked, Asked asked, std::vector<RingItem> items, Context& context);
  Outcome ask_put(Call& call, Asked asked, std::vector<Value> items);
  Outcome ask(Call& call, Waiting waiting, Work work);
  Outcome ask(Call& call, Asked asked, Work::Kind kind);
  void give(ParkId parked, const Waiting& waiting, const WorkResult& result, Context& context);
  // nullopt: a stub whose item somebody has had.
  std::optional<Value> from_ring(const WorkResult::Item& item, std::vector<std::uint64_t>& stubs,
                                 Context& context) const;
  bool confirmed_outside(CallKey key, Context& context);
  bool returned_outside(CallKey key, Context& context);
  void put_back_outside(std::vector<Item> items, Context& context);
  void drop_kept(std::uint64_t number, Context& context);
  void look_for_stubs_of(SessionNumber session, Context& context);
  void save_outside(Saver& out) const;
  void load_outside(Loader& in);
  static void save_taken(Saver& out, const Taken& taken);
  static Taken load_taken(Loader& in);

  // Throws Overloaded for an item that no answer could carry: whoever took it would never get it.
  void require_short(const Value& item) const;
  void require_short(const std::vector<Value>& items) const;
  void require_open() const;
  Outcome take_or_park(Call& call, Getter getter);
  void enter(Value value);
  std::size_t number_to_take(const Getter& getter) const;
  // Takes what is there for this getter, in flight under `key`.
  Value take(const Getter& getter, CallKey key, Context& context);
  // To where they were.
  void put_back(std::vector<Item> items, Context& context);
  void finish_task(Context& context);
  // Restores the invariants 1 and 2: serves and admits those who wait until nobody can move.
  void settle(Context& context);
  bool admit_first(Context& context);
  bool serve_first(Context& context);
  static void save_item(Saver& out, const Item& item);
  // What is loaded is counted in bytes().
  Item load_item(Loader& in);
  Value load_value(Loader& in);
  static Asked load_asked(Loader& in);

  const std::uint64_t item_bytes_;
  std::size_t bytes_ = 0;
  std::uint64_t changes_ = 0;
  std::uint64_t maxsize_ = 0;
  bool closed_ = false;
  std::uint64_t entered_ = 0;     // items ever
  std::uint64_t unfinished_ = 0;  // entered, and not yet reported by task_done
  std::deque<Item> items_;
  std::map<CallKey, std::vector<Item>> in_flight_;
  Reservations reserved_;
  Waiters<Putter> putters_{*this};
  Waiters<Getter> getters_{*this};
  Waiters<> joiners_{*this};
  Waiters<> watchers_{*this};
  Waiters<Waiting> asking_{*this};  // the ring
  std::optional<Outside> outside_;
};

Class queue_class();

}  // namespace steward::detail::server
