// QueueBook: where each item of a queue is. An item is with the queue, in flight to a session, or
// reserved by one; once it is confirmed or acknowledged it is forgotten.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <vector>

#include <steward/tests/simulation/object_book.hpp>

namespace steward::detail::simulation {

class QueueBook final : public ObjectBook {
 public:
  QueueBook(Shared& shared, std::uint64_t maxsize) : ObjectBook(shared), maxsize_(maxsize) {}

  // The session's client has taken this item for its own, by the reservation of this number, if by
  // any. False: it is not here.
  bool kept(const core::SessionId& session, std::int64_t id, std::uint64_t reservation);
  bool has(std::int64_t id) const;
  // In their order, what must be there when nobody has anything in hand.
  std::vector<std::int64_t> must_be_there() const;
  bool may_be_there(std::int64_t id) const { return has(id); }

  void confirmed(SeenCall& call) override;
  void returned(SeenCall& call) override;
  void session_ended(const core::SessionId& session) override;
  void time_passed() override;
  void check_waiting() const override;
  void check_calm() const override;

 private:
  enum class Where : std::uint8_t { here, in_flight, reserved };
  struct Item {
    std::int64_t id = 0;
    Where where = Where::here;
    bool inside = false;    // its put was answered, or it has been taken
    bool doubtful = false;  // of a put of several that has failed: some may be in
    bool redelivered = false;
    bool kept = false;  // by the client that it was given to
    std::uint64_t back_since = 0;  // the step in which it came back
    SeenCall* taker = nullptr;
    std::uint64_t number = 0;  // of its reservation
    core::Deadline end;
  };
  using Items = std::map<std::uint64_t, Item>;  // in the order of their puts

  void begin(SeenCall& call) override;
  void end(SeenCall& call, core::ErrorCode code, std::string_view payload) override;
  void give_up(SeenCall& call) override;
  Items::iterator find(std::int64_t id);
  Item* take(SeenCall& call, std::int64_t id);
  void reserve(SeenCall& call, core::Reader& payload);
  void come_back(Item& item);
  void put_failed(const SeenCall& call);
  Items::iterator reservation(const SeenCall& call);
  void settle_reservation(const SeenCall& call, bool done);

  const std::uint64_t maxsize_;
  std::uint64_t last_ = 0;
  Items items_;
};

}  // namespace steward::detail::simulation
