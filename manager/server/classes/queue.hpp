// The class `queue`: first in, first out, bounded or not.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include <steward/core/value.hpp>
#include <steward/manager/server/class.hpp>
#include <steward/manager/server/classes/texts.hpp>

namespace steward::server {

// Nobody overtakes: who waits longer is served first, and items come out in the order in which they
// went in, also those that come back from a taker who never got them.
//
// What a get takes stays here, in flight, until the taker has confirmed it; what is returned goes
// back to where it was, in front of everything that entered later, marked as redelivered. Items in
// flight do not count in size(), and do not keep others out: a returned item may exceed maxsize.
//
// Invariants, whenever no method runs: 1. a get waits only while there is no item; 2. a put waits
// only while the queue is full; 3. items_ rises by Item::number; 4. once closed, nobody waits but
// in join.
class QueueObject final : public Object {
 public:
  // [maxsize]; 0 or nothing: unbounded.
  QueueObject(const Environment& environment, Arguments& arguments);

  // All of them throw Closed on a closed queue; taking does so only once it is empty.
  Outcome put(Call& call, Value item);
  bool try_put(Call& call, Value item);
  Outcome put_many(Call& call, std::vector<Value> items);
  Outcome get(Call& call);
  std::optional<Value> try_get(Call& call);
  // At least one item, at most `max` of those that are there.
  Outcome get_many(Call& call, std::uint64_t max);

  void task_done(Call& call);
  Outcome join(Call& call);
  void close(Call& call);

  std::size_t size() const { return items_.size(); }
  bool empty() const { return items_.empty(); }
  bool full() const { return maxsize_ > 0 && items_.size() >= maxsize_; }
  std::uint64_t maxsize() const { return maxsize_; }
  std::string str(TextLimit limit) const;

  // Of the items that are here, in flight, or wait to enter.
  std::size_t bytes() const override { return bytes_; }
  void save(Saver& out) const override;
  void forget(ParkId parked, Context& context) override;
  std::vector<ParkId> waiting() const override;
  void confirmed(CallKey key, Context& context) override;
  void returned(CallKey key, Context& context) override;

 private:
  struct Item {
    Value value;
    std::uint64_t number;  // of its entry: 1, 2, 3, ...
    bool redelivered = false;
  };
  // A put that waits: what has not entered yet.
  using Putter = std::deque<Value>;
  struct Getter {
    std::uint64_t max = 1;
    bool many = false;  // wants a list
  };

  void require_open() const;
  Outcome take_or_park(Call& call, Getter getter);
  void enter(Value value);
  // Takes what is there for this getter, in flight under `key`.
  Value take(const Getter& getter, CallKey key, Context& context);
  // Restores the invariants 1 and 2: serves and admits those who wait until nobody can move.
  void settle(Context& context);
  bool admit_first(Context& context);
  bool serve_first(Context& context);
  static void save_item(Saver& out, const Item& item);

  std::size_t bytes_ = 0;
  std::uint64_t maxsize_ = 0;
  bool closed_ = false;
  std::uint64_t entered_ = 0;     // items ever
  std::uint64_t unfinished_ = 0;  // entered, and not yet reported by task_done
  std::deque<Item> items_;
  std::map<CallKey, std::vector<Item>> in_flight_;
  // Ids of parked calls rise: these are first come, first served.
  std::map<ParkId, Putter> putters_;
  std::map<ParkId, Getter> getters_;
  std::set<ParkId> joiners_;
};

Class queue_class();

}  // namespace steward::server
