// The plays: what two or three threads do with a queue of a few cells.
#pragma once

#include <steward/tests/shm/memory_order/stage.hpp>

namespace steward::detail::test {

// A ring of two cells with room for one item goes round; each block is used by several.
struct Laps : Stage<Laps> {
  Laps() : Stage({}) {}
  void act(unsigned me) {
    Ring& mine = ring(me);
    if (me == 0) {
      for (Item item = 1; item <= 3; ++item) put(mine, item);
    } else if (me == 1) {
      put(mine, 4);
      get(mine);
      put(mine, 5);
    } else {
      get(mine);
      keep(mine);
      get(mine);
    }
  }
};

// Two threads of one process: they share what its ring remembers.
struct Sharing : Stage<Sharing> {
  Sharing() : Stage({}) {}
  void act(unsigned me) {
    Ring& ours = ring(me == 1 ? 0 : me);
    if (me == 0) {
      put(ours, 1);
      get(ours);
      put(ours, 2);
    } else if (me == 1) {
      get(ours);
      put(ours, 3);
      get(ours);
    } else {
      put(ours, 4);
      get(ours);
      put(ours, 5);
      static_cast<void>(ours.more());
      static_cast<void>(ours.size());
    }
  }
};

// An item that is given back laps the ring of two cells for what came back.
struct Refusing : Stage<Refusing> {
  Refusing() : Stage({.blocks = 2, .redelivery_cells = 2}) {}
  void before() { put(ring(0), 1); }
  void act(unsigned me) {
    Ring& mine = ring(me);
    if (me == 0) {
      refuse(mine);
      refuse(mine);
      get(mine);
    } else if (me == 1) {
      refuse(mine);
      put(mine, 2);
      refuse(mine);
    } else {
      get(mine);
      put(mine, 3);
      get(mine);
    }
  }
};

// Leases, answers and touches, and others that end them.
struct Leases : Stage<Leases> {
  Leases() : Stage({.maxsize = 2, .cells = {4, 0}, .blocks = 2, .redelivery_cells = 2}) {}
  void before() { put(ring(0), 1); }
  void act(unsigned me) {
    Ring& mine = ring(me);
    if (me == 0) {
      lease(mine);
      lease(mine);
    } else if (me == 1) {
      mine.expire(10);
      get(mine);
      put(mine, 2);
      mine.expire(2'000'000'000);
      get(mine);
    } else {
      get(mine);
      put(mine, 3);
      mine.expire(3'000'000'000);
      get(mine);
    }
  }
  void settle(Ring& last) { last.expire(kLong); }

 private:
  static constexpr Word kLong = 100'000'000'000;

  void lease(Ring& mine) {
    const auto taken = take(mine);
    if (!taken) return;
    auto held = mine.hold(*taken, 5);
    if (rl::rand(2) == 0 && !mine.touch(held, 5)) return;
    const bool acks = rl::rand(2) == 0;
    static_cast<void>(acks ? mine.ack(held) : mine.nack(held));
  }
};

// What is touched in time does not end before its new time.
struct Touching : Stage<Touching> {
  Touching() : Stage({.blocks = 2, .redelivery_cells = 2}) {}
  void before() { put(ring(0), 1); }
  void act(unsigned me) {
    Ring& mine = ring(me);
    if (me != 0) {
      mine.expire(10);
      get(mine);
    } else if (const auto taken = take(mine)) {
      auto held = mine.hold(*taken, 5);
      if (mine.touch(held, 20)) RL_ASSERT(mine.ack(held));
    }
  }
};

// Leases begin while others look: each is looked at again when it ends, and not later.
struct Expiring : Stage<Expiring> {
  Expiring() : Stage({.maxsize = 2, .cells = {4, 0}, .blocks = 2, .redelivery_cells = 2}) {}
  void before() {
    put(ring(0), 1);
    put(ring(0), 2);
  }
  void act(unsigned me) {
    Ring& mine = ring(me);
    if (me < 2) {
      if (const auto taken = take(mine)) mine.hold(*taken, 5 + me);
    } else {
      mine.expire(7);
      mine.expire(8);
    }
  }
  void settle(Ring& last) {
    const Word next = last.next_expiry();
    for (std::uint32_t b = 0; b < memory_.blocks(); ++b) {
      if (shm::State::of(memory_.state(b).peek()).holder() != shm::Holder::lease) continue;
      RL_ASSERT(next != 0 && next <= memory_.lease_end(b).peek());
    }
    last.expire(100'000'000'000);
  }
};

// One is killed anywhere. What it did is seen by whoever has its lock afterwards.
struct Deaths : Stage<Deaths> {
  Deaths() : Stage({}) { dead_.store(0, rl::mo_relaxed, RL_INFO); }
  void before() { put(ring(1), 1); }
  void act(unsigned me) {
    Ring& mine = ring(me);
    if (me == 0) {
      live_and_die(mine);
      let_live();
      dead_.store(1, rl::mo_release, RL_INFO);
    } else if (me == 1) {
      get(mine);
      if (dead_.load(rl::mo_acquire, RL_INFO) == 1) mine.recover(1);
      put(mine, 2);
    } else {
      put(mine, 3);
      keep(mine);
      put(mine, 4);
    }
  }
  void settle(Ring& last) { last.recover(1); }

 private:
  void live_and_die(Ring& mine) {
    kill_after(rl::rand(70));
    try {
      if (rl::rand(2) == 0) {
        get(mine);
      } else {
        refuse(mine);
      }
      put(mine, 5);
      if (const auto taken = take(mine)) mine.hold(*taken, 5);
      kill_after(0);
      static_cast<void>(mine.size());
    } catch (const Killed&) {
    }
  }

  rl::atomic<int> dead_;
};

// A first recoverer is killed; the second goes on among others who take and give back.
struct Recoveries : Stage<Recoveries> {
  Recoveries() : Stage({.blocks = 2, .redelivery_cells = 2}) {}
  void before() {
    Ring& dead = ring(0);
    put(dead, 1);
    // Killed with an item that it had taken, held or published, and then whoever recovers it.
    die([&] {
      const auto taken = take(dead);
      put(dead, 2);
      dead.hold(*taken);
      put(dead, 3);
    });
    die([&] { ring(1).recover(1); });
  }
  void act(unsigned me) {
    Ring& mine = ring(me);
    if (me == 0) {
      Ring recoverer(memory_, 5);
      recoverer.recover(1);
    } else {
      for (Item i = 0; i < 2; ++i) {
        if (const auto taken = take(mine)) answer(mine, *taken);
        if (rl::rand(2) == 0) {
          put(mine, 2 * me + 2 + i);
        } else if (shm::Claim claim; mine.claim(0, nullptr, claim)) {
          mine.unclaim(claim);
        }
      }
    }
  }
  void settle(Ring& last) {
    last.recover(1);
    last.expire(100'000'000'000);
  }

 private:
  void answer(Ring& mine, const shm::Taken& taken) {
    switch (rl::rand(3)) {
      case 0: return mine.consume(taken);
      case 1: RL_ASSERT(mine.nack(mine.hold(taken))); return;
      default: break;
    }
    auto held = mine.hold(taken, 5);
    RL_ASSERT(mine.touch(held, 5));
  }
  template <class Live>
  void die(Live live) {
    kill_after(rl::rand(60));
    try {
      live();
    } catch (const Killed&) {
    }
    let_live();
  }
};

// A queue that is closed takes nothing more, and who knows of it is refused.
struct Closing : Stage<Closing> {
  Closing() : Stage({}) {}
  void act(unsigned me) {
    Ring& mine = ring(me);
    if (me == 0) {
      put(mine, 1);
      put(mine, 2);
    } else if (me == 1) {
      mine.close();
      RL_ASSERT(put(mine, 3) == shm::Put::closed);
    } else {
      get(mine);
      get(mine);
      mine.close();
      get(mine);
    }
  }
};

// From one segment into the next.
struct Growing : Stage<Growing> {
  Growing() : Stage({.maxsize = 0, .cells = {2, 2}, .blocks = 3}) {}
  void act(unsigned me) {
    Ring& mine = ring(me);
    if (me == 0) {
      put(mine, 1);
      put(mine, 2);
      get(mine);
    } else if (me == 1) {
      put(mine, 3);
      get(mine);
      put(mine, 4);
    } else {
      get(mine);
      get(mine);
      put(mine, 5);
    }
  }
};

// There is an open task or an item at all times: what follows is there before the former is gone.
struct Joining : Stage<Joining> {
  Joining() : Stage({.maxsize = 2, .cells = {4, 0}}) { open_.store(0, rl::mo_relaxed, RL_INFO); }
  void before() { put(ring(0), 1); }
  void act(unsigned me) {
    Ring& mine = ring(me);
    if (me == 0) {
      const auto none_open = [&] { return open_.load(rl::mo_acquire, RL_INFO) == 0; };
      for (int i = 0; i < 2; ++i) RL_ASSERT(!mine.nothing_unfinished(none_open));
    } else if (me == 1) {
      // By way of one that is held, of a task, and of an item that is put back.
      const auto held = hold(mine);
      if (!held) return;
      put(mine, 2);
      RL_ASSERT(mine.ack(*held));
      const auto next = take(mine);
      if (!next) return;
      open_.store(1, rl::mo_relaxed, RL_INFO);
      mine.consume(*next);
      RL_ASSERT(put_back(mine, 3));
      open_.store(0, rl::mo_release, RL_INFO);
    } else {
      refuse(mine);
      refuse(mine);
      static_cast<void>(mine.size());
    }
  }

 private:
  rl::atomic<int> open_;
};

// Few steps, for every schedule with few preemptions.

struct TwoItems : Stage<TwoItems, 2> {
  TwoItems() : Stage({.blocks = 2, .redelivery_cells = 2}) {}
  void act(unsigned me) {
    Ring& mine = ring(me);
    if (me == 0) {
      put(mine, 1);
      put(mine, 2);
      put(mine, 3);
    } else {
      get(mine);
      get(mine);
    }
  }
};

struct OneRefusal : Stage<OneRefusal, 2> {
  OneRefusal() : Stage({.blocks = 2, .redelivery_cells = 2}) {}
  void before() { put(ring(0), 1); }
  void act(unsigned me) {
    Ring& mine = ring(me);
    if (me == 0) {
      refuse(mine);
    } else {
      get(mine);
      put(mine, 2);
    }
  }
};

struct OneLease : Stage<OneLease, 2> {
  OneLease() : Stage({.blocks = 2, .redelivery_cells = 2}) {}
  void before() { put(ring(0), 1); }
  void act(unsigned me) {
    Ring& mine = ring(me);
    if (me == 0) {
      if (const auto taken = take(mine)) static_cast<void>(mine.ack(mine.hold(*taken, 5)));
    } else {
      mine.expire(10);
      get(mine);
      put(mine, 2);
    }
  }
  void settle(Ring& last) { last.expire(100'000'000'000); }
};

}  // namespace steward::detail::test
