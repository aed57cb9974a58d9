// Waiters: the calls that wait at an object for one thing, in order of arrival, each with what the
// object has to remember of it.
//
//   Waiters<Owner> waiters_{*this};         a member of the object
//   waiters_.park(call, call.owner());      the call waits from now on: its method returns kParked
//   context.answer(waiters_.first().first, result);      it has its answer, and waits no more
//
// The core knows the lists of each object, and it alone ends waits: with an answer; because their
// callers have given up (Object::gave_up hears of it); all of them when the object is destroyed. So
// a class cannot forget a call, nor keep one that has ended.
//
// Thread safety: none; part of the core. A list belongs to its object, and goes with it.
#pragma once

#include <cstddef>
#include <map>
#include <utility>

#include <steward/manager/server/object.hpp>
#include <steward/manager/server/saved_state.hpp>

namespace steward::detail::server {

// What a list of waiters remembers of each if there is nothing to remember.
struct Nothing {};

template <class Remembered = Nothing>
class Waiters final : public WaiterList {
 public:
  explicit Waiters(Object& owner) : WaiterList(owner) {}

  // The call waits here. Throws Overloaded if no more calls may wait.
  ParkId park(Call& call, Remembered remembered = {}) {
    const ParkId id = call.park(*this);
    waiters_.emplace(id, std::move(remembered));
    return id;
  }
  // A call that waits in another list of the same object waits in this one, where it would be had
  // it always been here.
  void adopt(ParkId id, Context& context, Remembered remembered = {}) {
    context.move(id, *this);
    waiters_.emplace(id, std::move(remembered));
  }

  bool empty() const { return waiters_.empty(); }
  std::size_t size() const { return waiters_.size(); }
  auto begin() const { return waiters_.begin(); }
  auto end() const { return waiters_.end(); }
  // Who came first. REQUIRES: !empty().
  std::pair<const ParkId, Remembered>& first() { return *waiters_.begin(); }
  // nullptr: it does not wait here.
  Remembered* find(ParkId id) {
    const auto found = waiters_.find(id);
    return found == waiters_.end() ? nullptr : &found->second;
  }

  // `one` writes what is remembered of one.
  template <class F>
  void save(Saver& out, F&& one) const {
    out.each(waiters_, [&](const auto& waiter) {
      out.number(static_cast<std::uint64_t>(waiter.first));
      one(waiter.second);
    });
  }
  void save(Saver& out) const {
    save(out, [](const Nothing&) {});
  }
  // `one` reads it.
  template <class F>
  void load(Loader& in, F&& one) {
    in.each([&] {
      const ParkId id{in.number()};
      in.waits(id, *this);
      waiters_.emplace(id, one());
    });
  }
  void load(Loader& in) {
    load(in, [] { return Nothing{}; });
  }

 private:
  void ids(std::vector<ParkId>& out) const override {
    for (const auto& [id, remembered] : waiters_) out.push_back(id);
  }
  void remove(ParkId id) override { waiters_.erase(id); }

  std::map<ParkId, Remembered> waiters_;
};

// Answers all of them.
inline void answer_all(Waiters<>& waiters, const Value& result, Context& context) {
  while (!waiters.empty()) context.answer(waiters.first().first, result);
}

}  // namespace steward::detail::server
