// ObjectBook: what must be true of one object of the manager, by what its server was told and has
// said. Told of every call once when it comes and once when it is answered, in the server's order.
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>

#include <steward/core/clock.hpp>
#include <steward/core/limits.hpp>
#include <steward/core/reader.hpp>
#include <steward/core/wire.hpp>
#include <steward/tests/simulation/verdict.hpp>

namespace steward::detail::simulation {

// A call as the server has seen it.
struct SeenCall {
  enum class State : std::uint8_t { waiting, answered, dropped };

  core::SessionId session;
  core::Seq seq = 0;
  std::uint64_t arrived = 0;  // how many calls had come before
  std::uint64_t step = 0;     // in which input it came
  core::ThreadNumber thread = 0;
  core::ObjectId object{};
  std::string method;
  std::string args;
  bool post = false;
  State state = State::waiting;
  std::string reply;         // as it was said first
  bool handed_over = false;  // and neither confirmed nor returned
  std::vector<std::int64_t> ids;  // of what it puts somewhere

  bool waits() const { return state == State::waiting; }
  std::string text() const {
    return fmt::format("{}.{} of {} thread {}", core::number(object), method,
                       session.hex().substr(0, 4), thread);
  }
};

// How often what is hard to meet was met: a run without it proves little.
struct Counts {
  std::uint64_t calls = 0;
  std::uint64_t retries = 0;
  std::uint64_t resumed = 0;
  std::uint64_t ended = 0;  // sessions, however
  std::uint64_t cancelled_waiting = 0;
  std::uint64_t handed_back = 0;
  std::uint64_t dropped = 0;  // calls that waited when their session ended
  std::uint64_t kept = 0;     // items
  std::uint64_t came_back = 0;
  std::uint64_t locked = 0;
  std::uint64_t locked_after_wait = 0;

  void add(const Counts& other) {
    for (const auto field : kAll) this->*field += other.*field;
  }
  static const std::vector<std::uint64_t Counts::*> kAll;
};
inline const std::vector<std::uint64_t Counts::*> Counts::kAll{
    &Counts::calls,     &Counts::retries, &Counts::resumed,
    &Counts::ended,     &Counts::cancelled_waiting, &Counts::handed_back,
    &Counts::dropped,   &Counts::kept,    &Counts::came_back,
    &Counts::locked,    &Counts::locked_after_wait};

// What all books of one server share.
struct Shared {
  Verdict& verdict;
  std::function<void(std::int64_t id)> effect;  // what the call with this id does was done
  core::Time now{};
  std::uint64_t step = 0;
  std::uint64_t last_token = 0;
  Counts counts = {};
};

// The number by which a value is known: itself, or the first of its list.
inline std::int64_t take_id(core::Reader& reader) {
  if (reader.peek() != core::Kind::array) return reader.integer();
  const std::size_t count = reader.array();
  const std::int64_t id = reader.integer();
  for (std::size_t i = 1; i < count; ++i) reader.skip(core::kValueDepth);
  return id;
}

class ObjectBook {
 public:
  explicit ObjectBook(Shared& shared) : shared_(shared) {}
  ObjectBook(const ObjectBook&) = delete;
  ObjectBook& operator=(const ObjectBook&) = delete;
  virtual ~ObjectBook() = default;

  // A post is done when it comes.
  void arrived(SeenCall& call) {
    if (!call.post) waiting_.push_back(&call);
    begin(call);
  }
  void answered(SeenCall& call, core::ErrorCode code, std::string_view payload) {
    std::erase(waiting_, &call);
    end(call, code, payload);
  }
  // It ended without an answer.
  void dropped(SeenCall& call) {
    std::erase(waiting_, &call);
    give_up(call);
  }
  // What an answer has handed over is the client's, or goes back.
  virtual void confirmed(SeenCall&) {}
  virtual void returned(SeenCall&) {}
  // After its waiting calls were dropped.
  virtual void session_ended(const core::SessionId&) {}
  virtual void time_passed() {}
  // Between two inputs nobody waits for what is there.
  virtual void check_waiting() const {}
  // When nothing is under way.
  virtual void check_calm() const {}

 protected:
  virtual void begin(SeenCall& call) = 0;
  virtual void end(SeenCall& call, core::ErrorCode code, std::string_view payload) = 0;
  virtual void give_up(SeenCall&) {}

  const std::vector<SeenCall*>& waiting() const { return waiting_; }
  // That one was served before others for which `rivals` says true and which have waited longer.
  template <class F>
  void check_turn(const SeenCall& served, F rivals) const {
    for (const SeenCall* other : waiting_) {
      if (other->arrived < served.arrived && rivals(*other)) {
        broken(Promise::served_in_order, served.text() + " was served before " + other->text());
      }
    }
  }
  void broken(Promise promise, std::string what) const {
    shared_.verdict.broken(promise, std::move(what));
  }

  Shared& shared_;

 private:
  std::vector<SeenCall*> waiting_;  // who came first stands first
};

}  // namespace steward::detail::simulation
