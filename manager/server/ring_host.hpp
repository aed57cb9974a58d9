// RingHost: the manager's part in the rings of its queues. Does there what the core wants done, as
// one participant among others, and keeps what has to wait until a ring lets it go on.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include <steward/core/clock.hpp>
#include <steward/core/limits.hpp>
#include <steward/manager/server/poller.hpp>
#include <steward/manager/server/ring_watch.hpp>
#include <steward/manager/server/work.hpp>
#include <steward/shm/shared_queue.hpp>

namespace steward::detail::server {

// Local processes may write what they like into a ring's memory: whatever comes of that is an error
// of the calls that meet it. What was handed over is reserved on the ring without end (of time the
// core knows more), and goes back by itself should this process die.
//
// Thread safety: none; the loop's thread only. The poller must outlive it.
class RingHost {
 public:
  // What has become of the work for a parked call; as WorkResult, with its own memory.
  struct Done {
    struct Item {
      std::string bytes;
      std::uint32_t format = 0;
      bool redelivered = false;
    };
    core::ObjectId object{};
    ParkId park{};
    core::ErrorCode code = core::ErrorCode::ok;
    std::string text = {};
    std::uint64_t number = 0;
    std::vector<Item> items = {};
    std::vector<std::uint64_t> let_go = {};
  };

  // `descriptors` is how many the process may have open.
  RingHost(Poller& poller, const core::Limits& limits, std::size_t descriptors);
  RingHost(const RingHost&) = delete;
  RingHost& operator=(const RingHost&) = delete;
  // Ends all rings: local clients that wait there are told so.
  ~RingHost();

  // The longest item that a ring takes.
  std::uint64_t item_bytes() const { return item_bytes_; }

  struct Opened {
    int fd = -1;  // of the ring's memory; borrowed
    bool made = false;
  };
  // The ring of this queue, made if it has none: the core must hear of it then (QueueMapped).
  // Throws BadCall if the queue is too large for one, Overloaded or NoMemory if there cannot be one
  // now.
  Opened open(core::ObjectId object, std::uint64_t maxsize);

  // Takes on what the core wants done, in order with what it has taken on before.
  void take(std::vector<Work>& work);
  // Does what can be done now. What there is no memory for is done later, and those who wait are
  // looked at now and then where there is no thread that would tell of changes.
  std::vector<Done> perform(core::Time now);

  // A process has died: what it held on any ring goes back soon.
  void process_died(core::Time now);
  // When perform() has something to do although nothing has happened.
  core::Deadline next_deadline() const;

  std::size_t size() const { return rings_.size(); }
  // Work that waits for a ring to change.
  std::size_t waiting() const;

 private:
  using Outcome = shm::SharedQueue::Outcome;
  struct Put {
    std::optional<ParkId> park = {};  // nullopt: nobody waits for it
    std::vector<RingItem> items = {};
    std::size_t done = 0;
    bool once = false;  // now or never
    bool close_after = false;
    bool tasks_done = false;  // one open task less for each
    std::vector<std::uint64_t> carried = {};  // numbers of those that went in themselves

    // What the core need not keep: what the ring carries, and what will never go in. There is
    // memory for these numbers from the beginning.
    std::vector<std::uint64_t> let_go();
  };
  // The numbers of stubs that are looked for (Work::Kind::look). One walk over the ring's blocks, a
  // part of it in each pass, looks for all that were known when it began.
  struct Search {
    std::set<std::uint64_t> next;     // for the walk behind this one
    std::set<std::uint64_t> missing;  // of this walk: not met yet; none: there is no walk
    // Met while somebody had them in his hands, who may not say what becomes of them: these are
    // looked for again. (Who takes a stub that is queued has its item by the core.)
    std::set<std::uint64_t> later;
    std::uint32_t block = 0;  // where this walk goes on
  };
  // Rings that are watched together: a thread sleeps on no more words than the kernel lets it.
  struct Shard {
    explicit Shard(Poller& poller);
    Shard(const Shard&) = delete;
    Shard& operator=(const Shard&) = delete;
    ~Shard();

    Poller& poller;
    RingWatch watch;
    std::set<core::ObjectId> rings;
    std::size_t words = 0;
    bool woken = false;
    bool changed = false;  // what has to be watched, perhaps
  };
  struct Ring {
    core::ObjectId object{};
    std::shared_ptr<shm::SharedQueue> queue;
    std::deque<Put> back;  // what comes back, whatever the size of the queue
    // ParkIds rise: these are first come, first served. What moved in has none, and is the first.
    std::map<ParkId, Put> puts;
    std::map<ParkId, std::uint64_t> gets;  // at most so many items
    std::set<ParkId> joins;
    std::set<ParkId> watchers;
    std::map<ParkId, std::vector<shm::Held>> held;  // got by a call, and not yet anybody's
    std::vector<RingWatch::Word> words;             // to be watched: what waits, waits for these
    Shard* shard = nullptr;                         // that watches them
    std::size_t words_there = 0;                    // of its words, as many are this ring's
    bool short_of_memory = false;                   // a put waits, though there is room
    Search search;

    bool waits() const {
      return !back.empty() || !puts.empty() || !gets.empty() || !joins.empty() ||
             !watchers.empty();
    }
  };
  enum class Step { done, wait, failed };
  enum class Progress { none, some, over };

  // All of these change nothing before they have the memory that it takes: after std::bad_alloc
  // what is left goes on as if nothing had been.
  void do_work();
  void look_around(core::Time now);
  // True: the work waits in a line of the ring now, and may go on.
  bool start(Ring& ring, Work& work);
  void refuse(const Ring& ring, const Work& work);
  static Put& line_up(Ring& ring, std::optional<ParkId> park, std::vector<RingItem>& items);
  static void line_up_in_front(Ring& ring, std::vector<RingItem>& items);
  void try_put(Ring& ring, Work& work);
  void try_get(Ring& ring, const Work& work);
  // So many more can be told without asking for memory.
  void make_room(std::size_t done);
  void answer(const Ring& ring, ParkId park, std::uint64_t number = 0);
  void cancel(Ring& ring, ParkId park);
  void confirm(Ring& ring, ParkId park);
  static void finish(Ring& ring, ParkId park);
  static void discard(Ring& ring, ParkId park, std::uint64_t index);
  void give_back(Ring& ring, ParkId park, std::uint64_t but_for = 0);
  static void nack(Ring& ring, const shm::Held& held);
  static void close(Ring& ring);
  void look(Ring& ring, const std::vector<RingItem>& items);
  void search(core::Time now);
  bool search(Ring& ring, std::uint32_t& left, core::Time now);
  void drop(core::ObjectId object);
  // For the exception that is being handled.
  void fail(const Ring& ring, ParkId park);
  void fail(const Ring& ring, ParkId park, Outcome outcome);
  void let_go(const Ring& ring, Put& put);

  // Lets those who wait go on as far as they can; afterwards the words of those who cannot are
  // ready to be watched.
  void settle(Ring& ring);
  void settle_touched(core::Time now);
  // True: somebody has got further.
  bool advance(Ring& ring);
  bool advance_items(Ring& ring);
  Progress advance_put(Ring& ring, Put& put);
  Step put_next(Ring& ring, Put& put);
  static Outcome put_item(shm::SharedQueue& queue, RingItem& item, bool in_front,
                          std::vector<std::uint64_t>& carried);
  bool advance_first_get(Ring& ring);
  bool advance_joins(Ring& ring);
  bool advance_watchers(Ring& ring);
  void arm(Ring& ring);
  void get(Ring& ring, ParkId park, std::uint64_t max, Done& done, Outcome& outcome);
  void look_for_dead(core::Time now);
  void join_shard(Ring& ring);
  void leave_shard(Ring& ring);
  void watch();

  Poller& poller_;
  const std::uint64_t item_bytes_;
  const std::size_t descriptors_;
  std::map<core::ObjectId, Ring> rings_;
  std::set<core::ObjectId> waiting_;  // those where some work waits
  std::deque<Work> work_;
  std::vector<Done> done_;
  std::set<core::ObjectId> touched_;  // those to be settled
  core::Deadline again_;  // after a want of memory, or of a thread
  std::vector<std::unique_ptr<Shard>> shards_;

  std::set<core::ObjectId> searched_;  // those with a walk to go on with, or to begin
  std::set<core::ObjectId> searched_later_;
  core::Deadline search_again_;     // when these are
  core::ObjectId last_searched_{};  // one after the other

  std::optional<core::ObjectId> next_to_recover_;  // on the way through all rings
  core::Deadline recover_again_;
  core::Time next_slice_{};
  core::ObjectId last_in_slice_{};  // one after the other
};

}  // namespace steward::detail::server
