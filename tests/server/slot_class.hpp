// A class for tests of the core: one value that can be waited for, handed over and owned.
#pragma once

#include <map>

#include <steward/manager/server/class.hpp>
#include <steward/manager/server/waiters.hpp>

namespace steward::detail::test {

// put() answers the first waiter or fills the slot; take() empties it or waits.
class Slot final : public server::Object {
 public:
  Slot(const server::Environment&, server::Arguments& init) {
    value_ = init.take<std::optional<Value>>();
  }

  std::optional<Value> peek() const { return value_; }

  void put(server::Call& call, const Value& value) {
    if (waiters_.empty()) {
      value_ = value;
      return;
    }
    const server::ParkId first = waiters_.first().first;
    give(call, call.caller_of(first), value);
    call.answer(first, value);
  }

  server::Outcome take(server::Call& call) {
    if (!value_) {
      waiters_.park(call);
      return server::kParked;
    }
    give(call, call.key(), *value_);
    return *std::exchange(value_, std::nullopt);
  }

  void own(server::Call& call) { call.own(call.owner().session); }
  void fail() { throw Closed("failed as asked"); }
  std::int64_t token(server::Call& call) {
    return static_cast<std::int64_t>(call.next_fencing_token());
  }
  std::int64_t ended() const { return ended_; }
  std::int64_t confirmed_count() const { return confirmed_; }

  void confirmed(server::CallKey key, server::Context&) override {
    given_.erase(key);
    ++confirmed_;
  }
  void returned(server::CallKey key, server::Context&) override {
    value_ = given_.at(key);
    given_.erase(key);
  }
  void session_ended(server::SessionNumber, server::Ending ending, server::Context&) override {
    ended_ += ending == server::Ending::died ? 100 : 1;
  }
  void save(server::Saver& out) const override {
    out.number(1);
    out.value(value_ ? *value_ : Value());
    waiters_.save(out);
    out.number(given_.size());
  }

 private:
  void give(server::Call& call, server::CallKey key, const Value& value) {
    given_[key] = value;
    call.hand_over(key);
  }

  std::optional<Value> value_;
  server::Waiters<> waiters_{*this};
  std::map<server::CallKey, Value> given_;
  std::int64_t ended_ = 0;
  std::int64_t confirmed_ = 0;
};

inline server::Registry slot_registry() {
  using server::method;
  server::Registry registry;
  registry.add({"slot",
                server::create<Slot>,
                {method<&Slot::peek>("peek"), method<&Slot::put>("put"),
                 method<&Slot::take>("take"), method<&Slot::own>("own"),
                 method<&Slot::fail>("fail"), method<&Slot::token>("token"),
                 method<&Slot::ended>("ended"),
                 method<&Slot::confirmed_count>("confirmed_count")}});
  return registry;
}

}  // namespace steward::detail::test
