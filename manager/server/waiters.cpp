#include <steward/manager/server/waiters.hpp>

#include <algorithm>

namespace steward::detail::server {

WaiterList::WaiterList(Object& owner) : next_(std::exchange(owner.lists_, this)) {}

std::vector<ParkId> Object::waiting() const {
  std::vector<ParkId> all;
  for (const WaiterList* list = lists_; list != nullptr; list = list->next_) list->ids(all);
  std::ranges::sort(all);
  return all;
}

}  // namespace steward::detail::server
