// Plays in which somebody sleeps. Who is not woken any more is a deadlock, which Relacy finds.
#pragma once

#include <steward/tests/shm/memory_order/stage.hpp>

namespace steward::detail::test {

using shm::Event;

template <class Play, unsigned kThreads = 3>
class WaitingStage : public Stage<Play, kThreads> {
 public:
  using Base = Stage<Play, kThreads>;
  using typename Base::Item;
  using typename Base::Ring;
  using Base::Base;

 protected:
  // As SharedQueue does these.
  void wait_to_get(Ring& mine) {
    std::optional<shm::Taken> taken;
    this->memory_.sleepers(Event::not_empty).wait([&] {
      taken = this->take(mine);
      return taken.has_value();
    });
    if (this->memory_.sleepers(Event::not_empty).may_sleep() && mine.more()) {
      this->memory_.wake(Event::not_empty, 1);
    }
    finish(mine, *taken);
  }
  void finish(Ring& mine, const shm::Taken& taken) {
    mine.consume(taken);
    this->memory_.wake(Event::not_full, 1);
    this->memory_.wake(Event::block_freed, shm::kEveryone);
  }
  void put_and_tell(Ring& mine, Item item) {
    RL_ASSERT(this->put(mine, item) == shm::Put::done);
    this->memory_.wake(Event::not_empty, 1);
  }
};

struct WaitingForItems : WaitingStage<WaitingForItems> {
  WaitingForItems()
      : WaitingStage({.maxsize = 2, .cells = {4, 0}, .redelivery_cells = 1, .sleepers = true}) {}
  void act(unsigned me) {
    Ring& mine = ring(me);
    if (me != 0) return wait_to_get(mine);
    put_and_tell(mine, 1);
    put_and_tell(mine, 2);
  }
};

// Both items by one wake: who is woken wakes the next.
struct WaitingForABatch : WaitingStage<WaitingForABatch> {
  WaitingForABatch()
      : WaitingStage({.maxsize = 2, .cells = {4, 0}, .redelivery_cells = 1, .sleepers = true}) {}
  void act(unsigned me) {
    Ring& mine = ring(me);
    if (me != 0) return wait_to_get(mine);
    RL_ASSERT(put(mine, 1) == shm::Put::done);
    put_and_tell(mine, 2);
  }
};

struct WaitingForWhatComesBack : WaitingStage<WaitingForWhatComesBack, 2> {
  WaitingForWhatComesBack() : WaitingStage({.redelivery_cells = 1, .sleepers = true}) {}
  void before() {
    put(ring(0), 1);
    held_ = ring(0).hold(*take(ring(0)));
  }
  void act(unsigned me) {
    Ring& mine = ring(me);
    if (me != 0) return wait_to_get(mine);
    RL_ASSERT(mine.nack(held_));
  }

 private:
  shm::Held held_;
};

struct WaitingForRoom : WaitingStage<WaitingForRoom, 2> {
  WaitingForRoom() : WaitingStage({.redelivery_cells = 1, .sleepers = true}) {}
  void before() { put(ring(0), 1); }
  void act(unsigned me) {
    Ring& mine = ring(me);
    if (me == 0) {
      memory_.sleepers(Event::not_full).wait([&] { return put(mine, 2) == shm::Put::done; });
    } else {
      finish(mine, *take(mine));
    }
  }
};

// For the answer that ends the last task.
struct WaitingForTheLast : WaitingStage<WaitingForTheLast, 2> {
  WaitingForTheLast() : WaitingStage({.redelivery_cells = 1, .sleepers = true}) {}
  void before() {
    put(ring(0), 1);
    held_ = ring(0).hold(*take(ring(0)));
  }
  void act(unsigned me) {
    Ring& mine = ring(me);
    if (me == 0) {
      RL_ASSERT(mine.ack(held_));
    } else {
      memory_.sleepers(Event::all_done).wait([&] {
        return mine.nothing_unfinished([] { return true; });
      });
    }
  }

 private:
  shm::Held held_;
};

// Nothing comes any more.
struct WaitingForTheEnd : WaitingStage<WaitingForTheEnd> {
  WaitingForTheEnd() : WaitingStage({.redelivery_cells = 1, .sleepers = true}) {}
  void act(unsigned me) {
    Ring& mine = ring(me);
    if (me == 0) return mine.close();
    memory_.sleepers(Event::not_empty).wait([&] {
      shm::Taken taken;
      return mine.take(taken) == shm::Take::closed;
    });
  }
};

// A producer may be killed before it tells; who recovers it does.
struct WaitingForTheDead : WaitingStage<WaitingForTheDead, 2> {
  WaitingForTheDead() : WaitingStage({.redelivery_cells = 4, .sleepers = true}) {}
  void act(unsigned me) {
    if (me != 0) return wait_to_get(ring(me));
    kill_after(rl::rand(30));
    try {
      put_and_tell(ring(0), 1);
    } catch (const Killed&) {
    }
    let_live();
    ring(2).recover(1);
    if (!committed(1)) put_and_tell(ring(2), 2);
  }
};

// One whose time is up may have been woken for another: it looks once more.
struct WaitingWithADeadline : WaitingStage<WaitingWithADeadline> {
  WaitingWithADeadline() : WaitingStage({.redelivery_cells = 1, .sleepers = true}) {}
  void act(unsigned me) {
    Ring& mine = ring(me);
    if (me == 0) return put_and_tell(mine, 1);
    std::optional<shm::Taken> taken;
    const auto look = [&] {
      taken = take(mine);
      return taken.has_value() || got_;
    };
    memory_.sleepers(Event::not_empty).wait(look, me == 1);
    if (!taken) return;
    got_ = true;
    mine.consume(*taken);
    // The other is not to wait for ever.
    memory_.wake(Event::not_empty, Sleepers::kAll);
  }

 private:
  bool got_ = false;
};

}  // namespace steward::detail::test
