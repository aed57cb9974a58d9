// Thread: a simulated thread of a simulated process. It makes one call after the other, waits for
// each, gives some of them up, and deals with what they give as the proxies do.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <steward/client/session/completion.hpp>
#include <steward/tests/simulation/process.hpp>

namespace steward::detail::simulation {

// A call as its caller means it.
struct Asked {
  core::ObjectId object = core::kManagerObject;
  std::string type = {};
  std::string method = {};
  std::string args = {};
  client::Effect effect = client::Effect::change;
  bool parks = false;
  bool confirm = false;  // a take that is confirmed before its caller sees it
  std::vector<std::int64_t> ids = {};
  core::ReferencePtr target = {};    // both live until the call has ended
  core::ReferencePtr argument = {};
  std::string name = {};             // of the object that it opens
  std::uint64_t number = 0;          // of the reservation that it settles
};

class Thread {
 public:
  explicit Thread(Process& process);
  ~Thread();

  // Begins something, if it is not in the middle of anything.
  void act();
  // Gives up what it waits for, and gives back what it has.
  void finish();
  bool waits() const;  // for the answer to a call
  bool waits_for_others() const;
  bool at_rest() const;
  core::ThreadNumber number() const { return number_; }
  // Its process has died.
  void vanish() { dead_ = true; }
  std::string text() const;

 private:
  struct Op;
  struct Reservation {
    core::ReferencePtr queue;
    std::uint64_t number = 0;
  };

  // What it may do next.
  void use_queue();
  void settle_reservation();
  void use_lock();
  void unlock();
  void use_list();
  void use_dict();
  void use_handles();
  void post_and_read();
  void end_and_begin_anew();

  core::ReferencePtr named(std::string_view name);
  std::string value(std::int64_t id, core::ReferencePtr& argument);
  void start(Asked asked);
  void cancel_later(std::uint64_t op);
  void conclude();
  void tell_book(const Op& op) const;
  void succeeded(Op& op);
  void took(Op& op);
  void keep(const Op& op) const;
  void locked(Op& op);
  void later();

  Process& process_;
  Place& place_;
  test::Random& random_;
  core::ThreadNumber number_;
  bool dead_ = false;
  bool finishing_ = false;
  bool planned_ = false;
  std::uint64_t ops_ = 0;
  std::unique_ptr<Op> op_;
  std::vector<core::ReferencePtr> held_;  // locks, the latest last
  std::vector<Reservation> reservations_;
};

}  // namespace steward::detail::simulation
