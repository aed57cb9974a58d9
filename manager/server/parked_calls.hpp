// Calls that wait: one entry each, whatever they wait for. Found by id and by deadline; in order of
// arrival they stand in the lists of their objects (waiters.hpp).
//
// Thread safety: none; part of the core.
#pragma once

#include <functional>
#include <set>
#include <unordered_map>
#include <utility>

#include <steward/core/clock.hpp>
#include <steward/core/ids.hpp>
#include <steward/manager/server/class.hpp>
#include <steward/manager/server/object.hpp>

namespace steward::detail::server {

struct ParkedCall {
  CallKey key;
  core::ObjectId object{};
  std::string_view type;    // these two of static storage: the registry's
  std::string_view method;
  MethodNumber number{};
  core::Deadline deadline;
  WaiterList* list = nullptr;  // of the object
};

class ParkedCalls {
 public:
  ParkId add(const ParkedCall& call);
  const ParkedCall* find(ParkId id) const;
  // These throw std::logic_error if the call does not wait: its class has answered it already.
  const ParkedCall& at(ParkId id) const;
  // Off its object's list as well.
  ParkedCall take(ParkId id);
  void move(ParkId id, WaiterList& list);
  void end_deadline(ParkId id);

  core::Deadline next_deadline() const;
  // A call whose deadline is not after `now`, the earliest first.
  std::optional<ParkId> expired(core::Time now) const;

  std::size_t size() const { return calls_.size(); }
  void save(Saver& out) const;
  // `method_of` finds the method of an object; the lists have been loaded.
  using MethodOf = std::function<const Method*(ParkedCall&, std::string_view)>;
  void load(Loader& in, const MethodOf& method_of);

 private:
  std::uint64_t last_id_ = 0;
  std::unordered_map<ParkId, ParkedCall> calls_;
  std::set<std::pair<core::Time, ParkId>> by_deadline_;
};

}  // namespace steward::detail::server
