// One object as the core hosts it, without the core: calls go through its class's table with
// encoded arguments, and what the object asks of the core is recorded, and checked for misuse.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <steward/core/errors.hpp>
#include <steward/core/handle_codec.hpp>
#include <steward/core/writer.hpp>
#include <steward/manager/server/class.hpp>

namespace steward::detail::server::testing {

// A thread of a client.
struct Client {
  std::uint64_t session = 1;
  std::uint64_t thread = 1;
};

// What became of a call.
struct Answer {
  CallKey key;
  std::optional<ParkId> parked;  // where it waited, or waits
  std::optional<Value> value;
  std::string error;  // "bad_call: the text"

  bool waits() const { return !value && error.empty(); }
};

inline std::string_view name_of(core::ErrorCode code) {
  switch (code) {
    case core::ErrorCode::bad_call: return "bad_call";
    case core::ErrorCode::out_of_range: return "out_of_range";
    case core::ErrorCode::closed: return "closed";
    case core::ErrorCode::not_owner: return "not_owner";
    case core::ErrorCode::poisoned: return "poisoned";
    case core::ErrorCode::overloaded: return "overloaded";
    case core::ErrorCode::timed_out: return "timed_out";
    default: return "another error";
  }
}

template <class F>
std::string error_of(F&& body) {
  const auto text = [](core::ErrorCode code, const std::exception& error) {
    return std::string(name_of(code)) + ": " + error.what();
  };
  try {
    body();
    return {};
  } catch (const BadCall& error) {
    return text(core::ErrorCode::bad_call, error);
  } catch (const core::OutOfRange& error) {
    return text(core::ErrorCode::out_of_range, error);
  } catch (const Closed& error) {
    return text(core::ErrorCode::closed, error);
  } catch (const NotOwner& error) {
    return text(core::ErrorCode::not_owner, error);
  } catch (const Poisoned& error) {
    return text(core::ErrorCode::poisoned, error);
  } catch (const Overloaded& error) {
    return text(core::ErrorCode::overloaded, error);
  }
}

inline std::string encode_arguments(const Value::List& arguments) {
  std::string bytes;
  core::Writer writer(bytes);
  writer.array(arguments.size());
  for (const Value& argument : arguments) {
    core::encode_value(writer, argument, core::current_handle_codec());
  }
  return bytes;
}

// A Value that is a list. (Value::List{x} in braces of its own would be taken for the outer list.)
template <class... Item>
Value list_of(const Item&... items) {
  Value::List list;
  (list.emplace_back(items), ...);
  return list;
}

// Hash tables of different seeds must behave alike.
inline core::HashSeed seed_of(std::uint8_t first_byte) {
  core::HashSeed seed;
  seed.bytes[0] = first_byte;
  return seed;
}

class Hosted {
 public:
  explicit Hosted(std::string_view type, const Value::List& arguments = {},
                  const Environment& environment = {})
      : type_(registry_.find(type)) {
    const std::string bytes = encode_arguments(arguments);
    Arguments encoded(bytes, core::current_handle_codec());
    object_ = type_->create(environment, encoded);
  }

  // The caller of the calls that name none.
  Client client;
  // The bytes of a value that takes too much memory to be read.
  std::string too_large = "\xc1 too large";

  Answer call(Client who, std::string_view name, const Value::List& arguments = {}) {
    return serve(who, name, arguments, false);
  }
  // With a deadline.
  Answer timed_call(Client who, std::string_view name, const Value::List& arguments = {}) {
    return serve(who, name, arguments, true);
  }

  // A call that must give a result at once.
  template <class... Argument>
  Value ask(std::string_view name, const Argument&... arguments) {
    const Answer answer = call(client, name, {Value(arguments)...});
    if (!answer.value) ADD_FAILURE() << name << " gave no result: " << answer.error;
    return answer.value.value_or(Value());
  }
  // A call that must fail: its error.
  template <class... Argument>
  std::string refusal(std::string_view name, const Argument&... arguments) {
    const Answer answer = call(client, name, {Value(arguments)...});
    EXPECT_FALSE(answer.error.empty()) << name << " did not fail";
    return answer.error;
  }

  // What a call that parked has come to.
  Answer now(const Answer& before) const {
    const auto ended = ended_.find(before.key);
    return ended == ended_.end() ? before : ended->second;
  }

  // The client has the answer, in time.
  void confirm(const Answer& answer) {
    if (unconfirmed_.erase(answer.key) == 0) return;
    Serving context(*this);
    object_->confirmed(answer.key, context);
  }
  // The client gives a call up: it waits no more, or what it was given goes back.
  void cancel(const Answer& answer) {
    if (answer.parked && parked_.contains(*answer.parked)) {
      Serving context(*this);
      object_->gave_up(*answer.parked, GaveUp::cancelled, context);
      end(*answer.parked, std::nullopt, "timed_out: cancelled");
    } else {
      give_back(answer.key);
    }
  }

  // The core may give back what is owned before or after what was handed over.
  enum class Order { hand_overs_first, ownership_first };
  void end_session(std::uint64_t number, Ending ending, Order order = Order::ownership_first) {
    const SessionNumber session{number};
    for (auto call = parked_.begin(); call != parked_.end();) {
      const auto [id, parked] = *call++;
      if (parked.key.session != session) continue;
      Serving context(*this);
      object_->gave_up(id, GaveUp::abandoned, context);
      parked.list->remove(id);
      parked_.erase(id);
    }
    if (order == Order::ownership_first) end_ownership(session, ending);
    const std::set<CallKey> unconfirmed = unconfirmed_;
    for (auto key = unconfirmed.rbegin(); key != unconfirmed.rend(); ++key) {
      if (key->session == session) give_back(*key);
    }
    if (order == Order::hand_overs_first) end_ownership(session, ending);
  }

  // Time passes, and the alarm that the object has set goes off.
  void pass(std::chrono::milliseconds time) {
    clock_ += time;
    while (alarm_ && *alarm_ <= clock_) {
      alarm_.reset();
      Serving context(*this);
      object_->alarm(context);
    }
  }
  // How long until then; nullopt: it has set none.
  std::optional<std::chrono::milliseconds> alarm_in() const {
    if (!alarm_) return std::nullopt;
    return std::chrono::ceil<std::chrono::milliseconds>(*alarm_ - clock_);
  }

  // The ring, as an object has it to do with one: what it wants done, and what has become of it.
  void map() {
    Serving context(*this);
    object_->mapped(context);
  }
  std::vector<Work> take_work() { return std::exchange(work_, {}); }
  void work_done(ParkId parked, const WorkResult& result) {
    Serving context(*this);
    object_->work_done(parked, result, context);
  }

  std::vector<ParkId> waiting() const { return object_->waiting(); }
  std::size_t unconfirmed() const { return unconfirmed_.size(); }
  bool is_unconfirmed(const Answer& answer) const { return unconfirmed_.contains(answer.key); }
  std::uint64_t owned_by(std::uint64_t session) const {
    const auto owned = owned_.find(SessionNumber{session});
    return owned == owned_.end() ? 0 : owned->second;
  }
  // What the object takes, and what its last adding call asked for.
  std::size_t bytes() const { return object_->bytes(); }
  std::uint64_t changes() const { return object_->changes(); }
  std::size_t last_room() const { return last_room_; }
  std::string save() const {
    std::string bytes;
    Saver saver(bytes);
    object_->save(saver);
    return bytes;
  }
  // Exactly the calls that are parked must be waiting in the object, in order.
  void check_waiting() const {
    std::vector<ParkId> expected;
    for (const auto& [id, parked] : parked_) expected.push_back(id);
    EXPECT_EQ(object_->waiting(), expected);
  }

 private:
  struct Parked {
    CallKey key;
    WaiterList* list;
  };

  class Serving final : public Call {
   public:
    explicit Serving(Hosted& host) : host_(host) {}
    Serving(Hosted& host, CallKey key, Owner owner, bool timed)
        : host_(host), key_(key), owner_(owner), timed_(timed) {}

    core::Time now() const override { return host_.clock_; }
    void answer(ParkId id, Value result) override { host_.end(id, std::move(result), {}); }
    void fail(ParkId id, core::ErrorCode code, std::string text) override {
      host_.end(id, std::nullopt, std::string(name_of(code)) + ": " + text);
    }
    CallKey caller_of(ParkId id) const override { return host_.parked_.at(id).key; }
    void move(ParkId id, WaiterList& list) override {
      Parked& parked = host_.parked_.at(id);
      std::exchange(parked.list, &list)->remove(id);
    }
    void keep(ParkId) override { ADD_FAILURE() << "no class keeps a call"; }
    void hand_over(CallKey key) override {
      EXPECT_TRUE(host_.unconfirmed_.insert(key).second) << "handed over twice";
    }
    void own(SessionNumber session) override { ++host_.owned_[session]; }
    void disown(SessionNumber session) override {
      const auto owned = host_.owned_.find(session);
      ASSERT_TRUE(owned != host_.owned_.end()) << "disowned what was not owned";
      if (--owned->second == 0) host_.owned_.erase(owned);
    }
    void set_alarm(core::Deadline time) override { host_.alarm_ = time; }
    void work(Work work) override { host_.work_.push_back(std::move(work)); }
    Value read_value(std::string_view encoded) override {
      if (encoded == host_.too_large) throw Overloaded("it takes too much memory");
      return core::decode_value(encoded, core::current_handle_codec());
    }
    std::uint64_t next_fencing_token() override { return ++host_.last_token_; }

    CallKey key() const override { return key_; }
    Owner owner() const override { return owner_; }
    ParkId park(WaiterList& list) override {
      const ParkId id{++host_.last_park_};
      host_.parked_.emplace(id, Parked{key_, &list});
      parked = id;
      return id;
    }
    bool timed() const override { return timed_; }
    void require_room(std::size_t bytes) const override { host_.last_room_ = bytes; }
    std::size_t answer_bytes() const override { return 64U << 20U; }

    std::optional<ParkId> parked;

   private:
    Hosted& host_;
    CallKey key_;
    Owner owner_;
    bool timed_ = false;
  };

  Answer serve(Client who, std::string_view name, const Value::List& arguments, bool timed) {
    Answer answer;
    answer.key = {SessionNumber{who.session}, ++last_seq_[who.session]};
    const Method* method = Registry::find(*type_, name);
    if (method == nullptr) {
      answer.error = "there is no method " + std::string(name);
      return answer;
    }
    last_room_ = 0;
    const std::string bytes = encode_arguments(arguments);
    Serving serving(*this, answer.key, {answer.key.session, who.thread}, timed);
    answer.error = error_of([&] {
      Arguments encoded(bytes, core::current_handle_codec());
      if (method->is_read(*object_)) {
        answer.value = method->read(*object_, encoded);
        return;
      }
      Outcome outcome = method->write(*object_, serving, encoded);
      if (!outcome.parked()) answer.value = std::move(outcome.result());
      EXPECT_EQ(outcome.parked(), serving.parked.has_value());
    });
    answer.parked = serving.parked;
    EXPECT_TRUE(answer.error.empty() || !unconfirmed_.contains(answer.key));
    return answer;
  }

  void end(ParkId id, std::optional<Value> value, std::string error) {
    const auto call = parked_.find(id);
    ASSERT_TRUE(call != parked_.end()) << "a call ended that did not wait";
    const auto [key, list] = call->second;
    list->remove(id);
    ended_[key] = {key, id, std::move(value), std::move(error)};
    parked_.erase(call);
  }

  void give_back(CallKey key) {
    if (unconfirmed_.erase(key) == 0) return;
    Serving context(*this);
    object_->returned(key, context);
  }

  void end_ownership(SessionNumber session, Ending ending) {
    if (owned_.erase(session) == 0) return;
    Serving context(*this);
    object_->session_ended(session, ending, context);
  }

  const Registry registry_ = builtin_classes();
  const Class* const type_;
  std::unique_ptr<Object> object_;
  std::map<std::uint64_t, core::Seq> last_seq_;
  std::uint64_t last_park_ = 0;
  std::uint64_t last_token_ = 0;
  std::size_t last_room_ = 0;
  std::map<ParkId, Parked> parked_;
  std::map<CallKey, Answer> ended_;
  std::set<CallKey> unconfirmed_;
  std::vector<Work> work_;
  core::Time clock_{};
  core::Deadline alarm_;
  std::map<SessionNumber, std::uint64_t> owned_;
};

}  // namespace steward::detail::server::testing
